"""Files made to measure the truth are told from honest ones."""

from __future__ import annotations

import numpy as np
import pytest

from organelle.catalog import Catalog, Crop, Dataset
from organelle.geometry import Grid
from organelle.portal.scoring.probing import Measured, judge, measure, suspicions
from organelle.volumes import write_volume

GRID = Grid((8.0, 8.0, 8.0), (4.0, 4.0, 4.0), (20, 24, 28))
SIZE = 20 * 24 * 28
CROPS = (1, 2, 3, 4, 5)
CATALOG = Catalog(
    "five",
    {"fly": Dataset("fly")},
    {},
    {n: Crop(n, "fly", GRID, ("er", "mito"), is_test=True) for n in CROPS},
)


def measured(crop=1, name="er", voxels=0, box=None, objects=0, size=SIZE) -> Measured:
    return Measured(crop, name, name == "mito", size, voxels, 4 * voxels if box is None else box, objects)


def honest() -> list[Measured]:
    """Five crops, with er all over and some mitochondria; one row is empty, one is full, one is a speck."""
    rows = [measured(n, "er", 3000 + n) for n in CROPS] + [measured(n, "mito", 900, objects=4) for n in CROPS]
    rows[0] = measured(1, "er", SIZE)
    rows[1] = measured(2, "er", 0)
    rows[5] = measured(1, "mito", 1, box=1, objects=1)
    return rows


def told(rows) -> str:
    return " ".join(judge(rows, len(CROPS)))


def test_an_honest_file_is_not_held():
    assert told(honest()) == ""


def test_nothing_at_all():
    assert "background" in told([measured(n) for n in CROPS])


def test_one_crop_only():
    assert "Only crop 3" in told([measured(n, "er", 3000 * (n == 3)) for n in CROPS])
    rows = [measured(3, "er", 3000), measured(4)]
    assert list(judge(rows, 2)) == [], "of two crops one may well do only one"


def test_one_voxel_in_each_row():
    assert "No row has more than 1 voxels" in told([measured(n, "er", 1, box=1) for n in CROPS])


def test_constants():
    assert "one constant" in told([measured(n, "er", SIZE) for n in CROPS])


def test_a_block_in_an_empty_volume():
    assert "solid box" in told([measured(n, "er", 1000, box=1000) for n in CROPS])


def test_one_voxel_for_each_object():
    rows = [measured(n, "mito", 400, objects=390) for n in CROPS] + [measured(n, "er", 3000) for n in CROPS]
    assert "a few voxels only" in told(rows)


@pytest.fixture
def write(tmp_path):
    def write_rows(draw):
        for crop in CROPS:
            for name in ("er", "mito"):
                write_volume(tmp_path / "s.zarr" / f"crop{crop}" / name, draw(crop, name), GRID)
        return tmp_path / "s.zarr"

    return write_rows


def test_a_row_is_measured_on_its_crops_grid(write):
    def draw(crop, name):
        array = np.zeros(GRID.shape, np.uint16)
        array[2:5, 3:7, 4:8] = 1
        array[10, 10, 10] = name == "mito"
        return array

    path = write(draw)
    grid = {"voxel_size_nm": GRID.voxel_size_nm, "origin_nm": GRID.origin_nm, "shape": GRID.shape}
    found = [measure(str(path), CROPS, 1, name, grid) for name in ("er", "mito")]
    assert [(f["voxels"], f["box_voxels"], f["objects"]) for f in found] == [(48, 48, 0), (49, 9 * 8 * 7, 2)]
    assert measure(str(path), CROPS, 9, "er", grid) is None


def test_a_probe_is_found_by_reading_it_in_children(write):
    def draw(crop, name):
        array = np.zeros(GRID.shape, np.uint16)
        array[:8, :8, :8] = crop == 4 and name == "er"
        return array

    found = suspicions(write(draw), CATALOG, workers=1)
    assert any("Only crop 4" in words for words in found)
    assert any("solid box" in words for words in found)
