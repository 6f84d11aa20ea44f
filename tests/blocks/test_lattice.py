"""The patch lattice: every voxel gets every patch that reaches it, in any region."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.blocks import PatchGrid
from organelle.errors import GridMismatch
from organelle.geometry import Box

sides = st.integers(1, 7)


@st.composite
def patch_grids(draw):
    shape = draw(st.tuples(sides, sides, sides))
    return PatchGrid(shape, tuple(draw(st.integers(1, n)) for n in shape))


boxes = st.builds(Box, st.tuples(*[st.integers(-9, 9)] * 3), st.tuples(*[st.integers(0, 8)] * 3))


@settings(max_examples=60, deadline=None)
@given(grid=patch_grids(), region=boxes)
def test_a_region_gets_exactly_the_patches_that_touch_it(grid, region):
    patches = list(grid.touching(region))
    starts = [
        [i for i in range(-40 * s, 40 * s, s) if i < b and i + n > a]
        for s, n, a, b in zip(grid.stride, grid.shape, region.start, region.stop, strict=True)
    ]
    assert patches == ([] if region.is_empty else [Box(start, grid.shape) for start in product(*starts)])
    assert grid.count(region) == len(patches)


@settings(max_examples=60, deadline=None)
@given(grid=patch_grids(), region=boxes, block=st.tuples(sides, sides, sides))
def test_blocks_together_cover_every_voxel_and_need_no_other_patch(grid, region, block):
    counts = np.zeros(region.shape, int)
    needed = set()
    for tile in region.tiles(block):
        needed.update(grid.touching(tile))
        for patch in grid.touching(tile):
            counts[patch.intersect(tile).slices(region.start)] += 1
    assert needed == set(grid.touching(region))
    assert region.is_empty or counts.min() >= 1
    hull = grid.hull(region)
    assert all(hull.contains(patch) for patch in needed)


def test_the_hull_of_nothing_is_nothing():
    assert PatchGrid((4, 4, 4), (2, 2, 2)).hull(Box((5, 5, 5), (0, 3, 3))).is_empty


@pytest.mark.parametrize("stride", [(0, 1, 1), (5, 4, 4)])
def test_a_stride_that_leaves_gaps_is_refused(stride):
    with pytest.raises(GridMismatch, match="gaps"):
        PatchGrid((4, 4, 4), stride)
