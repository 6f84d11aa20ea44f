"""Each part over blocks is one call of a library over the whole array, whatever the blocks."""

from __future__ import annotations

from dataclasses import replace

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold

from organelle.process import Cut, Layer, Scratch, Site
from organelle.process.grow import within
from organelle.process.parts import (
    CloseGaps,
    Compete,
    Components,
    Consistent,
    Hysteresis,
    KeepLargest,
    MaxVolume,
    MinVolume,
    Renumber,
    Restrict,
    Smooth,
    Subtract,
    Union,
    Vote,
)
from organelle.process.parts.smooth import ball

SIZE = (20.0, 8.0, 8.0)
shapes = st.tuples(*[st.integers(1, 11)] * 3)
blocks = st.tuples(*[st.integers(1, 7)] * 3)
seeds = st.integers(0, 2**32)
quick = settings(max_examples=10, deadline=None)


def field(shape, seed, sigma=1.0):
    """Smooth noise from 0 to 1, in steps of 1/255 so that equal values occur."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    noise -= noise.min()
    return np.rint(noise / max(noise.max(), 1e-9) * 255).astype(np.float32) / 255


def ids(shape, seed):
    """Labels in several pieces, with gaps between the ids."""
    return (np.floor(field(shape, seed) * 7) * 3 % 11).astype(np.uint32)


def made(part, array, block, name="mito", scratch=None, **others):
    """What a part makes of an array, read in other boxes than it was computed in."""
    others = {"mito": array, **others}
    site = Site(
        name,
        Cut(array.shape, block),
        SIZE,
        lambda other: Layer.of(others[other]),
        lambda other: Layer.of(others[other].astype(np.uint32)),
        scratch=scratch or Scratch(),
    )
    layer = part.apply(Layer.of(array), site)
    out = np.zeros(layer.shape, layer.dtype)
    for box in Cut(layer.shape, (3, 5, 4), (-1, 2, 0)):
        out[box.slices()] = layer.read(box)
    if layer.sizes is not None:
        np.testing.assert_array_equal(layer.sizes[1:], np.bincount(out.ravel())[1:])
    return out


@quick
@given(shape=shapes, block=blocks, seed=seeds, connectivity=st.sampled_from([6, 26]))
def test_hysteresis_is_that_of_skimage(shape, block, seed, connectivity):
    values = field(shape, seed, 0.7)
    result = made(Hysteresis(low=0.5, high=0.8, connectivity=connectivity), values, block)
    if connectivity == 6:
        np.testing.assert_array_equal(result, apply_hysteresis_threshold(values, 0.5 - 1e-6, 0.8 - 1e-6))
    labels, count = ndimage.label(values >= 0.5, ndimage.generate_binary_structure(3, connectivity // 9 + 1))
    strong = np.unique(labels[values >= 0.8])
    np.testing.assert_array_equal(result, np.isin(labels, strong[strong > 0]))
    assert count >= len(strong[strong > 0])


@quick
@given(shape=shapes, block=blocks, seed=seeds, scale=st.sampled_from([3, 8, 20]))
def test_smoothing_is_that_of_scipy(shape, block, seed, scale):
    values = field(shape, seed, 0)
    sigma = [scale / size for size in SIZE]
    radius = [int(np.floor(3 * s + 0.5)) for s in sigma]
    expected = ndimage.gaussian_filter(values, sigma, mode="nearest", radius=radius)
    np.testing.assert_array_equal(made(Smooth(scale_nm=scale), values, block), expected)
    footprint = ball(scale, SIZE)
    median = ndimage.median_filter(values, footprint=footprint, mode="nearest")
    np.testing.assert_array_equal(made(Smooth(scale_nm=scale, by="median"), values, block), median)
    mean = ndimage.correlate(values, footprint / footprint.sum(), mode="nearest").astype(np.float32)
    np.testing.assert_array_equal(made(Smooth(scale_nm=scale, by="mean"), values, block), mean)


@quick
@given(shape=shapes, block=blocks, seed=seeds, radius=st.sampled_from([7, 8, 17, 25]))
def test_gaps_are_closed_as_by_scipy(shape, block, seed, radius):
    mask = np.random.default_rng(seed).random(shape) < 0.05
    footprint = ball(radius, SIZE)
    wide = ndimage.binary_dilation(mask, footprint)
    expected = ndimage.binary_erosion(wide, footprint, border_value=1)
    result = made(CloseGaps(radius_nm=radius), mask, block)
    np.testing.assert_array_equal(result, expected)
    assert (result >= mask).all()


@quick
@given(
    shape=shapes,
    seed=seeds,
    size=st.sampled_from([(8, 8, 8), (5.24, 4, 4), (1.62, 1.62, 1.62), (50, 4.6, 4.6), (3.1, 3.7, 4.3)]),
    distance=st.floats(0, 70),
)
def test_a_mask_with_all_within_a_distance_is_dilated_by_a_ball(shape, seed, size, distance):
    mask = np.random.default_rng(seed).random(shape) < 0.03
    expected = ndimage.binary_dilation(mask, ball(distance, size))
    np.testing.assert_array_equal(within(mask, distance, size), expected)


@quick
@given(shape=shapes, block=blocks, seed=seeds, connectivity=st.sampled_from([6, 26]))
def test_touching_ids_are_pieces_of_their_own_as_for_cc3d(shape, block, seed, connectivity):
    labels = ids(shape, seed)
    result = made(Components(connectivity=connectivity), labels, block)
    expected = cc3d.connected_components(labels, connectivity=connectivity)
    np.testing.assert_array_equal(result, expected)


@quick
@given(shape=shapes, block=blocks, seed=seeds, connectivity=st.sampled_from([6, 26]))
def test_the_largest_piece_of_each_id_is_the_one_that_cc3d_counts(shape, block, seed, connectivity):
    labels = ids(shape, seed)
    pieces = cc3d.connected_components(labels, connectivity=connectivity)
    sizes = np.bincount(pieces.ravel())
    expected = np.zeros_like(labels)
    for name in np.unique(labels[labels > 0]):
        own = np.unique(pieces[labels == name])
        expected[pieces == own[np.argmax(sizes[own])]] = name
    np.testing.assert_array_equal(made(KeepLargest(connectivity=connectivity), labels, block), expected)
    mask = labels > 0
    largest = cc3d.largest_k(mask.astype(np.uint8), k=1, connectivity=connectivity) > 0
    one = made(KeepLargest(connectivity=connectivity), mask, block)
    assert one.sum() == largest.sum()
    assert one.dtype == bool


@quick
@given(shape=shapes, block=blocks, seed=seeds, voxels=st.integers(0, 40))
def test_volumes_are_counted_by_id_or_by_piece_of_a_mask(shape, block, seed, voxels):
    labels, volume = ids(shape, seed), voxels * 20 * 8 * 8
    sizes = np.bincount(labels.ravel(), minlength=12)
    for part, fits in (
        (MinVolume(volume_nm3=volume), sizes >= voxels),
        (MaxVolume(volume_nm3=volume or 1), sizes <= voxels),
    ):
        kept = [name for name in range(1, 12) if sizes[name] and fits[name]]
        table = np.zeros(12, int)
        table[kept] = np.arange(1, len(kept) + 1)
        np.testing.assert_array_equal(made(part, labels, block), table[labels])
    pieces = cc3d.connected_components(labels > 0, connectivity=26)
    large = cc3d.dust(pieces, threshold=max(voxels, 1), connectivity=26) > 0
    np.testing.assert_array_equal(made(MinVolume(volume_nm3=volume), labels > 0, block), large)


@quick
@given(shape=shapes, block=blocks, seed=seeds, huge=st.booleans())
def test_ids_are_renumbered_by_their_first_voxel(shape, block, seed, huge):
    labels = ids(shape, seed) * np.uint32(300_000_000 if huge else 1)
    names, first = np.unique(labels[labels > 0], return_index=True)
    expected = np.zeros(shape, np.uint32)
    for new, name in enumerate(names[np.argsort(first)], start=1):
        expected[labels == name] = new
    np.testing.assert_array_equal(made(Renumber(), labels, block), expected)


@quick
@given(block=blocks, seed=seeds)
def test_other_classes_unite_cut_restrict_and_compete_voxel_by_voxel(block, seed):
    shape = (7, 9, 8)
    own, pm, er = (field(shape, seed + k, 0.6) for k in range(3))
    voxel_wise = {
        Union(classes=("pm", "er")): np.maximum(np.maximum(own, pm), er),
        Compete(against=("pm", "er")): np.where((own > pm) & (own >= er), own, 0),
        Consistent(members=("mito_mem",), groups=("cell",)): np.minimum(np.maximum(own, pm), er),
    }
    for part, expected in voxel_wise.items():
        result = made(part, own, block, pm=pm, er=er, mito_mem=pm, cell=er)
        np.testing.assert_array_equal(result, expected)
    mask = own > 0.4
    cut = made(Subtract(classes=("pm", "er"), threshold=0.6), mask, block, pm=pm, er=er)
    np.testing.assert_array_equal(cut, mask & (pm < np.float32(0.6)) & (er < np.float32(0.6)))
    for outside in (False, True):
        near = ndimage.binary_dilation(pm > 0.8, ball(16, SIZE))
        part = Restrict(to="pm", threshold=0.801, grow_nm=16, outside=outside)
        np.testing.assert_array_equal(made(part, mask, block, pm=pm), mask & (near != outside))
    finished = Restrict(to="pm", finished=True)
    assert (finished.reads, finished.uses) == ((), ("pm",))
    np.testing.assert_array_equal(made(finished, mask, block, pm=pm > 0.5), mask & (pm > 0.5))


@quick
@given(shape=shapes, block=blocks, seed=seeds)
def test_every_object_has_one_vote_and_look_alikes_share_them_all(shape, block, seed):
    labels = ids(shape, seed)
    endo, lyso = field(shape, seed + 1), field(shape, seed + 2)
    result = {
        "lyso": made(Vote(against=("endo",)), labels, block, "lyso", endo=endo, lyso=lyso) > 0,
        "endo": made(Vote(against=("lyso",)), labels, block, "endo", endo=endo, lyso=lyso) > 0,
    }
    for name in np.unique(labels[labels > 0]):
        here = labels == name
        lead = lyso[here].astype(float).sum() - endo[here].astype(float).sum()
        if abs(lead) > 1e-3:
            assert result["lyso"][here].all() == (lead > 0)
    np.testing.assert_array_equal(result["endo"] ^ result["lyso"], labels > 0)


def test_what_does_not_fit_into_memory_lies_in_files_that_vanish(tmp_path):
    labels = ids((9, 10, 11), 3)
    expected = cc3d.connected_components(labels)
    for memory in (0, 700):
        scratch = Scratch(tmp_path, memory)
        np.testing.assert_array_equal(made(Components(), labels, (4, 4, 4), scratch=scratch), expected)
        assert scratch.used == 0
    assert list(tmp_path.iterdir()) == []


def test_layers_of_numbers_are_kept_too(tmp_path):
    values = field((9, 10, 11), 3)
    cut = Cut(values.shape, (4, 4, 4))
    site = Site("mito", cut, SIZE, Layer.of, Layer.of, scratch=Scratch(tmp_path, 0))
    layer = site.settle(replace(Layer.of(values), costly=True))
    assert len(list(tmp_path.rglob("*_*_*"))) == 27
    np.testing.assert_array_equal(layer.read(layer.box.grow((1, 1, 1))), np.pad(values, 1))


@pytest.mark.parametrize("anchor", [(0, 0, 0), (-3, 1, 2), (5, -9, 0)])
def test_blocks_may_begin_anywhere(anchor):
    labels = ids((9, 10, 11), 3)
    cut = Cut(labels.shape, (4, 3, 5), anchor)
    seen = np.zeros(labels.shape, int)
    for box in cut:
        seen[box.slices()] += 1
        assert all((a - s) % n == 0 or a == 0 for a, s, n in zip(box.start, anchor, (4, 3, 5), strict=True))
    assert (seen == 1).all()
    site = Site("mito", Cut(labels.shape, (4, 4, 4)), SIZE, Layer.of, Layer.of)
    gathered = site.gather(((box, labels[box.slices()]) for box in cut if box.start[0]), np.uint32, cut)
    expected = labels.copy()
    expected[: next(box.start[0] for box in cut if box.start[0])] = 0
    np.testing.assert_array_equal(gathered.read(gathered.box), expected)
