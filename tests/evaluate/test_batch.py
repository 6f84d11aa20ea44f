"""Many submissions from a table: each scored once, none ending the others, nothing replaced unasked."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from small_challenge import GRIDS, Challenge

from organelle.catalog import Catalog, write_tables
from organelle.cli import main
from organelle.errors import FileMissing, FormatError, MissingExtra, OutputExists, ScoringError, SettingsError
from organelle.evaluate import (
    LineStatus,
    batch_cluster,
    batch_eval,
    extended_record,
    public_record,
    read_batch,
)

SCORED, KEPT, FAILED = LineStatus.SCORED, LineStatus.KEPT, LineStatus.FAILED


@pytest.fixture
def table(challenge) -> Path:
    """Three submissions: a perfect zip, a folder without `er`, and that one under a second id."""
    folder = challenge.root / "handed_in"
    shutil.make_archive(str(folder / "perfect"), "zip", challenge.submission)
    shutil.copytree(challenge.submission, folder / "no_er.zarr")
    shutil.rmtree(folder / "no_er.zarr" / "crop11" / "er")
    return write(challenge, ("perfect.zip", "A1"), ("no_er.zarr", "B 2.x"), ("no_er.zarr", "c-3"))


def write(challenge: Challenge, *lines: tuple[str, str]) -> Path:
    path = challenge.root / "handed_in" / "table.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("data_path,evaluation_id\n" + "".join(",".join(line) + "\n" for line in lines))
    return path


def run(challenge: Challenge, table: Path, **options):
    return batch_eval(table, challenge.truth, challenge.catalog, **{"workers": 0} | options)


def statuses(report) -> list[LineStatus]:
    return [found.status for found in report.outcomes]


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("eval_*")}


def test_results_stand_beside_their_submissions_and_are_those_of_evaluate(challenge, table):
    report = run(challenge, table)
    assert statuses(report) == [SCORED] * 3
    assert [found.scores["overall_score"] for found in report.outcomes] == [1, 0, 0]
    assert [found.rows for found in report.outcomes][1] == {"missing": 1, "scored": 2}
    result = challenge.evaluate()
    public, extended = (
        json.loads((table.parent / f"eval_A1{end}.results").read_text()) for end in ("", "_extended")
    )
    assert public["provenance"]["submission"]["name"] == "perfect.zip"
    for found, alone in ((public, public_record(result)), (extended, extended_record(result))):
        found["provenance"].pop("submission"), alone["provenance"].pop("submission")
        assert found == json.loads(json.dumps(alone))


def test_a_table_elsewhere_and_a_folder_for_the_results(challenge, table, tmp_path):
    absolute = tmp_path / "elsewhere.csv"
    absolute.write_text(
        f"evaluation_id,remark,data_path\r\n\r\n 7 ,hello,{table.parent / 'perfect.zip'}\r\n",
        encoding="utf-8-sig",
    )
    report = run(challenge, absolute, output=tmp_path / "results")
    assert statuses(report) == [SCORED]
    made = sorted(p.name for p in (tmp_path / "results").iterdir())
    assert made == ["elsewhere_summary.csv", "eval_7.results", "eval_7_extended.results"]
    assert not times(table.parent)


def test_finished_results_are_kept_and_missing_ones_made(challenge, table):
    run(challenge, table)
    before = times(table.parent)
    (table.parent / "eval_A1.results").unlink()  # as after a kill between the two files
    (table.parent / "eval_c-3_extended.results").unlink()
    again = run(challenge, table)
    assert statuses(again) == [SCORED, KEPT, SCORED]
    after = times(table.parent)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] == before[name]} == {
        "eval_B 2.x.results",
        "eval_B 2.x_extended.results",
    }
    assert statuses(run(challenge, table)) == [KEPT] * 3


def test_a_result_of_something_else_is_replaced_only_when_asked(challenge, table):
    run(challenge, table)
    labels = np.zeros(GRIDS[11].shape, np.uint8)
    shutil.rmtree(table.parent / "no_er.zarr" / "crop11" / "mito")
    changed = Challenge(challenge.root / "handed_in")
    shutil.copytree(changed.hand_in(11, "mito", labels), table.parent / "no_er.zarr" / "crop11" / "mito")
    before = times(table.parent)
    refused = run(challenge, table)
    assert statuses(refused) == [KEPT, FAILED, FAILED]
    assert (
        "eval_B 2.x.results was made from another file; --overwrite replaces it"
        in refused.outcomes[1].problem
    )
    assert times(table.parent) == before
    assert statuses(run(challenge, table, overwrite=True)) == [KEPT, SCORED, SCORED]
    assert statuses(run(challenge, table)) == [KEPT] * 3


def foreign(path: Path, change: str) -> None:
    record = json.loads(path.read_text())
    made = record["provenance"]
    if change == "truth":
        made["truth"]["sha256"] = "0" * 64
    elif change == "versions":
        made["versions"]["numpy"] = "1.26"
    elif change == "official":
        del record["provenance"]
    path.write_text("{" if change == "half" else json.dumps(record))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("truth", "with another truth"),
        ("versions", "with numpy 1.26 instead of"),
        ("official", "by another program, or is damaged"),
        ("half", "by another program, or is damaged"),
    ],
)
@pytest.mark.parametrize("end", ["", "_extended"])
def test_it_is_said_how_a_result_came_to_be_otherwise(challenge, table, change, told, end):
    write(challenge, ("perfect.zip", "A1"))
    run(challenge, table)
    foreign(table.parent / f"eval_A1{end}.results", change)
    (outcome,) = run(challenge, table).outcomes
    assert outcome.status is FAILED
    assert told in outcome.problem


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"metric": "pq"}, "with metric 2026-06 first, not pq"),
        ({"instance_classes": ["er"]}, "for other rows"),
    ],
)
def test_other_options_make_another_result(challenge, table, options, told):
    write(challenge, ("perfect.zip", "A1"))
    run(challenge, table)
    (outcome,) = run(challenge, table, **options).outcomes
    assert told in outcome.problem


def test_a_bad_submission_does_not_end_the_batch(challenge, table):
    (table.parent / "bad.zip").write_bytes(b"PK nonsense")
    (table.parent / "empty").mkdir()
    chunk = next((table.parent / "no_er.zarr" / "crop11" / "mito").glob("[0-9]*"))
    chunk.write_bytes(chunk.read_bytes()[:-5])
    write(challenge, ("bad.zip", "bad"), ("empty", "empty"), ("no_er.zarr", "damaged"), ("perfect.zip", "A1"))
    report = run(challenge, table)
    assert report.outcomes[0].status is FAILED
    assert "bad.zip" in report.outcomes[0].problem
    assert report.outcomes[2].rows == {"missing": 1, "unreadable": 1, "scored": 1}
    assert report.outcomes[3].status is SCORED
    assert not (table.parent / "eval_bad.results").exists()


def test_the_summary_tells_every_line(challenge, table):
    (table.parent / "bad.zip").write_bytes(b"PK nonsense")
    write(challenge, ("perfect.zip", "A1"), ("bad.zip", "bad"))
    report = run(challenge, table)
    assert report.summary_path == table.parent / "table_summary.csv"
    with report.summary_path.open() as file:
        good, bad = csv.DictReader(file)
    assert (good["evaluation_id"], good["status"], good["overall_score"], good["error"]) == (
        "A1",
        "scored",
        "1.0",
        "",
    )
    assert good["result_path"] == str(table.parent / "eval_A1.results")
    assert (bad["status"], bad["overall_score"], bad["result_path"]) == ("failed", "", "")
    assert bad["error"] == report.failed[0].problem
    run(challenge, table)  # a summary replaces a summary,
    report.summary_path.write_text("mine\n")
    with pytest.raises(OutputExists, match="no summary"):  # but nothing else
        run(challenge, table)


def test_all_problems_of_a_table_are_told_before_anything_is_scored(challenge, table):
    write(
        challenge,
        ("perfect.zip", "fine"),
        ("nothing.zip", "../up"),
        ("", "FINE"),
        ("perfect.zip", ""),
        ("perfect.zip", "x" * 201),
        ("perfect.zip",),
        ("perfect.zip", "fine_extended", "three"),
        ("a" * 5000, "a\tb"),
    )
    with pytest.raises(FormatError) as told:
        run(challenge, table)
    for part in (
        f"line 3: nothing at {table.parent / 'nothing.zip'}",
        "line 3: evaluation_id '../up' is no file name",
        "line 4: data_path is empty",
        "line 5: evaluation_id is empty",
        "is longer than 200 bytes",
        "line 7: evaluation_id is empty",
        "line 8: more cells than headings",
        "line 9: nothing at",
        r"line 9: evaluation_id 'a\tb' is no file name",
        "lines 2, 4: the same evaluation_id fine",
        "fine_extended is taken",
    ):
        assert part in str(told.value)
    assert not times(table.parent)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"data_path;evaluation_id\na;b\n", "its headings are: data_path;evaluation_id"),
        (b"data_path\na\n", "not so: evaluation_id"),
        (b"data_path,evaluation_id,data_path\na,b,c\n", "not so: data_path"),
        (b"", "(none)"),
        (b"data_path,evaluation_id\n\n", "no line below its headings"),
        (b"\xff\xfe\x00", "no table of text"),
        (b'data_path,evaluation_id\n"a', "no table of text"),
    ],
)
def test_what_is_no_table_says_so(tmp_path, text, told):
    (tmp_path / "table.csv").write_bytes(text)
    with pytest.raises(FormatError) as error:
        read_batch(tmp_path / "table.csv")
    assert told in str(error.value)


def test_the_longest_id_fits_into_a_file_name(challenge, table):
    name = "ü" * 100
    write(challenge, ("perfect.zip", name))
    assert statuses(run(challenge, table)) == [SCORED]
    assert (table.parent / f"eval_{name}_extended.results").is_file()


def test_what_concerns_all_lines_ends_the_batch(challenge, table, tmp_path):
    with pytest.raises(FileMissing, match=r"no table at .*tabel\.csv"):
        run(challenge, tmp_path / "tabel.csv")
    with pytest.raises(ScoringError, match="2026-06"):
        run(challenge, table, metric="2025")
    with pytest.raises(ScoringError, match="another challenge"):
        batch_eval(table, challenge.truth, Catalog("other", {}, {}, {}))
    assert not times(table.parent)


def test_a_cluster_without_dask_says_what_to_install(challenge, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra, match=r"organelle\[dask\]"):
        run(challenge, table, scheduler="tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here", "tcp://127.0.0.1:port"])
def test_an_address_where_nobody_answers_is_told(challenge, table, address, monkeypatch):
    monkeypatch.setattr(batch_cluster, "CONNECT_SECONDS", 0.3)
    with pytest.raises(SettingsError, match="no Dask scheduler answers at"):
        run(challenge, table, scheduler=address)


def test_a_cluster_finds_what_this_process_finds(challenge, table, tmp_path):
    from distributed import LocalCluster

    (table.parent / "bad.zip").write_bytes(b"PK nonsense")
    write(challenge, ("perfect.zip", "A1"), ("bad.zip", "bad"), ("no_er.zarr", "B"))
    alone = run(challenge, table, output=tmp_path / "alone")
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        there = run(challenge, table, output=tmp_path / "there", scheduler=address)
        again = run(challenge, table, output=tmp_path / "there", scheduler=address)
    assert statuses(there) == [SCORED, FAILED, SCORED]
    assert statuses(again) == [KEPT, FAILED, KEPT]
    assert there.failed[0].problem == alone.failed[0].problem
    names = sorted(p.name for p in (tmp_path / "alone").glob("eval_*"))
    assert names == sorted(p.name for p in (tmp_path / "there").glob("eval_*"))
    for name in names:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_the_command_prints_the_summary_and_ends_with_1_if_one_failed(challenge, table, monkeypatch, capsys):
    write_tables(challenge.catalog, challenge.root / "tables")
    (table.parent / "bad.zip").write_bytes(b"PK nonsense")
    for lines, status in (((("perfect.zip", "A1"),), 0), ((("perfect.zip", "A1"), ("bad.zip", "bad")), 1)):
        write(challenge, *lines)
        places = [
            "-c",
            table,
            "-t",
            challenge.truth,
            "--catalog",
            challenge.root / "tables",
            "--workers",
            "0",
        ]
        work = ["--work", challenge.root / "work"]
        monkeypatch.setattr("sys.argv", ["csc", "batch-eval", *map(str, [*places, *work])])
        with pytest.raises(SystemExit) as ended:
            main()
        assert int(ended.value.code or 0) == status
    told = capsys.readouterr().out
    assert "1 submission: 1 scored, 0 kept, 0 failed" in told
    assert "2 submissions: 0 scored, 1 kept, 1 failed" in told
    assert "bad: " in told
    assert "table_summary.csv" in told.replace("\n", "")
