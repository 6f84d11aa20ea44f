"""`csc get-counts` as people type it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from organelle.catalog import load_catalog
from organelle.cli import main

Csc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc get-counts` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", "get-counts", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    monkeypatch.delenv("CSC_CATALOG", raising=False)
    return run


def test_rows_are_the_same_as_table_json_csv_and_file(csc: Csc, tmp_path: Path) -> None:
    found = json.loads(csc("--json")[1])
    assert len(found) == 48
    assert all(row["crops"] == sum(row[d] for d in load_catalog().datasets) for row in found)
    table = csc("--csv")[1]
    assert [{k: str(v) for k, v in row.items()} for row in found] == list(csv.DictReader(io.StringIO(table)))
    assert csc("--out", tmp_path / "a.csv")[0] == 0
    assert (tmp_path / "a.csv").read_text() == table
    mito = next(row for row in found if row["class"] == "mito")
    line = next(words for words in map(str.split, csc()[1].splitlines()) if words[:1] == ["mito"])
    assert line[1] == str(mito["crops"])
    assert f"jrc_hela-2:{mito['jrc_hela-2']}" in line


def test_filters_choose_the_crops_that_are_counted(csc: Csc) -> None:
    crops = [c for c in load_catalog().train_crops.values() if c.dataset == "jrc_mus-liver"]
    found = json.loads(
        csc("--dataset", "jrc_mus-liver", "-c", "nuc,mito", "--max-voxel-size", "8", "--json")[1]
    )
    fine = [c for c in crops if max(c.voxel_size_nm) <= 8]
    assert 0 < len(fine) < len(crops)
    expected = {name: sum(name in c.classes for c in fine) for name in ("nuc", "mito")}
    assert {row["class"]: row["crops"] for row in found} == expected
    assert set(found[0]) == {"class", "crops", "jrc_mus-liver"}
    assert json.loads(csc("--organism", "zebrafish", "--json")[1])[0].keys() == {
        "class",
        "crops",
        "jrc_zf-cardiac-1",
    }
    assert json.loads(csc("--crop", "557", "-c", "mito", "--json")[1])[0]["crops"] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-c", "mitos"], 'nearest: mito, mito_mem, mito_lum. The names are listed by "csc catalog classes"'),
        (["-c", ","], "names no class"),
        (["-ds", ","], "--dataset names nothing"),
        (["--organism", ""], "--organism names nothing"),
        (["--crop", "999"], "crop 999 is not in the catalog"),
        (["--json", "--csv"], "exclude each other"),
    ],
)
def test_bad_input_is_answered_in_words(csc: Csc, arguments: list[str], told: str) -> None:
    status, out, error = csc(*arguments)
    assert (status, out) == (1, "")
    assert told in error
