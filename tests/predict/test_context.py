"""Networks that are shown their surroundings: what training draws is what prediction reads."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_networks import EM_GRID, TINY, spec_of
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.catalog import Catalog, Crop, Dataset, em_path, label_path
from organelle.classes import Kind
from organelle.errors import CheckpointError, EMMissing, SettingsError
from organelle.geometry import Box, Grid
from organelle.models import build_network, load_checkpoint, transfer_weights
from organelle.models.context import context_size_nm, context_steps
from organelle.predict import PatchEM, PredictSettings, predict
from organelle.predict.em import context_box
from organelle.sampling import (
    Affine,
    CropCache,
    PatchStream,
    SamplingSettings,
    draw,
    load_crop,
    load_crops,
    open_em,
    patch_margin_nm,
)
from organelle.sampling.draw import Manner
from organelle.sampling.statistics import fingerprint
from organelle.volumes import write_labels, write_multiscale

SEEING = {"context": [2, 4], "classes": ["mito"]}
FLAT = {"network": "unet_2d", "patch_shape": [1, 16, 16], "stride": [1, 8, 8]}
CUBE = {"patch_shape": [16, 16, 16], "stride": [12, 12, 12]}


@pytest.fixture
def crop(data: Path) -> Crop:
    """An annotated part of the drawn EM."""
    crop = Crop(9, "liver", EM_GRID.subgrid(Box((4, 4, 8), (28, 32, 36))), ("mito",))
    mito = np.random.default_rng(1).integers(0, 2, crop.grid.shape, dtype=np.uint8)
    write_labels(label_path(data, crop, "mito"), mito, crop.grid, "mito", chunks=(16, 16, 16))
    return crop


@pytest.mark.parametrize(
    ("size", "times", "steps"),
    [
        ((8, 8, 8), 4, (4, 4, 4)),
        ((40, 8, 8), 4, (1, 4, 4)),
        ((40, 8, 8), 8, (2, 8, 8)),
        ((50, 4.6, 4.6), 3, (1, 3, 3)),
    ],
)
def test_voxels_of_the_context_are_as_near_to_cubes_as_they_can_be(size, times, steps):
    assert context_steps(size, times) == steps
    assert context_size_nm(size, times) == pytest.approx(np.multiply(size, steps))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"context": [1]}, "from 2 on"),
        ({"context": [4, 2]}, "rising"),
        ({"context": [2, 2]}, "once"),
        ({"context": [16]}, "multiples of 32"),
        ({"context": [4], "stride": [10, 12, 12]}, "multiples of 4 on axis z"),
    ],
)
def test_a_context_that_does_not_fit_the_patch_grid_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        spec_of(**changes)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(-20, 20)] * 3),
    st.tuples(*[st.sampled_from([1, 2, 4])] * 3),
    st.tuples(*[st.integers(1, 3)] * 3),
)
def test_a_box_of_the_context_has_the_same_centre_and_whole_voxels(places, steps, halves):
    shape = tuple(2 * g * k for g, k in zip(steps, halves, strict=True))
    box = Box(tuple(a * g for a, g in zip(places, steps, strict=True)), shape)
    far = context_box(box, steps)
    assert far.shape == box.shape
    for axis, g in enumerate(steps):
        assert g * (far.start[axis] + far.stop[axis]) == box.start[axis] + box.stop[axis]


@pytest.mark.parametrize("start", list(product((-8, 0, 8), (8,), (0, 16))))
def test_what_training_draws_is_what_prediction_reads(data, crop, start):
    spec = spec_of(**SEEING, **CUBE)
    loaded = load_crop(data, crop, spec, patch_margin_nm(spec, SamplingSettings(rotate=0)))
    box = Box(tuple(start), spec.patch_shape)
    (read,) = PatchEM(open_em(data, crop), spec).patches([box])
    patch = draw(loaded, spec, tuple(a + 8 - b for a, b in zip(start, (4, 4, 8), strict=True)))
    assert read.shape == patch.seen.shape == (3, 16, 16, 16)
    np.testing.assert_allclose(patch.seen, read, atol=1e-5)
    assert read[2].any()


@pytest.mark.parametrize("z", range(6, 12))
def test_a_plane_is_shown_the_planes_of_the_context_that_it_lies_in(data, crop, z):
    spec = spec_of(**SEEING, **FLAT)
    loaded = load_crop(data, crop, spec, patch_margin_nm(spec, SamplingSettings(rotate=0)))
    (read,) = PatchEM(open_em(data, crop), spec).patches([Box((z, 8, 16), spec.patch_shape)])
    patch = draw(loaded, spec, (z - 4, 12, 16))
    np.testing.assert_allclose(patch.seen, read, atol=1e-5)


def test_the_context_turns_and_is_mirrored_with_the_patch(data, crop):
    spec = spec_of(**SEEING, **CUBE)
    loaded = load_crop(data, crop, spec, patch_margin_nm(spec, SamplingSettings()))
    plain = draw(loaded, spec, (14, 16, 18)).seen
    # A patch of even size is turned about its middle voxel: mirrored, it shows other voxels at its rim.
    turned = draw(loaded, spec, (14, 16, 18), Affine.transposition((2, 0, 1))).seen
    np.testing.assert_allclose(turned, plain.transpose(0, 3, 1, 2), atol=1e-4)
    mirrored = draw(loaded, spec, (13, 16, 18), Affine.mirror(0)).seen
    np.testing.assert_allclose(mirrored, plain[:, ::-1], atol=1e-4)


def test_the_context_is_the_mean_of_the_voxels_that_it_stands_for(data, crop, grey):
    """Level 1 of the drawn EM is made of means, and twice as coarse."""
    spec = spec_of(**{**SEEING, "context": [2]}, **CUBE)
    (seen,) = PatchEM(open_em(data, crop), spec).patches([Box((8, 8, 16), (16, 16, 16))])
    part = grey[0:32, 0:32, 8:40].reshape(16, 2, 16, 2, 16, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(seen[1], (part - 128) / 60, atol=0.5 / 60 + 1e-5)


def test_beyond_the_em_there_is_the_mean_grey(data, crop):
    spec = spec_of(**SEEING, **CUBE)
    (seen,) = PatchEM(open_em(data, crop), spec).patches([Box((0, 0, 0), (16, 16, 16))])
    assert (seen[1, :4] == 0).all()
    assert (seen[1, 4:, 4:, 4:] != 0).mean() > 0.9  # a voxel may have the mean grey value by chance


def test_batches_hold_every_image_and_the_cache_keeps_them(data, crop, tmp_path):
    spec = spec_of(**SEEING, **CUBE)
    how = SamplingSettings(batch_size=2)
    kept = CropCache(tmp_path / "cache", 10**9)
    streams = [
        PatchStream(load_crops(data, [crop], spec, how, cache=cache), spec, how, 5)
        for cache in (None, kept, kept)
    ]
    first, *others = [stream[3].em for stream in streams]
    assert first.shape == (2, 3, 16, 16, 16)
    for other in others:
        np.testing.assert_array_equal(first, other)
    plain = load_crops(data, [crop], spec_of(**CUBE, classes=["mito"]), how, cache=kept)[0]
    assert len(plain.context) == 0
    assert fingerprint(plain) != fingerprint(load_crops(data, [crop], spec, how, cache=kept)[0])
    with pytest.raises(SettingsError, match="loaded with 0 kinds of context"):
        PatchStream([plain], spec, how, 5)


def test_grey_curves_reach_the_context_and_bending_does_not(data, crop):
    spec = spec_of(**SEEING, **CUBE)
    loaded = load_crop(data, crop, spec, patch_margin_nm(spec, SamplingSettings()))
    plain = draw(loaded, spec, (14, 16, 18)).seen
    field = np.full((2, 2, 2, 3), 1.5, np.float32)
    bent = draw(loaded, spec, (14, 16, 18), Manner(bend=field)).seen
    np.testing.assert_array_equal(bent[1:], plain[1:])
    assert abs(bent[0] - plain[0]).max() > 0.1


def test_prediction_does_not_depend_on_blocks_or_crops(data, catalog, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("organelle.predict.plan.CHUNK", 8)
    for kind in ({**FLAT, **TINY, "options": {"dimensions": 2}}, {**CUBE, **TINY}):
        path = checkpoint(context=[4], **kind)
        whole, small = (tmp_path / f"{kind['stride']}-{name}" for name in ("whole", "small"))
        one = predict(path, catalog, [1], data=data, work=whole)
        many = predict(path, catalog, [1], data=data, work=small, settings=PredictSettings(memory_gb=1e-6))
        assert many.plan.blocks > one.plan.blocks
        for a, b in zip(one.written, many.written, strict=True):
            assert {p.relative_to(a): p.read_bytes() for p in a.rglob("*") if p.is_file()} == {
                p.relative_to(b): p.read_bytes() for p in b.rglob("*") if p.is_file()
            }


def test_a_network_takes_as_many_images_as_its_spec_says():
    spec = spec_of(**SEEING, **CUBE)
    assert spec.in_channels == 3
    with torch.inference_mode():
        assert build_network(spec).eval()(torch.zeros(1, 3, 16, 16, 16)).shape == (1, 1, 16, 16, 16)


def test_weights_of_a_network_without_context_are_no_start_for_one_with(checkpoint):
    plain = load_checkpoint(checkpoint())
    spec = spec_of(context=[4])
    with pytest.raises(CheckpointError, match=r"context is \[\] there, \[4\] here"):
        transfer_weights(plain, build_network(spec), spec)


def test_a_crop_without_coarse_em_is_told(tmp_path, checkpoint):
    """The level is listed, but none of its chunks was fetched."""
    grid = Grid((8, 8, 8), (4, 4, 4), (64, 64, 64))
    grey = np.full(grid.shape, 100, np.uint8)
    folder = em_path(tmp_path, "liver")
    write_multiscale(folder, grey, grid, kind=Kind.IMAGE, levels=3, chunks=(16, 16, 16))
    crop = Crop(1, "liver", grid.subgrid(Box((8, 8, 8), (40, 40, 40))), ("mito",), is_test=True)
    catalog = Catalog("drawn", {"liver": Dataset("liver")}, {}, {1: crop})
    for chunk in (folder / "s2").rglob("*"):
        if chunk.is_file() and chunk.name.isdigit():
            chunk.unlink()
    with pytest.raises(EMMissing, match=r"32 x 32 x 32 nm; fetch it with"):
        predict(checkpoint(context=[4]), catalog, [1], data=tmp_path, work=tmp_path / "work")
