"""Objects that touch are cut at their necks; depths, peaks and contacts are the same for any blocks."""

from __future__ import annotations

import edt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_arrays import each, reader, whole
from scipy import ndimage

from organelle.geometry import Box
from organelle.process.objects import Cut
from organelle.process.tiled import (
    Tiles,
    add_fragments,
    inside_levels,
    measure_fragments,
    merge_necks,
    merge_open,
    peaks,
    reach_of,
    watershed,
)

SIZE = (8.0, 8.0, 8.0)


def blobs(shape, seed, smoothness=1.5):
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, smoothness) > 0.02


def balls(*centres_and_radii, shape=(24, 30, 60)):
    z, y, x = np.indices(shape)
    mask = np.zeros(shape, bool)
    for (a, b, c), r in centres_and_radii:
        mask |= (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= r**2
    return mask


def split(mask, cut, tiles, *, limit=200.0, window=16.0, neck=0.7):
    """Distance-seeded watershed, cut at necks."""
    read, box = reader(mask), Box((0, 0, 0), mask.shape)

    def levels(part):
        return inside_levels(read, part, box, limit, SIZE)

    highest = whole(mask.shape, ((part, peaks(levels, part, box, reach_of(window, SIZE))) for part in cut))
    seeds, count = ndimage.label(highest, np.ones((3, 3, 3)))
    seeds = seeds.astype(np.uint32)
    flooded = watershed(lambda p: 1 - levels(p) / 1023, reader(seeds), read, tiles)
    pieces = whole(mask.shape, each(tiles.cut, flooded))
    fragments = add_fragments(each(cut, measure_fragments(reader(pieces), levels, box)), count)
    return fragments.number(merge_necks(fragments, neck))[pieces]


def one_block(shape):
    return Cut(shape, shape), Tiles(shape, shape, (0, 0, 0))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.tuples(*[st.integers(0, 6)] * 3),
    size=st.sampled_from([(8, 8, 8), (20, 4, 4), (5.24, 4, 4), (3.3, 7.1, 2.9)]),
    limit=st.floats(3, 60),
)
def test_depths_are_the_distances_up_to_the_limit_in_any_box(seed, start, size, limit):
    mask = blobs((9, 10, 11), seed)
    box = Box(start, (3, 2, 4))
    levels = inside_levels(reader(mask), box, Box((0, 0, 0), mask.shape), limit, size)
    exact = edt.edt(mask, anisotropy=size, black_border=False)[box.slices()]
    np.testing.assert_allclose(levels / 1023 * limit, np.minimum(exact, limit), atol=limit / 1000 + 1e-3)
    again = inside_levels(reader(mask), Box((0, 0, 0), mask.shape), Box((0, 0, 0), mask.shape), limit, size)
    assert abs(again[box.slices()].astype(int) - levels).max() <= (0 if size[0] == size[1] else 1)


def test_a_block_without_an_end_is_as_deep_as_the_limit():
    box = Box((0, 0, 0), (4, 4, 4))
    assert (inside_levels(lambda b: np.ones(b.shape, bool), box, box, 40, SIZE) == 1023).all()
    assert not inside_levels(lambda b: np.zeros(b.shape, bool), box, box, 40, SIZE).any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), block=st.tuples(*[st.integers(3, 20)] * 3))
def test_neither_seeds_nor_objects_depend_on_blocks(seed, block):
    mask = blobs((14, 15, 16), seed, 2)
    tiles = Tiles(mask.shape, (7, 9, 8), (6, 6, 6), (3, 0, 100))
    once = split(mask, Cut(mask.shape, mask.shape), tiles)
    np.testing.assert_array_equal(split(mask, Cut(mask.shape, block), tiles), once)


def test_two_droplets_that_touch_are_two_and_a_bent_one_stays_one():
    touching = balls(((12, 15, 14), 9), ((12, 15, 30), 9))
    assert ndimage.label(touching)[1] == 1
    cut, tiles = one_block(touching.shape)
    labels = split(touching, cut, tiles)
    assert labels.max() == 2
    assert labels[12, 15, 14] == 1
    assert labels[12, 15, 30] == 2
    assert abs(int((labels == 1).sum()) - int((labels == 2).sum())) < 300
    sausage = balls(*(((12, 15 + k // 3, 10 + 4 * k), 7) for k in range(9)))
    assert split(sausage, cut, tiles).max() == 1


def test_a_small_droplet_beside_a_large_one_is_told_apart():
    mask = balls(((12, 15, 14), 10), ((12, 15, 28), 5))
    assert split(mask, *one_block(mask.shape)).max() == 2
    assert split(mask, *one_block(mask.shape), neck=0.2).max() == 1


def test_tiles_agree_with_one_tile_on_what_is_one_object():
    mask = balls(((12, 15, 14), 9), ((12, 15, 30), 9), ((12, 15, 46), 9))
    cut, one = one_block(mask.shape)
    tiles = Tiles(mask.shape, (16, 16, 16), (12, 12, 12))
    labels, together = split(mask, cut, tiles), split(mask, cut, one)
    assert labels.max() == together.max() == 3
    assert (labels == together).mean() > 0.99


def test_fragments_are_measured():
    pieces = np.array([[[2, 2, 1, 1], [0, 3, 3, 1]]], np.uint32)
    levels = np.array([[[5, 7, 3, 9], [8, 4, 6, 2]]], np.uint16)
    for block in ((1, 1, 1), (1, 2, 3), (1, 2, 4)):
        cut = Cut(pieces.shape, block)
        measure = measure_fragments(reader(pieces), reader(levels), cut.box)
        fragments = add_fragments(each(cut, measure), 4)
        assert fragments.sizes.tolist() == [0, 3, 2, 2, 0]
        assert fragments.first_voxels.tolist() == [-1, 2, 0, 5, -1]
        assert fragments.highest.tolist() == [0, 9, 7, 6, 0]
        contacts = fragments.contacts
        assert list(zip(contacts.first, contacts.second, strict=True)) == [(1, 2), (1, 3), (2, 3)]
        assert contacts.highest.tolist() == [3, 3, 4]
        assert contacts.total.tolist() == [3, 5, 4]
        assert contacts.faces.tolist() == [1, 2, 1]
        assert merge_necks(fragments, 0.6).tolist() == [0, 1, 2, 2, 4]
        assert merge_open(fragments, 0.3, 10).tolist() == [0, 1, 1, 1, 4]
        assert merge_open(fragments, 0.4, 10).tolist() == [0, 1, 2, 2, 4]


def test_objects_are_numbered_by_their_first_voxel_and_small_ones_dropped():
    pieces = np.array([[[3, 3, 1, 0, 2, 2]]], np.uint32)
    cut = Cut((1, 1, 6), (1, 1, 4))
    measure = measure_fragments(reader(pieces), lambda b: np.ones(b.shape, np.uint16), cut.box)
    fragments = add_fragments(each(cut, measure), 3)
    apart = np.arange(4)
    assert fragments.number(apart).tolist() == [0, 2, 3, 1]
    assert fragments.number(apart, min_voxels=2).tolist() == [0, 0, 2, 1]
    assert fragments.number(np.array([0, 1, 1, 3]), min_voxels=3).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("window", [1.0, 16.0, 30.0])
def test_a_window_holds_at_least_the_next_voxel(window):
    assert reach_of(window, (16.0, 8.0, 4.0)) == tuple(max(1, int(window // n)) for n in (16, 8, 4))
