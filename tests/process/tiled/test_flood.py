"""Seeded watershed: one array against a queue that is easy to read, tiles against one array."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_arrays import each, reader, whole
from scipy import ndimage
from skimage.segmentation import watershed as skimage_watershed

from organelle.errors import GridMismatch
from organelle.geometry import Box
from organelle.process.objects import Cut
from organelle.process.tiled import Tiles, flood, seeded, unseeded, watershed


def flooded_slowly(height, seeds, mask):
    """The same rules with a heap: highest level so far, then first come, first served."""
    levels = np.rint(height * 1023).astype(int)
    labels = np.where(mask, seeds, 0)
    heap = [(levels[tuple(v)], i, tuple(v)) for i, v in enumerate(np.argwhere(labels))]
    heapq.heapify(heap)
    age = len(heap)
    while heap:
        level, _, voxel = heapq.heappop(heap)
        for axis, step in ((0, -1), (1, -1), (2, -1), (2, 1), (1, 1), (0, 1)):
            near = tuple(a + step * (i == axis) for i, a in enumerate(voxel))
            if (
                all(0 <= a < n for a, n in zip(near, mask.shape, strict=True))
                and mask[near]
                and labels[near] == 0
            ):
                labels[near] = labels[voxel]
                heapq.heappush(heap, (max(level, levels[near]), age, near))
                age += 1
    return labels


def landscape(shape, seed, steps):
    rng = np.random.default_rng(seed)
    height = np.round(rng.random(shape) * steps) / steps
    seeds = np.where(rng.random(shape) < 0.05, rng.integers(1, 9, shape), 0).astype(np.uint32)
    return height, seeds, rng.random(shape) < 0.8


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3), seed=st.integers(0, 2**32), steps=st.sampled_from([1, 4, 1000])
)
def test_flooding_follows_its_rules_on_plateaus_too(shape, seed, steps):
    height, seeds, mask = landscape(shape, seed, steps)
    np.testing.assert_array_equal(flood(height, seeds, mask), flooded_slowly(height, seeds, mask))


def test_it_is_the_watershed_of_scikit_image_where_no_basin_lacks_a_seed():
    rng = np.random.default_rng(4)
    height = np.rint(ndimage.gaussian_filter(rng.random((24, 26, 28)), 2) * 1e5) % 1024 / 1023
    lowest = height == ndimage.minimum_filter(height, footprint=ndimage.generate_binary_structure(3, 1))
    seeds = ndimage.label(lowest)[0].astype(np.uint32)
    mine = flood(height, seeds, np.ones(height.shape, bool))
    theirs = skimage_watershed(np.rint(height * 1023), seeds.astype(np.int32))
    assert (mine == theirs).mean() > 0.995  # they differ on ties alone


def test_a_plateau_is_shared_evenly():
    seeds = np.zeros((1, 5, 12), np.uint32)
    seeds[0, 2, 1], seeds[0, 2, 10] = 8, 3
    labels = flood(np.zeros(seeds.shape), seeds, np.ones(seeds.shape, bool))
    assert np.bincount(labels.ravel()).tolist() == [0, 0, 0, 30, 0, 0, 0, 0, 30]


def test_nothing_passes_what_is_not_in_the_mask():
    seeds = np.array([[[5, 0, 0, 0, 7]]], np.uint32)
    mask = np.array([[[True, True, False, True, False]]])
    assert flood(np.zeros(seeds.shape), seeds, mask).tolist() == [[[5, 5, 0, 0, 0]]]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    tile=st.tuples(*[st.integers(2, 6)] * 3),
    first=st.tuples(*[st.integers(-20, 20)] * 3),
)
def test_every_tile_is_the_flood_of_what_lies_within_its_halo(seed, tile, first):
    height, seeds, mask = landscape((9, 8, 7), seed, 10)
    tiles = Tiles(mask.shape, tile, (2, 1, 3), first)
    labels = whole(mask.shape, each(tiles.cut, watershed(reader(height), reader(seeds), reader(mask), tiles)))
    for core in tiles.cut:
        near = tiles.around(core).slices()
        alone = flood(height[near], seeds[near], mask[near])
        np.testing.assert_array_equal(labels[core.slices()], alone[core.slices(tiles.around(core).start)])
        assert any((a + f) % n == 0 or a == 0 for a, f, n in zip(core.start, first, tile, strict=True))


def test_a_region_of_the_dataset_gets_the_same_tiles():
    height, seeds, mask = landscape((24, 12, 12), 3, 10)
    tiles = Tiles(mask.shape, (6, 6, 6), (3, 3, 3))
    flooded = watershed(reader(height), reader(seeds), reader(mask), tiles)
    everything = whole(mask.shape, each(tiles.cut, flooded))
    region = slice(5, 24)
    parts = height[region], seeds[region], mask[region]
    tiles = Tiles(parts[2].shape, (6, 6, 6), (3, 3, 3), first_voxel=(5, 0, 0))
    part = whole(parts[2].shape, each(tiles.cut, watershed(*map(reader, parts), tiles)))
    np.testing.assert_array_equal(part[7:], everything[12:])  # from the first tile whose halo is inside


def test_with_a_halo_of_the_whole_volume_tiles_change_nothing():
    height, seeds, mask = landscape((10, 9, 8), 5, 10)
    tiles = Tiles(mask.shape, (4, 3, 5), (10, 10, 10))
    labels = whole(mask.shape, each(tiles.cut, watershed(reader(height), reader(seeds), reader(mask), tiles)))
    np.testing.assert_array_equal(labels, flood(height, seeds, mask))


def test_pieces_without_a_seed_are_found():
    pieces = np.array([[[1, 1, 0, 2, 2, 0, 3]]], np.uint32)
    seeds = np.array([[[0, 9, 0, 0, 0, 4, 4]]], np.uint32)
    for width in (1, 3, 7):
        cut = Cut(pieces.shape, (1, 1, width))
        found = each(cut, seeded(reader(pieces), reader(seeds)))
        assert unseeded(found, 3).tolist() == [False, False, True, False]


def test_tiles_without_a_size_are_refused():
    with pytest.raises(GridMismatch, match="sizes >= 1"):
        Tiles((8, 8, 8), (4, 0, 4), (1, 1, 1))
    assert list(Tiles((0, 8, 8), (4, 4, 4), (1, 1, 1)).cut) == []
    assert Tiles((8, 8, 8), (4, 4, 4), (1, 1, 1), (3, 0, 0)).cut[0] == Box((0, 0, 0), (1, 4, 4))
