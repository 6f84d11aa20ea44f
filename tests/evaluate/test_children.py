"""The same evaluation in child processes: the same result, whatever happens to them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from small_challenge import GRIDS, cubes

from organelle.catalog import write_tables
from organelle.children import Allowance, run_jobs
from organelle.cli import main
from organelle.errors import ScoringError, SubmissionError
from organelle.evaluate import crew, evaluate, extended_record
from organelle.geometry import Grid

KEPT = "evaluate/*/crop*/*.json"


def record(result) -> str:
    return json.dumps(extended_record(result), sort_keys=True)


@pytest.fixture
def mixed(challenge):
    """One row damaged, one missing, one good."""
    chunk = next(p for p in (challenge.submission / "crop11" / "er").iterdir() if p.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:-5])
    shutil.rmtree(challenge.submission / "crop12")
    return challenge


def test_children_find_what_one_process_finds(mixed):
    alone = mixed.evaluate()
    assert [row.status for row in alone.rows] == ["unreadable", "scored", "missing"]
    assert record(mixed.evaluate(workers=2)) == record(alone)  # one worker: in test_bad_input


def test_finished_rows_are_kept_and_not_scored_again(mixed, tmp_path):
    first = mixed.evaluate(work=tmp_path / "work")
    kept = sorted((tmp_path / "work").glob(KEPT))
    assert [p.parent.name + "/" + p.stem for p in kept] == ["crop11/er", "crop11/mito", "crop12/mito"]
    kept[0].unlink()
    kept[1].write_text('{"by_version": []}')  # what is no row is none
    changed = json.loads(kept[2].read_text()) | {"remarks": ["kept"]}
    kept[2].write_text(json.dumps(changed))
    second = mixed.evaluate(work=tmp_path / "work")
    assert second.rows[2].remarks == ("kept",)
    assert second.rows[:2] == first.rows[:2]


def test_a_kept_row_serves_every_metric(challenge, tmp_path):
    first = challenge.evaluate(work=tmp_path / "work")
    other = challenge.evaluate(work=tmp_path / "work", metric="pq")
    assert len(list((tmp_path / "work").glob("evaluate/*"))) == 1
    assert other.scores == first.other_scores["pq"]


def test_another_file_of_the_same_name_is_scored_afresh(challenge, tmp_path):
    work = tmp_path / "work"
    assert challenge.evaluate(work=work).scores.overall == 1
    shutil.rmtree(challenge.submission / "crop11" / "er")
    challenge.hand_in(11, "er", np.zeros(GRIDS[11].shape, np.uint8))
    again = challenge.evaluate(work=work)
    assert again.scores.classes["er"].score == 0
    assert record(again) == record(challenge.evaluate())


def test_other_objects_are_another_evaluation(challenge, tmp_path):
    rows = [
        challenge.row("crop11/mito", work=tmp_path, instance_classes=names) for names in (["mito"], ["er"])
    ]
    assert rows[0].kind is not rows[1].kind


def test_a_row_that_asks_for_too_much_memory_is_stopped_and_the_others_go_on(challenge, monkeypatch):
    fine = Grid((2.0, 2.0, 2.0), GRIDS[11].origin_nm, tuple(4 * n for n in GRIDS[11].shape))
    shutil.rmtree(challenge.submission / "crop11" / "er")
    challenge.hand_in(11, "er", np.ones(fine.shape, np.uint8), fine)
    good = challenge.evaluate(workers=1)
    assert [row.status for row in good.rows] == ["scored"] * 3
    monkeypatch.setattr(crew, "total_memory", lambda: 372 << 20)
    er, mito, other = challenge.evaluate(workers=1).rows
    assert (er.status, mito.status, other.status) == ("stopped", "scored", "scored")
    assert "GiB of memory" in er.remarks[0]
    assert er.counts.fn == np.prod(GRIDS[11].shape)  # as if it were missing


@pytest.mark.parametrize(
    "change",
    [
        {"by_version": {}},
        {"status": "stopped"},
        {"status": "nonsense"},
        {"remarks": "hello"},
        {"num_voxels": "12"},
        {"num_voxels": -1},
        {"is_missing": True},
        {"voxel_size_nm": "abc"},
        {"class_name": "er"},
        {"crop_id": 12},
        {"kind": "semantic"},
    ],
)
def test_a_kept_row_that_no_scorer_wrote_is_scored_again(challenge, tmp_path, change):
    first = challenge.evaluate(work=tmp_path)
    place = next(tmp_path.glob("evaluate/*/crop11/mito.json"))
    place.write_text(json.dumps(json.loads(place.read_text()) | change))
    assert challenge.evaluate(work=tmp_path) == first


@pytest.mark.parametrize("number", [-5, 10**40, True, "12", [1], None, float("nan")])
def test_a_kept_count_that_is_none_is_scored_again(challenge, tmp_path, number):
    first = challenge.evaluate(work=tmp_path)
    place = next(tmp_path.glob("evaluate/*/crop11/mito.json"))
    kept = json.loads(place.read_text())
    kept["by_version"]["2026-07"]["tp"] = number
    place.write_text(json.dumps(kept))
    assert challenge.evaluate(work=tmp_path) == first


def test_versions_that_skip_differently_have_their_own_status(challenge, tmp_path):
    specks = np.zeros(GRIDS[11].shape, np.uint16)
    specks[::2, ::2, ::2] = 1
    truth = np.zeros(GRIDS[11].shape, np.uint16)
    truth[2:9, 2:9, 2:9] = 1
    for folder, array in (("submission", specks), ("truth", truth)):
        shutil.rmtree(getattr(challenge, folder) / "crop11" / "mito")
        (challenge.hand_in if folder == "submission" else challenge.add_truth)(11, "mito", array)
    statuses = {
        (metric, workers): challenge.row("crop11/mito", metric=metric, workers=workers, work=tmp_path).status
        for workers in (0, 1)
        for metric in ("2026-06", "pq")
    }
    assert {metric: status for (metric, _), status in statuses.items()} == {
        "2026-06": "skipped_too_many_instances",
        "pq": "scored",
    }
    assert statuses["pq", 0] == statuses["pq", 1] == challenge.row("crop11/mito", metric="pq").status


@pytest.mark.parametrize("where", ["submission", "truth"])
def test_a_folder_that_changes_meanwhile_is_refused_and_its_row_is_not_kept(challenge, tmp_path, where):
    first = challenge.evaluate()
    chunk = next(p for p in (getattr(challenge, where) / "crop12" / "mito").iterdir() if p.name[0].isdigit())
    before = chunk.read_bytes()

    def spoil() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if any("reading" in log.read_text() for log in tmp_path.glob("evaluate/*/log.txt")):
                chunk.unlink()
                return
            time.sleep(0.001)

    thread = threading.Thread(target=spoil, daemon=True)
    thread.start()
    with pytest.raises((SubmissionError, ScoringError), match="was changed while it was scored"):
        challenge.evaluate(workers=1, work=tmp_path)
    thread.join()
    chunk.write_bytes(before)
    assert challenge.evaluate(work=tmp_path) == first


def test_many_rows_that_are_stopped_are_counted_by_one_crew(challenge, monkeypatch):
    monkeypatch.setattr(crew, "scoring_allowance", lambda *_: Allowance(1 << 40))
    made: list[int] = []
    monkeypatch.setattr(crew, "run_jobs", lambda *a, **k: made.append(len(a[1])) or run_jobs(*a, **k))
    monkeypatch.setattr(crew, "honest_bytes", lambda *_: 1 << 30)
    rows = challenge.evaluate(workers=1).rows
    assert [(row.status, row.counts.tp) for row in rows] == [("stopped", 0)] * 3
    assert made == [0, 3]
    assert rows[1].counts.fn == cubes(GRIDS[11].shape).max()


@pytest.mark.skipif(sys.platform == "win32", reason="files are limited by a POSIX call")
def test_a_disk_that_is_full_ends_the_run_with_a_word_and_nothing_by_halves(challenge, tmp_path, monkeypatch):
    write_tables(challenge.catalog, tmp_path / "tables")
    command = [
        str(Path(sys.executable).with_name("csc")), "evaluate", "--catalog", str(tmp_path / "tables"),
        "-t", str(challenge.truth), "-s", str(challenge.submission), "-r", "result.json", "--workers",
    ]  # fmt: skip
    full = subprocess.run(
        [*command, "1"], cwd=tmp_path, capture_output=True, text=True, preexec_fn=lambda: limit_files(300)
    )
    assert full.returncode == 1
    assert "error: " in full.stderr
    assert "Traceback" not in full.stderr
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".json", ".part") and p.is_file()]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [*command, "0"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert json.loads((tmp_path / "result.json").read_text())["overall_score"] == 1


def limit_files(size: int) -> None:
    """No file of this process may grow beyond so many bytes."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_crop_too_large_for_the_machine_is_the_machines_fault(challenge, monkeypatch):
    monkeypatch.setattr(crew, "total_memory", lambda: 340 << 20)
    with pytest.raises(ScoringError, match=r"cannot be scored here.*use a larger machine"):
        challenge.evaluate(workers=1)


def test_a_zip_that_changes_meanwhile_is_refused(challenge, tmp_path):
    packed, work = tmp_path / "handed_in.zip", tmp_path / "work"
    shutil.make_archive(str(packed.with_suffix("")), "zip", challenge.submission)
    other = tmp_path / "other.zip"
    other.write_bytes(packed.read_bytes() + bytes(10))

    def begun(log) -> bool:
        return "reading" in log.read_text()

    def exchange() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not any(map(begun, work.glob("evaluate/*/log.txt"))):
            time.sleep(0.001)
        other.replace(packed)

    thread = threading.Thread(target=exchange, daemon=True)
    thread.start()
    with pytest.raises(SubmissionError, match="changed while it was scored"):
        evaluate(packed, challenge.truth, challenge.catalog, workers=1, work=work)
    thread.join()
