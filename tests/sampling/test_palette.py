"""A palette says of each voxel exactly what the layers said."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.classes import all_classes
from organelle.sampling import build_palette
from organelle.sampling.palette import ANCHORS, OUTSIDE, PRESENT, UNKNOWN

NAMES = [c.name for c in all_classes()]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 7), st.booleans())
def test_every_voxel_of_every_class_comes_back(seed: int, count: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = (3, 4, 5)
    names = tuple(rng.permutation(NAMES)[:count].tolist())
    layers = [(name, rng.integers(0, 3, shape, dtype=np.uint8)) for name in names]
    without = rng.random(shape) < 0.3 if holes else None
    wanted = (*names, "yolk") if "yolk" not in names else names
    palette = build_palette(layers, shape, wanted, without, infer=False)

    imaged = np.ones(shape, bool) if without is None else ~without
    for channel, name in enumerate(wanted):
        states = dict(layers).get(name, np.full(shape, UNKNOWN))
        known = palette.known[palette.codes, channel]
        np.testing.assert_array_equal(known, (states != UNKNOWN) & imaged)
        np.testing.assert_array_equal(palette.present[palette.codes, channel], (states == PRESENT) & imaged)
    np.testing.assert_array_equal(
        palette.counts, np.bincount(palette.codes.ravel(), minlength=len(palette.counts))
    )
    assert not palette.known[OUTSIDE].any()
    assert (palette.codes[~imaged] == OUTSIDE).all()


def test_classes_that_nobody_wants_only_serve_to_infer() -> None:
    mito = np.array([[[1, 0, 2]]], np.uint8)
    palette = build_palette([("mito_mem", mito)], (1, 1, 3), ("er", "mito"))
    known, present = palette.known[palette.codes], palette.present[palette.codes]
    np.testing.assert_array_equal(known[0, 0], [[True, True], [False, False], [False, False]])
    np.testing.assert_array_equal(present[0, 0], [[False, True], [False, False], [False, False]])
    assert len(palette.counts) == 2


def test_more_than_65535_combinations_are_told_apart() -> None:
    number = np.arange(3**11, dtype=np.int64).reshape(81, 81, 27)
    layers = [(name, (number // 3**i % 3).astype(np.uint8)) for i, name in enumerate(NAMES[:11])]
    palette = build_palette(layers, (81, 81, 27), tuple(NAMES[:11]), infer=False)
    assert palette.codes.dtype == np.uint32
    assert len(palette.counts) == 3**11
    for channel in (0, 5, 10):
        states = layers[channel][1]
        np.testing.assert_array_equal(palette.present[palette.codes, channel], states == PRESENT)
        np.testing.assert_array_equal(palette.known[palette.codes, channel], states != UNKNOWN)


def test_anchors_are_an_even_sample_of_each_combination() -> None:
    layer = np.zeros((40, 50, 60), np.uint8)
    layer[:, :, 30:] = 1
    layer[7, 8, 9] = 1
    layer[0, 0, :3] = 2
    palette = build_palette([("mito", layer)], layer.shape, ("mito",))
    for code, places in enumerate(palette.anchors):
        assert (palette.codes.ravel()[places] == code).all()
        assert len(places) == len(set(places)) == min(palette.counts[code], ANCHORS)
    present = palette.anchors[int(np.flatnonzero(palette.present[:, 0])[0])]
    z, y, x = np.unravel_index(present, layer.shape)
    np.testing.assert_allclose([z.mean(), y.mean(), x.mean()], [19.5, 24.5, 44.5], atol=1.5)


def test_class_counts_are_of_known_voxels() -> None:
    layer = np.array([[[0, 1, 1, 2, 0, 0]]], np.uint8)
    palette = build_palette([("mito", layer)], layer.shape, ("er", "mito"), infer=False)
    np.testing.assert_array_equal(palette.class_counts(), [[0, 2], [0, 5]])
