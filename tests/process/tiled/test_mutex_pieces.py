"""Mutex watershed: one array against the rules spelled out, tiles joined where they see the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_arrays import each, reader, whole
from scipy import ndimage

from organelle.errors import SettingsError
from organelle.process.objects import Cut
from organelle.process.tiled import (
    Affinities,
    MutexTiles,
    Tiles,
    add_fragments,
    join_tiles,
    measure_fragments,
)
from organelle.process.tiled.mutex import mutex_pieces

OFFSETS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (3, 0, 0), (0, 3, 0), (0, 0, 3))


def affinities_of(labels, offsets=OFFSETS):
    result = np.zeros((len(offsets), *labels.shape))
    for channel, offset in enumerate(offsets):
        for voxel in np.argwhere(labels):
            partner = tuple(voxel + offset)
            if all(0 <= a < n for a, n in zip(partner, labels.shape, strict=True)):
                result[channel][tuple(voxel)] = labels[tuple(voxel)] == labels[partner]
    return result


def pieces_slowly(affinities, offsets, mask, bias):
    """Edges from the surest on: one voxel steps join what is not kept apart, longer ones keep apart."""
    edges = []
    for weights, offset in zip(affinities - bias, offsets, strict=True):
        for voxel in map(tuple, np.argwhere(mask)):
            partner = tuple(np.add(voxel, offset))
            inside = all(0 <= a < n for a, n in zip(partner, mask.shape, strict=True))
            if inside and mask[partner] and (sum(map(abs, offset)) == 1 or weights[voxel] < 0):
                edges.append((abs(weights[voxel]), weights[voxel] > 0, voxel, partner))
    piece = {tuple(v): {tuple(v)} for v in np.argwhere(mask)}
    apart = []
    for _, joins, a, b in sorted(edges, reverse=True):
        one, other = piece[a], piece[b]
        if one is other:
            continue
        if not joins:
            apart.append((a, b))
        elif not any((c in one and d in other) or (c in other and d in one) for c, d in apart):
            one |= other
            piece.update(dict.fromkeys(other, one))
    return {frozenset(p) for p in piece.values()}


@settings(max_examples=25, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 5)] * 3), seed=st.integers(0, 2**32))
def test_pieces_follow_the_surest_pairs(shape, seed):
    rng = np.random.default_rng(seed)
    offsets = ((1, 0, 0), (0, -1, 0), (0, 0, 1), (2, 0, 0), (0, 1, -2))
    affinities, mask = rng.random((len(offsets), *shape)), rng.random(shape) < 0.8
    labels = mutex_pieces(affinities, offsets, mask, 0.4)
    mine = {frozenset(map(tuple, np.argwhere(labels == i))) for i in range(1, labels.max() + 1)}
    assert mine == pieces_slowly(affinities, offsets, mask, 0.4)
    assert (mask == (labels > 0)).all()


def objects(truth, affinities, tiles, join=0.5):
    source = Affinities(lambda box: affinities[(slice(None), *box.slices())], OFFSETS)
    cut = MutexTiles(source, reader(truth > 0), tiles).cut
    blocks = {core: cut(core) for core in tiles.cut}
    joined = join_tiles(((core, seen) for core, (_, seen) in blocks.items()), tiles.cut, join)
    numbered = (
        (core, np.where(labels > 0, labels + joined.offsets[tiles.cut.number(core.start)], 0))
        for core, (labels, _) in blocks.items()
    )
    stored = whole(truth.shape, numbered)
    blocks = Cut(truth.shape, (5, 5, 5))
    measure = measure_fragments(reader(stored), lambda box: np.zeros(box.shape, np.uint16), blocks.box)
    return add_fragments(each(blocks, measure), joined.count).number(joined.groups)[stored]


def three_bars():
    """Bars that touch along all their length, and one that bends."""
    truth = np.zeros((6, 14, 20), np.uint32)
    truth[1:5, 1:5, 1:19], truth[1:5, 5:9, 1:19] = 1, 2
    truth[1:5, 10:13, 1:19] = truth[1:5, 9:13, 15:19] = 3
    return truth


@pytest.mark.parametrize("tile", [(6, 14, 20), (4, 6, 7), (3, 5, 5), (6, 3, 20)])
def test_objects_that_touch_are_apart_and_whole_in_any_tiles(tile):
    truth = three_bars()
    tiles = Tiles(truth.shape, tile, (2, 2, 2), (0, 1, 2))
    labels = objects(truth, affinities_of(truth), tiles)
    np.testing.assert_array_equal(labels, truth)


def test_what_two_tiles_see_differently_is_not_joined():
    truth = three_bars()
    affinities = affinities_of(truth)
    assert objects(truth, affinities, Tiles(truth.shape, (6, 14, 7), (2, 2, 2)), join=1.01).max() > 3


def test_noise_changes_little_between_tiles_and_one_tile():
    truth = three_bars()
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(6, *truth.shape)), (0, 1, 1, 1))
    affinities = np.clip(0.15 + 0.7 * affinities_of(truth) + 0.1 * noise / noise.std(), 0, 1)
    one = objects(truth, affinities, Tiles(truth.shape, truth.shape, (1, 1, 1)))
    many = objects(truth, affinities, Tiles(truth.shape, (6, 8, 10), (3, 3, 3)))
    assert (one == many).mean() > 0.97


def test_affinities_that_cannot_join_and_tiles_that_cannot_be_joined_are_refused():
    with pytest.raises(SettingsError, match="step of one voxel along each axis"):
        Affinities(lambda box: np.zeros((1, *box.shape)), ((1, 0, 0), (0, 1, 0), (0, 0, 2)))
    source = Affinities(lambda box: np.zeros((6, *box.shape)), OFFSETS)
    with pytest.raises(SettingsError, match="halo of at least one"):
        MutexTiles(source, lambda b: np.ones(b.shape, bool), Tiles((4, 4, 4), (2, 2, 2), (1, 0, 1)))


def test_an_empty_volume_has_no_pieces():
    truth = np.zeros((4, 5, 6), np.uint32)
    assert not objects(truth, np.ones((6, *truth.shape)), Tiles(truth.shape, (2, 2, 2), (1, 1, 1))).any()
