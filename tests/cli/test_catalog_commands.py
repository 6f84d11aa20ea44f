"""`csc catalog ...` through the door."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from organelle.cli import main

Csc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc catalog` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", "catalog", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    monkeypatch.delenv("CSC_CATALOG", raising=False)
    return run


def test_tables_are_for_people(csc: Csc) -> None:
    status, out, _ = csc("crops", "--class", "mito", "--max-voxel-size", "4")
    assert status == 0
    assert "1.62×2×2" in out
    assert out.splitlines()[-1].startswith("234 training and 6 test crops")
    assert "endo_lum" in csc("crops", "--crop", "111")[1]
    assert "African green monkey" in csc("datasets", "--organism", "monkey")[1]
    assert "not scored" in csc("classes", "--class", "tbar")[1]
    assert "mito_mem mito_lum mito_ribo" in csc("class", "mito")[1]


@pytest.mark.parametrize("what", ["crops", "datasets", "classes"])
def test_80_columns_hold_what_counts_and_say_what_they_leave_out(
    csc: Csc, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = csc(what)[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert {"train", "test"} <= set(lines[0].split()) or "split" in lines[0].split()
    assert lines[-1].endswith("--csv has all columns")


@pytest.mark.parametrize(("what", "rows"), [("crops", 305), ("datasets", 22), ("classes", 77)])
def test_json_csv_and_files_hold_the_same_rows(csc: Csc, tmp_path: Path, what: str, rows: int) -> None:
    found = json.loads(csc(what, "--json")[1])
    table = csc(what, "--csv")[1]
    assert len(found) == len(list(csv.DictReader(io.StringIO(table)))) == rows
    assert csc(what, "--out", tmp_path / "a.csv")[0] == csc(what, "--out", tmp_path / "a.json")[0] == 0
    assert (tmp_path / "a.csv").read_text() == table
    assert json.loads((tmp_path / "a.json").read_text()) == found


def test_a_file_is_not_overwritten_unasked(csc: Csc, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    assert csc("crops", "--out", tmp_path / "a.csv")[0] == 1
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert csc("crops", "--out", tmp_path / "a.csv", "--overwrite")[0] == 0
    assert (tmp_path / "a.csv").read_text().startswith("crop,dataset")


def test_nothing_found_is_said_and_is_no_error(csc: Csc) -> None:
    status, out, told = csc("crops", "--crop", "111", "--split", "test")
    assert (status, out) == (0, "")
    assert told.startswith("no crop fits")
    assert csc("crops", "--crop", "111", "--split", "test", "--json")[:2] == (0, "[]\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["crops", "--class", "mitos"], "nearest: mito"),
        (["class", "mitos"], "nearest: mito"),
        (["class", "MITO"], "nearest: mito"),
        (["crops", "--crop", "1-5"], "'1-5' is no number of a crop; write them one by one"),
        (["crops", "--crop", "9999"], '"csc catalog crops" lists'),
        (["crops", "--max-voxel-size", "4,4"], "--max-voxel-size '4,4' is not a voxel size"),
        (["crops", "--min-voxel-size", "fine"], "--min-voxel-size 'fine' is not a voxel size"),
        (["crops", "--json", "--csv"], "exclude each other"),
        (["crops", "--class", ","], "--class names nothing"),
        (["datasets", "--organism", ","], "--organism names nothing"),
    ],
)
def test_bad_input_is_answered_in_words(csc: Csc, arguments: list[str], told: str) -> None:
    status, out, error = csc(*arguments)
    assert (status, out) == (1, "")
    assert told in error
