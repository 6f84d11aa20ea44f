"""A challenge of one small crop whose every voxel is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Crop, Dataset, em_folder, label_path
from organelle.classes import Kind
from organelle.geometry import Box, Grid
from organelle.volumes import write_labels, write_multiscale

GRID = Grid((4.0, 4.0, 4.0), (102.0, 202.0, 302.0), (40, 40, 40))
MITO = Box((5, 20, 31), (4, 10, 3))
UNKNOWN = Box((0, 0, 0), (40, 8, 40))
EM_GRID = Grid((4.0, 4.0, 4.0), (62.0, 162.0, 262.0), (60, 60, 60))
"""Ten voxels more than the crop on every side."""

CROP = Crop(7, "drawn", GRID, ("mito", "er", "cell"))
CATALOG = Catalog("drawn", {"drawn": Dataset("drawn")}, {7: CROP}, {})


def write_drawn(data: Path, chunks: tuple[int, int, int] = (64, 64, 64)) -> Path:
    """One mitochondrion of id 9 in a cell that is everywhere; er is unknown at low y and absent elsewhere."""
    rng = np.random.default_rng(5)
    grey = rng.integers(40, 200, EM_GRID.shape, dtype=np.uint8)
    write_multiscale(em_folder(data, "drawn"), grey, EM_GRID, kind=Kind.IMAGE, levels=2, chunks=chunks)
    mito, er = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    mito[MITO.slices()] = 9
    er[UNKNOWN.slices()] = 255
    write_labels(label_path(data, CROP, "mito"), mito, GRID, "mito", levels=2)
    write_labels(label_path(data, CROP, "er"), er, GRID, "er")
    write_labels(label_path(data, CROP, "cell"), np.ones(GRID.shape, np.uint8), GRID, "cell")
    return data
