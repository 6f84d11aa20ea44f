"""`csc fetch-data` and `csc speedtest` as they are typed: what they print before, instead of, and after."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_bucket import CATALOG, Csc, tree

from organelle.catalog import em_folder, write_tables


@pytest.fixture
def line(drawn: Path, tmp_path: Path) -> list[str | Path]:
    """`csc fetch-data` on the drawn bucket and its tables."""
    write_tables(CATALOG, tmp_path / "tables")
    return ["fetch-data", "--source", drawn, "--catalog", tmp_path / "tables", "--dest", tmp_path / "data"]


def test_a_dry_run_prints_the_table_and_moves_nothing(
    line: list[str | Path], tmp_path: Path, csc: Csc
) -> None:
    status, out, _ = csc(*line, "--crops", "1,2", "--raw-padding", "8 nm", "--dry-run")
    assert status == 0
    assert all(f"│ {number}    │ d1 " in out for number in (1, 2))
    assert " files, " in out
    assert "the EM ends inside the padding of crop 1;" in out
    assert not (tmp_path / "data").exists()


def test_only_the_classes_wanted_come_and_one_without_annotation_is_told(
    line: list[str | Path], tmp_path: Path, csc: Csc
) -> None:
    status, out, _ = csc(*line, "--crops", "1", "--classes", "mito,nuc")
    assert status == 0
    assert "nuc: not annotated in any of these crops" in out
    labels = [key for key in tree(tmp_path / "data") if "/crop1/" in key]
    assert {key.split("/crop1/")[1].split("/")[0] for key in labels} == {".zgroup", "mito"}


def test_absent_chunks_are_counted(line: list[str | Path], bucket: Path, csc: Csc) -> None:
    (em_folder(bucket, "d1") / "s0" / "0" / "0" / "0").unlink()
    assert (
        "1 EM chunks are not in the source; they stay unknown"
        in csc(*line, "--source", bucket, "-c", "3", "--dry-run")[1]
    )


@pytest.mark.parametrize("crops", ["247", "test", "all"])
def test_bounds_without_a_network_say_what_was_assumed(csc: Csc, crops: str) -> None:
    status, out, _ = csc(
        "fetch-data", "-c", crops, "--dry-run", "--offline", "--source", "http://127.0.0.1:9"
    )
    told = " ".join(out.split())
    assert status == 0
    assert "no server was asked. Assumed: EM in chunks of 128 x 128 x 128 voxels" in told
    assert "jrc_cos7-1a" in out or crops == "test"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--offline"], "type it with --dry-run"),
        (["--offline", "--dry-run", "--zip"], "without --zip"),
        (["--raw-padding", "500 px"], "nor of nanometres (500nm)"),
        (["--classes", "mitt"], "nearest: mito"),
        (["--classes", ""], "names no class"),
        (["--crops", "7"], "crop 7 is not"),
        (["--dest", "s3://bucket/x"], "results go to a folder of this machine"),
    ],
)
def test_options_that_cannot_be_used_are_explained(
    line: list[str | Path], csc: Csc, options: list[str], why: str
) -> None:
    status, _, err = csc(*line, *options)
    assert status == 1
    assert why in " ".join(err.split())


def test_the_speed_is_printed_with_what_was_read(drawn: Path, tmp_path: Path, csc: Csc) -> None:
    write_tables(CATALOG, tmp_path / "tables")
    status, out, _ = csc("speedtest", drawn, "--catalog", tmp_path / "tables", "-c", "1", "-w", "3")
    assert status == 0
    assert "MB/s with 3 requests at once (" in out
