"""The steps over blocks are those of one library call over the whole array."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from organelle.process import Cut, Layer, Site, grow
from organelle.process.parts import Components, FillHoles, Grow, MinVolume
from organelle.process.runs import Runs

SIZE = (8.0, 8.0, 8.0)
shapes = st.tuples(*[st.integers(1, 9)] * 3)
blocks = st.tuples(*[st.integers(2, 6)] * 3)
seeds = st.integers(0, 2**32)


def site(shape, block, **how):
    """A place to follow recipes in, with blocks that are partly in memory and partly in files."""
    how.setdefault("probability", lambda name: Layer.of(np.ones(shape, np.float32)))
    return Site("mito", Cut(shape, block), SIZE, objects=how["probability"], **how)


def applied(part, array, block, **how):
    layer = part.apply(Layer.of(array), site(array.shape, block, **how))
    assert layer.dtype == (array.dtype if part.gives is None else {"mask": bool, "labels": "u4"}[part.gives])
    return whole(layer, block)


def whole(layer, block):
    """Read block by block."""
    out = np.full(layer.shape, 99, np.uint32)
    for box in Cut(layer.shape, block):
        out[box.slices()] = layer.read(box)
    return out


def drawn(shape, seed, smoothness):
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, smoothness) > 0


def first_voxels(labels):
    values, first = np.unique(labels[labels > 0], return_index=True)
    return values.tolist(), first.tolist()


@settings(max_examples=50, deadline=None)
@given(
    shape=shapes,
    block=blocks,
    seed=seeds,
    smoothness=st.sampled_from([0, 0.5, 1]),
    connectivity=st.sampled_from([6, 26]),
)
def test_objects_are_those_of_cc3d_numbered_by_their_first_voxel(
    shape, block, seed, smoothness, connectivity
):
    mask = drawn(shape, seed, smoothness)
    place = site(shape, block)
    found = Components(connectivity=connectivity).apply(Layer.of(mask), place)
    kept = MinVolume(volume_nm3=3 * 512).apply(found, place)
    labels = whole(kept, block)
    pieces = cc3d.connected_components(mask.astype(np.uint8), connectivity=connectivity)
    expected = cc3d.dust(pieces, threshold=3, connectivity=connectivity)
    np.testing.assert_array_equal(labels > 0, expected > 0)
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1], "one to one"
    ids, first = first_voxels(labels)
    assert ids == list(range(1, kept.count + 1))
    assert first == sorted(first)
    assert found.count == pieces.max()
    np.testing.assert_array_equal(kept.sizes[1:], np.bincount(labels.ravel())[1:])


@settings(max_examples=50, deadline=None)
@given(shape=shapes, block=blocks, seed=seeds, density=st.sampled_from([0.4, 0.7, 0.85]))
def test_the_cavities_of_a_mask_are_those_of_scipy(shape, block, seed, density):
    mask = np.random.default_rng(seed).random(shape) < density
    filled = applied(FillHoles(), mask, block)
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(mask))


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(*[st.integers(5, 9)] * 3), block=blocks, seed=seeds)
def test_a_cavity_goes_to_the_one_object_around_it(shape, block, seed):
    rng = np.random.default_rng(seed)
    labels = cc3d.connected_components(rng.random(shape) < 0.3) * (rng.random(shape) < 0.95)
    filled = applied(FillHoles(), labels.astype(np.uint32), block)
    expected = labels.copy()
    cavities, count = ndimage.label(labels == 0)
    for i in range(1, count + 1):
        cavity = cavities == i
        rim = ndimage.binary_dilation(cavity) & ~cavity
        inside = not any(np.moveaxis(cavity, axis, 0)[[0, -1]].any() for axis in range(3))
        if inside and len(owners := np.unique(labels[rim])) == 1:
            expected[cavity] = owners[0]
    np.testing.assert_array_equal(filled, expected)


def test_a_shell_through_many_blocks_is_filled_and_one_with_a_pinhole_is_not():
    z, y, x = np.indices((15, 15, 15)) - 7
    radius = np.sqrt(z**2 + y**2 + x**2)
    shell = ((radius > 4.5) & (radius < 6.5)).astype(np.uint32) * 5
    filled = applied(FillHoles(), shell, (4, 4, 4))
    np.testing.assert_array_equal(filled, np.where(radius < 6.5, 5, 0))
    shell[7, 7, :7] = 0
    assert (applied(FillHoles(), shell, (4, 4, 4)) == shell).all()


def test_a_cavity_between_two_objects_stays_open():
    labels = np.full((3, 3, 4), 1, np.uint32)
    labels[:, :, 2:] = 2
    labels[1, 1, 1:3] = 0
    assert (applied(FillHoles(), labels, (2, 2, 2)) == labels).all()


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    block=blocks,
    seed=seeds,
    size=st.sampled_from([SIZE, (50, 4.6, 4.6), (5.24, 4, 4)]),
)
def test_growing_over_blocks_is_growing_at_once(shape, block, seed, size):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < 0.03, rng.integers(1, 9, shape), 0).astype(np.uint32)
    allowed = rng.random(shape) < 0.9
    distance = 3.2 * size[2]
    place = Site("mito", Cut(shape, block), size, lambda name: Layer.of(allowed * 0.7), Layer.of)
    layer = Grow(distance_nm=distance).apply(Layer.of(labels), place)
    np.testing.assert_array_equal(whole(layer, block), grow(labels, allowed, distance, size))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 31, 32), (3, 3, 3), (9, 9, 9)])
@pytest.mark.parametrize("connectivity", [6, 26])
def test_the_densest_dots_can_be_labelled(shape, connectivity):
    dots = np.zeros(shape, bool)
    dots[::2, ::2, ::2] = True
    pieces, count = Runs.of(dots).label(connectivity)
    assert count == pieces.values.max() == dots.sum()


def test_an_empty_volume_has_no_objects_and_no_cavities():
    nothing = np.zeros((4, 5, 6), bool)
    found = Components().apply(Layer.of(nothing), site(nothing.shape, (3, 3, 3)))
    assert (found.count, found.sizes.tolist()) == (0, [0])
    assert not whole(found, (3, 3, 3)).any()
    assert not applied(FillHoles(), nothing.astype(np.uint32), (3, 3, 3)).any()
