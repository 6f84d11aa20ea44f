"""Blending: a weighted mean that does not know how the work was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.blocks import Blending, PatchGrid, SlabBlender
from organelle.errors import GridMismatch
from organelle.geometry import Box


def patch_values(patch: Box, channels: int = 2) -> np.ndarray:
    """Noise that depends on the patch alone, like a network's answer."""
    seed = [n + 1000 for n in patch.start]
    return np.random.default_rng(seed).random((channels, *patch.shape), np.float32)


def blend(grid: PatchGrid, region: Box, blending: Blending, slab: int, planes: int = 0) -> np.ndarray:
    blender = SlabBlender(grid, region, 2, blending, planes=planes)
    out = np.full((2, *region.shape), np.nan, np.float32)
    for z in grid.starts(region, 0):
        box, values = blender.take(z // slab * slab)
        out[:, *box.slices(region.start)] = values
        for patch in grid.touching(region):
            if patch.start[0] == z:
                blender.add(patch, patch_values(patch))
    box, values = blender.take(region.stop[0])
    out[:, *box.slices(region.start)] = values
    return out


def by_hand(grid: PatchGrid, region: Box, blending: Blending) -> np.ndarray:
    wz, wy, wx = (blending.weights(n).astype(float) for n in grid.shape)
    weights = wz[:, None, None] * wy[:, None] * wx
    hull = grid.hull(region)
    total = np.zeros(hull.shape)
    sums = np.zeros((2, *hull.shape))
    for patch in grid.touching(region):
        place = patch.slices(hull.start)
        sums[:, *place] += weights * patch_values(patch)
        total[place] += weights
    inside = region.slices(hull.start)
    return sums[:, *inside] / total[inside]


@pytest.mark.parametrize("blending", list(Blending))
def test_overlaps_are_a_weighted_mean(blending):
    grid, region = PatchGrid((4, 6, 5), (2, 5, 3)), Box((-3, 7, 1), (9, 8, 11))
    np.testing.assert_allclose(blend(grid, region, blending, 3), by_hand(grid, region, blending), rtol=2e-6)


@settings(max_examples=25, deadline=None)
@given(
    region=st.builds(Box, st.tuples(*[st.integers(-7, 7)] * 3), st.tuples(*[st.integers(1, 9)] * 3)),
    block=st.tuples(*[st.integers(1, 6)] * 3),
    stride=st.tuples(*[st.integers(2, 4)] * 3),
    slab=st.integers(1, 5),
    planes=st.integers(0, 9),
)
def test_a_voxel_has_the_same_bits_in_any_block(region, block, stride, slab, planes):
    grid = PatchGrid((4, 5, 4), stride)
    whole = blend(grid, region, Blending.GAUSSIAN, 1)
    assert np.isfinite(whole).all()
    for tile in region.tiles(block):
        part = blend(grid, tile, Blending.GAUSSIAN, slab, planes)
        np.testing.assert_array_equal(part, whole[:, *tile.slices(region.start)])


@pytest.mark.parametrize("blending", list(Blending))
@pytest.mark.parametrize("size", [1, 2, 7, 128])
def test_weights_are_positive_symmetric_and_largest_in_the_middle(blending, size):
    weights = blending.weights(size)
    assert weights.dtype == np.float32
    assert weights.min() > 0
    np.testing.assert_allclose(weights, weights[::-1])
    assert weights.argmax() in (size // 2, (size - 1) // 2)


def test_constant_patches_stay_constant():
    grid, region = PatchGrid((4, 4, 4), (3, 3, 3)), Box((0, 0, 0), (7, 6, 5))
    blender = SlabBlender(grid, region, 1)
    for patch in grid.touching(region):
        blender.add(patch, np.full((1, *patch.shape), 0.25, np.float32))
    np.testing.assert_allclose(blender.take(99)[1], 0.25, rtol=1e-6)


def test_a_patch_behind_planes_already_taken_is_refused():
    grid, region = PatchGrid((4, 4, 4), (4, 4, 4)), Box((0, 0, 0), (8, 4, 4))
    blender = SlabBlender(grid, region, 1)
    blender.take(4)
    with pytest.raises(GridMismatch):
        blender.add(Box((0, 0, 0), grid.shape), np.zeros((1, *grid.shape), np.float32))
