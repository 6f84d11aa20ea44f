"""Parts that tell touching objects apart: the same for any blocks, and what they are there for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from organelle.errors import SettingsError
from organelle.metrics import compare_instances
from organelle.process import Cut, Layer, Recipe, Site, apply_recipe
from organelle.process.parts import (
    Components,
    JoinParts,
    MutexWatershed,
    Split,
    Threshold,
    Tubes,
    Watershed,
    make_part,
)

SIZE = (8.0, 8.0, 8.0)
OFFSETS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2))
SHAPE = (14, 15, 16)


def made(part, mask, block, first=(0, 0, 0), name="mito", **others):
    site = Site(
        name,
        Cut(mask.shape, block),
        SIZE,
        lambda other: Layer.of(others[other]),
        lambda other: Layer.of(others[other]),
        first_voxel=first,
    )
    layer = part.apply(Layer.of(mask), site)
    out = np.zeros(layer.shape, layer.dtype)
    for box in Cut(layer.shape, (5, 9, 6), (-1, 2, 0)):
        out[box.slices()] = layer.read(box)
    if layer.sizes is not None:
        assert layer.sizes[1:].tolist() == np.bincount(out.ravel(), minlength=len(layer.sizes))[1:].tolist()
    return out


def field(seed, sigma=1.3, shape=SHAPE):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return np.clip(0.5 + 0.25 * noise / noise.std(), 0, 1).astype(np.float32)


def ball(centre, radius, shape=(24, 24, 48)):
    place = np.moveaxis(np.indices(shape), 0, -1) - centre
    return (place**2).sum(-1) <= radius**2


TILED = {"tile": (7, 8, 9), "halo_nm": 40}
PARTS = [
    Split(limit_nm=30, window_nm=9, without=("pm",), **TILED),
    Watershed(seeds="mito_lum", min_volume_nm3=2000, **TILED),
    Watershed(seeds="mito_lum", border="mito_mem", unseeded=False, **TILED),
    MutexWatershed(of="mito", offsets=OFFSETS, **TILED),
    Tubes(radius_nm=12, gap_nm=40, min_length_nm=20),
    Tubes(radius_nm=10, as_thick=True, gap_nm=40, min_length_nm=20),
    JoinParts(scale_nm=24, gap_nm=30, min_volume_nm3=3e4),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.part)
@settings(max_examples=3, deadline=None)
@given(
    block=st.tuples(*[st.integers(5, 16)] * 3),
    first=st.tuples(*[st.integers(-30, 30)] * 3),
    seed=st.integers(0, 2**32),
)
def test_no_part_depends_on_blocks(part, block, first, seed):
    names = [*part.reads, "pm"]
    others = {name: field(seed + i) for i, name in enumerate(names, 1)}
    mask = field(seed, 2) > 0.5
    once = made(part, mask, SHAPE, first, **others)
    np.testing.assert_array_equal(made(part, mask, block, first, **others), once)


def test_vesicles_that_touch_are_told_apart_by_their_lumina():
    first, second, empty = ball((12, 12, 10), 8), ball((12, 12, 24), 8), ball((12, 12, 41), 5)
    lumen = ball((12, 12, 10), 4) | ball((12, 12, 24), 4)
    speck = np.zeros(lumen.shape, bool)
    speck[12, 12, 17] = True
    mask = first | second | empty
    part = Watershed(seeds="ves_lum", min_volume_nm3=2000)
    labels = made(part, mask, (24, 24, 24), name="ves", ves_lum=(lumen | speck).astype(np.float32))
    assert labels[12, 12, [10, 24, 41]].tolist() == [1, 2, 3]
    assert ((labels > 0) == mask).all()
    assert ((labels == 3) == empty).all()
    strict = part.model_copy(update={"unseeded": False})
    assert made(strict, mask, mask.shape, name="ves", ves_lum=lumen.astype(np.float32)).max() == 2


def test_cells_are_apart_where_their_membrane_is_although_it_has_a_hole():
    mask = np.ones((20, 20, 40), bool)
    membrane = np.zeros(mask.shape, np.float32)
    membrane[:, :, 19:21] = 1
    membrane[9:11, 9:11] = 0
    part = Split(without=("pm",), neck=0.4, limit_nm=120)
    labels = made(part, mask, (20, 20, 20), name="cell", pm=membrane)
    assert labels.max() == 2
    assert (labels > 0).all()
    assert (labels[:, :, :19] == labels[0, 0, 0]).mean() > 0.98
    assert made(Components(), mask, mask.shape, name="cell").max() == 1


def test_a_nucleus_in_patches_becomes_one_and_another_stays_apart():
    nucleus = ball((24, 24, 24), 18, (48, 48, 96))
    other = ball((24, 24, 76), 14, (48, 48, 96))
    rng = np.random.default_rng(1)
    noise = ndimage.gaussian_filter(rng.normal(size=nucleus.shape), 2)
    patches = np.abs(noise) > 0.3 * noise.std()
    speck = ball((40, 4, 50), 2, nucleus.shape)
    labels = made(
        JoinParts(scale_nm=24, min_volume_nm3=1e6),
        (nucleus | other) & patches | speck,
        (20, 30, 40),
        name="nuc",
    )
    assert labels.max() == 2
    for number, truth in ((1, nucleus), (2, other)):
        found = labels == number
        assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85
    assert ndimage.label((nucleus | other) & patches)[1] > 5


def test_a_broken_microtubule_is_one_tube():
    place = np.moveaxis(np.indices((20, 20, 60)), 0, -1)
    tube = ((place[..., :2] - (9, 10)) ** 2).sum(-1) <= 3
    broken = tube.copy()
    broken[:, :, 20:24] = broken[:, :, 40:42] = False
    labels = made(Tubes(radius_nm=14), broken, (8, 9, 10), name="mt")
    assert labels.max() == 1
    assert ((labels > 0) & tube).sum() > 0.95 * tube.sum()
    assert made(Tubes(radius_nm=14, gap_nm=0), broken, (8, 9, 10), name="mt").max() == 3


@pytest.mark.parametrize("radius", [20, 30, 50])
def test_tubes_may_be_as_thick_as_the_mask(radius):
    place = np.moveaxis(np.indices((20, 20, 60)), 0, -1) * 8
    mask = ((place[..., :2] - (77, 82)) ** 2).sum(-1) <= radius**2
    assert made(Tubes(as_thick=True, radius_nm=80), mask, (8, 9, 10), name="mt").sum() > 2 * mask.sum()
    labels = made(Tubes(as_thick=True), mask, (8, 9, 10), name="mt")
    assert labels.max() == 1
    found = labels > 0
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.9


def test_affinities_tell_objects_apart_in_a_recipe():
    truth = np.zeros((12, 12, 24), np.uint32)
    truth[2:10, 2:10, 2:12], truth[2:10, 2:10, 12:22] = 1, 2
    probabilities = {"mito": (truth > 0).astype(np.float32)}
    for offset, name in zip(OFFSETS, PARTS[3].reads, strict=True):
        partner = np.roll(truth, [-n for n in offset], (0, 1, 2))
        probabilities[name] = 0.1 + 0.8 * ((truth == partner) & (truth > 0))
    recipe = Recipe(
        parts=({"part": "threshold"}, {"part": "mutex_watershed", "of": "mito", "offsets": OFFSETS})
    )
    assert list(probabilities)[1] == "mito/affinity_1_0_0"
    np.testing.assert_array_equal(apply_recipe(probabilities, "mito", recipe, SIZE), truth)
    assert apply_recipe(probabilities, "mito", Recipe(), SIZE).max() == 1


def test_tiles_hardly_show_in_panoptic_quality():
    mask = field(3, 2.5, (40, 60, 60)) > 0.55
    part = Split(limit_nm=60, window_nm=16, tile=(20, 20, 20), halo_nm=64)
    one = made(part.model_copy(update={"tile": (64, 64, 64)}), mask, mask.shape)
    many = made(part, mask, mask.shape)
    counts = compare_instances(many, one.astype(np.int64), SIZE, versions=("pq",))["pq"]
    assert one.max() > 10
    assert counts.iou_sum / (counts.tp + counts.fp / 2 + counts.fn / 2) > 0.97


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.part)
def test_nothing_stays_nothing(part):
    others = {name: np.zeros(SHAPE, np.float32) for name in [*part.reads, "pm"]}
    assert not made(part, np.zeros(SHAPE, bool), (8, 8, 8), **others).any()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SettingsError, match="no inside without cell"):
        Split(without=("cell",)).check("cell")
    with pytest.raises(SettingsError, match="three sizes >= 1"):
        make_part({"part": "watershed", "seeds": "ves_lum", "tile": [0, 8, 8]})
    with pytest.raises(SettingsError, match="lumen"):
        make_part({"part": "watershed", "seeds": "lumen"})
    assert Recipe(parts=(Threshold(), make_part({"part": "split", "neck": 0.5}))).parts[1].neck == 0.5
