"""`csc catalog inspect`, `import` and `register` through the door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from organelle.classes import Kind
from organelle.cli import main
from organelle.geometry import Grid
from organelle.volumes import open_multiscale, write_multiscale

Csc = Callable[..., tuple[int, str, str]]
GRID = Grid((8, 8, 8), (4, 4, 4), (16, 24, 32))
ARRAY = np.random.default_rng(1).integers(1, 255, GRID.shape, dtype=np.uint8)


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    monkeypatch.delenv("CSC_CATALOG", raising=False)
    return run


def test_inspect_tells_people_and_programs(csc: Csc, tmp_path: Path) -> None:
    write_multiscale(tmp_path / "em", ARRAY, GRID, kind=Kind.IMAGE, levels=2)
    status, out, _ = csc("catalog", "inspect", tmp_path / "em")
    assert status == 0
    assert "s0: 16 x 24 x 32 uint8 of 8 x 8 x 8 nm, first centre at 4, 4, 4 nm" in out
    assert out.endswith("usable\n")
    record = json.loads(csc("catalog", "inspect", tmp_path / "em", "--json", "--sample", "0")[1])
    assert record["usable"] is True
    assert [level["shape"] for level in record["levels"]] == [[16, 24, 32], [8, 12, 16]]


def test_inspect_ends_with_status_1_when_nothing_can_use_it(csc: Csc, tmp_path: Path) -> None:
    status, out, _ = csc("catalog", "inspect", tmp_path / "missing")
    assert status == 1
    assert "[not-zarr]" in out
    assert out.endswith("not usable as it is\n")


def test_import_plans_first_and_then_does_it(csc: Csc, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "stack.tif", ARRAY, photometric="minisblack")
    status, _, told = csc("catalog", "import", tmp_path / "stack.tif", tmp_path / "em")
    assert status == 1
    assert "--voxel-size 8,4,4" in told
    words = ["catalog", "import", tmp_path / "stack.tif", tmp_path / "em", "--voxel-size", "8,4,4",
             "--offset", "-4,0,2.5", "--chunks", "8,16,16", "--levels", "2"]  # fmt: skip
    status, out, _ = csc(*words, "--dry-run")
    assert status == 0
    assert "16 x 24 x 32 voxels (z, y, x) of uint8" in out
    assert not (tmp_path / "em").exists()
    assert csc(*words)[0] == 0
    image = open_multiscale(tmp_path / "em")
    assert image.levels[0].grid == Grid((8, 4, 4), (-4, 0, 2.5), GRID.shape)
    assert (image.levels[0].chunks, len(image.levels)) == ((8, 16, 16), 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--chunks", "8,8"),
        ("--chunks", "-1"),
        ("--offset", "here"),
        ("--to-uint8", "low,high"),
        ("--to-uint8", "5"),
    ],
)
def test_import_explains_options_that_it_cannot_use(
    csc: Csc, tmp_path: Path, option: str, value: str
) -> None:
    status, _, told = csc("catalog", "import", tmp_path / "stack.tif", tmp_path / "em", option, value)
    assert status == 1
    assert f"{option} '{value}' is not" in told


def test_register_makes_a_dataset_of_ones_own(csc: Csc, tmp_path: Path) -> None:
    write_multiscale(tmp_path / "em", ARRAY, GRID, kind=Kind.IMAGE)
    words = ["catalog", "register", "own", tmp_path / "em", "--catalog", tmp_path / "mine",
             "--data", tmp_path / "data", "--classes", "mito"]  # fmt: skip
    boxes = ["--crop", "0:8,0:8,8:16", "--crop", "0:64,0:128,64.5:128nm"]
    status, out, _ = csc(*words, *boxes)
    assert status == 0
    assert "own: EM at" in out
    assert "crop 2, to predict: 8 x 16 x 8 voxels of 8 x 8 x 8 nm, mito" in out
    assert "kept: 2" in csc(*words, *boxes)[1]
    listed = json.loads(csc("catalog", "crops", "--catalog", tmp_path / "mine", "--json")[1])
    assert [row["shape"] for row in listed] == [[8, 8, 8], [8, 16, 8]]


@pytest.mark.parametrize("box", ["0:8,0:8", "0:8,0:8,8:8", "0:8,0:8,a:b", "0:8.5,0:8,0:8", "8"])
def test_register_explains_boxes_that_are_none(csc: Csc, tmp_path: Path, box: str) -> None:
    write_multiscale(tmp_path / "em", ARRAY, GRID, kind=Kind.IMAGE)
    status, _, told = csc(
        "catalog", "register", "own", tmp_path / "em", "--catalog", tmp_path / "mine", "--crop", box
    )
    assert status == 1
    assert f"--crop '{box}' is no box" in told
