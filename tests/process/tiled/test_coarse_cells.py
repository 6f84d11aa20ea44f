"""Work at a coarse scale: cells on the dataset's lattice, gaps closed, and back to voxels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from read_arrays import reader
from scipy import ndimage

from organelle.geometry import Box
from organelle.process.objects import Cut
from organelle.process.tiled import Coarse, coarsen, refine
from organelle.process.tiled.coarse import cut_of

positions = st.tuples(*[st.integers(-9, 9)] * 3)


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3), first=positions, seed=st.integers(0, 2**32))
def test_a_cell_is_what_most_of_its_voxels_are(shape, first, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.5
    coarse = Coarse(shape, (2, 3, 4), first)
    cells = coarsen(reader(mask), coarse)(coarse.cells)
    lattice = (np.moveaxis(np.indices(shape), 0, -1) + first) // (2, 3, 4)
    lattice -= lattice.reshape(-1, 3).min(0)
    assert tuple(lattice.reshape(-1, 3).max(0) + 1) == coarse.cells.shape
    for cell in np.ndindex(coarse.cells.shape):
        assert cells[cell] == (mask[(lattice == cell).all(-1)].mean() >= 0.5)


@settings(max_examples=8, deadline=None)
@given(first=positions, block=st.tuples(*[st.integers(1, 9)] * 3), seed=st.integers(0, 2**32))
def test_objects_come_back_the_same_in_any_boxes(first, block, seed):
    shape = (9, 10, 11)
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1) > 0
    coarse = Coarse(shape, (2, 3, 2), first)
    cells = ndimage.label(coarsen(reader(mask), coarse)(coarse.cells))[0].astype(np.uint32)
    once = refine(reader(cells), reader(mask), coarse, Box((0, 0, 0), shape))
    for box in Cut(shape, block):
        np.testing.assert_array_equal(refine(reader(cells), reader(mask), coarse, box), once[box.slices()])
    parts = [coarsen(reader(mask), coarse)(box) for box in cut_of(coarse, (2, 2, 2))]
    assert sum(int(p.sum()) for p in parts) == int((cells > 0).sum())


def test_the_inside_is_filled_and_the_rim_follows_the_mask():
    mask = np.zeros((24, 24, 24), bool)
    mask[3:21, 3:21, 3:21] = True
    mask[11, 11, 11] = False
    coarse = Coarse(mask.shape, (4, 4, 4))
    cells = coarsen(reader(mask), coarse)(coarse.cells).astype(np.uint32) * 7
    labels = refine(reader(cells), reader(mask), coarse, Box((0, 0, 0), mask.shape))
    mask[11, 11, 11] = True
    np.testing.assert_array_equal(labels, 7 * mask)


def test_cells_are_as_near_to_the_scale_as_voxels_allow():
    assert Coarse.near(64, (9, 9, 9), (8.0, 5.24, 100.0), (0, 0, 0)).factor == (8, 12, 1)
