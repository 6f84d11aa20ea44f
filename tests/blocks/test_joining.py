"""Objects joined across blocks are those of one call over the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from organelle.blocks import Components, FaceJoiner
from organelle.errors import GridMismatch
from organelle.geometry import Box


def join(mask, block, *, connectivity=26, rng=None) -> tuple[Components, np.ndarray]:
    tiles = list(Box((0, 0, 0), mask.shape).tiles(block))
    joiner = FaceJoiner(mask.shape, block, connectivity)
    for i in rng.permutation(len(tiles)) if rng else range(len(tiles)):
        joiner.add(tiles[i], label(mask, tiles[i], connectivity))
    components = joiner.finish()
    out = np.zeros(mask.shape, np.uint32)
    for tile in tiles:
        out[tile.slices()] = components.relabel(tile, label(mask, tile, connectivity))
    return components, out


def label(mask, tile, connectivity):
    structure = ndimage.generate_binary_structure(3, 3 if connectivity == 26 else 1)
    return ndimage.label(mask[tile.slices()], structure)[0]


def in_order_of_first_voxel(labels):
    values, first = np.unique(labels, return_index=True)
    values = values[np.argsort(first)]
    values = values[values > 0]
    table = np.zeros(labels.max() + 1, np.uint32)
    table[values] = np.arange(1, len(values) + 1)
    return table[labels]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    block=st.tuples(*[st.integers(1, 5)] * 3),
    density=st.sampled_from([0.05, 0.15, 0.3, 0.6]),
    connectivity=st.sampled_from([6, 26]),
    seed=st.integers(0, 2**32),
)
def test_any_blocks_in_any_order_give_the_components_of_the_whole(shape, block, density, connectivity, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < density
    truth = in_order_of_first_voxel(label(mask, Box((0, 0, 0), shape), connectivity))
    components, joined = join(mask, block, connectivity=connectivity, rng=rng)
    np.testing.assert_array_equal(joined, truth)
    assert components.count == truth.max()
    np.testing.assert_array_equal(components.sizes[1:], np.bincount(truth.ravel())[1:])
    for i in range(1, components.count + 1):
        assert components.first_voxels[i] == np.flatnonzero(truth == i)[0]


@pytest.mark.parametrize("step", [(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1), (0, 1, -1), (1, 0, -1)])
def test_two_voxels_that_share_only_an_edge_or_a_corner_across_blocks_are_one(step):
    mask = np.zeros((4, 4, 4), bool)
    z, y, x = (1 if d > 0 else 2 if d < 0 else 1 for d in step)
    mask[z, y, x] = mask[z + step[0], y + step[1], x + step[2]] = True
    assert join(mask, (2, 2, 2))[0].count == 1
    assert join(mask, (2, 2, 2), connectivity=6)[0].count == 2


def test_a_spiral_through_many_blocks_is_one_object():
    mask = np.zeros((1, 21, 21), bool)
    for ring in range(0, 10, 2):
        mask[0, ring, ring : 21 - ring] = mask[0, ring : 21 - ring, 20 - ring] = True
        mask[0, 20 - ring, ring : 21 - ring] = mask[0, ring + 2 : 21 - ring, ring] = True
        mask[0, ring + 2, ring : ring + 3] = True
    components, joined = join(mask, (1, 4, 3), connectivity=6)
    assert components.count == 1
    np.testing.assert_array_equal(joined > 0, mask)


def test_nothing_anywhere():
    components, joined = join(np.zeros((3, 4, 5), bool), (2, 2, 2))
    assert components.count == 0
    assert components.sizes.tolist() == [0]
    assert not joined.any()


def test_dropped_objects_leave_no_gap_in_the_numbers():
    mask = np.zeros((1, 1, 9), bool)
    mask[0, 0, [0, 2, 3, 5, 7, 8]] = True
    components, _ = join(mask, (1, 1, 4))
    ids = components.keep(components.sizes >= 2)
    assert ids.tolist() == [0, 0, 1, 0, 2]
    tile = Box((0, 0, 4), (1, 1, 4))
    assert components.relabel(tile, label(mask, tile, 26), ids).tolist() == [[[0, 0, 0, 2]]]


def test_faces_are_let_go_once_all_neighbours_came():
    joiner = FaceJoiner((6, 6, 6), (2, 2, 2))
    for tile in Box((0, 0, 0), (6, 6, 6)).tiles((2, 2, 2)):
        joiner.add(tile, np.ones((2, 2, 2), np.uint32))
    assert not joiner._faces
    assert joiner.finish().count == 1


def test_labels_that_do_not_fit_are_refused():
    joiner = FaceJoiner((4, 4, 4), (2, 2, 2))
    block = Box((0, 0, 0), (2, 2, 2))
    with pytest.raises(GridMismatch, match="do not fill"):
        joiner.add(block, np.ones((2, 2, 3), np.uint32))
    with pytest.raises(GridMismatch, match="every number"):
        joiner.add(block, np.full((2, 2, 2), 2, np.uint32))
    joiner.add(block, np.ones((2, 2, 2), np.uint32))
    with pytest.raises(GridMismatch, match="already added"):
        joiner.add(block, np.ones((2, 2, 2), np.uint32))
