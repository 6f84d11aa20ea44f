"""A 2D patch is the same however it is read: in its plane, from the planes turned, or as any other patch."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from drawn_world import crop_in_memory, make_spec, mask, noise, write_world
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.geometry import Nm, Voxels
from organelle.models import Normalisation
from organelle.sampling import (
    Affine,
    CropCache,
    Manner,
    PatchStream,
    SamplingSettings,
    TrainingCrop,
    draw,
    load_crops,
    random_affine,
)
from organelle.sampling.look import Look, Tone
from organelle.sampling.planes import Turned

CUBES: Nm = (8.0, 8.0, 8.0)
SECTIONS: Nm = (40.0, 5.0, 5.0)
SHAPE, INNER, START = (40, 42, 44), (20, 22, 24), (9, 10, 11)
GREYS = Normalisation(mean=100, std=50)


def turned(crop: TrainingCrop) -> TrainingCrop:
    """The same crop with its planes across x once more."""
    aside = Turned.of(crop.em, crop.em_present, crop.labels.codes, crop.label_start[2])
    return replace(crop, turned=aside)


def in_any_way(
    crop: TrainingCrop, patch: Voxels, centre: Voxels, how: Manner
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """EM, what is imaged, codes and ids, by the functions that make every kind of patch."""
    spec = make_spec(patch, normalisation=GREYS)
    z, y, x = (a + c for a, c in zip(crop.label_start, centre, strict=True))
    module, seen = import_module("organelle.sampling.draw"), np.empty((1, *patch), np.float32)
    found = module._anywhere(crop, spec, (z, y, x), how.affine.in_voxels(CUBES), how, seen)
    return found.em, found.imaged, found.codes, dict(found.ids)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([(1, 12, 33), (17, 1, 20), (1, 2, 7), (1, 60, 160)]),
    st.sampled_from([0.0, 1.0]),
    st.booleans(),
    st.booleans(),
)
def test_a_plane_is_read_as_any_patch_is(
    seed: int, patch: Voxels, rotate: float, holes: bool, many: bool
) -> None:
    rng = np.random.default_rng(seed)
    imaged = rng.random(SHAPE) < 0.8 if holes else None
    crop = crop_in_memory(noise(SHAPE), {"mito": mask(INNER)}, start=START, imaged=imaged)
    if many:  # more combinations than a byte can count, and objects
        codes = rng.integers(0, 1000, INNER, dtype=np.uint16)
        ids = {"mito": rng.integers(0, 2**32, INNER, dtype=np.uint32)}
        crop = replace(crop, labels=replace(crop.labels, codes=codes), ids=ids)
    affine = random_affine(rng, CUBES, patch.index(1), SamplingSettings(rotate=rotate))
    how = Manner(affine=affine, look=Look(Tone(gamma=1.2, brightness=0.1)))
    z, y, x = (int(c) for c in rng.integers(-12, 34, 3))
    em, shown, codes, ids = in_any_way(crop, patch, (z, y, x), how)
    for source in (crop, turned(crop)):
        found = draw(source, make_spec(patch, normalisation=GREYS), (z, y, x), how)
        np.testing.assert_array_equal(found.imaged, shown)
        np.testing.assert_array_equal(found.codes, codes)
        rounding = 1e-6 if rotate else 0  # voxels that only move stay as they are
        np.testing.assert_allclose(found.em, em, rtol=rounding, atol=rounding)
        assert found.codes.dtype == crop.labels.codes.dtype
        assert found.ids.keys() == ids.keys()
        for name in ids:
            np.testing.assert_array_equal(found.ids[name], ids[name])


@pytest.mark.parametrize("degrees", [0, 37])
def test_a_plane_of_a_patch_that_is_flat_along_x(degrees: float) -> None:
    crop = crop_in_memory(noise(SHAPE), {"mito": mask(INNER)}, start=START)
    how = Manner(affine=Affine.rotation(0, 1, degrees))
    em, imaged, codes, _ = in_any_way(crop, (19, 16, 1), (10, 11, 12), how)  # in rows of one voxel
    for source in (crop, turned(crop)):
        found = draw(source, make_spec((19, 16, 1), normalisation=GREYS), (10, 11, 12), how)
        np.testing.assert_allclose(found.em, em, atol=2e-3)  # places are exact to 1e-4 voxels
        assert (found.codes != codes).mean() < 0.02
        np.testing.assert_array_equal(found.imaged, imaged)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_last_plane_is_read_to_its_last_voxel(axis: int) -> None:
    crop = turned(crop_in_memory(noise((5, 6, 7)), {"mito": mask((5, 6, 7))}))
    order = (axis, *(i for i in range(3) if i != axis))
    centre = [n // 2 for n in (5, 6, 7)]
    centre[axis] = (5, 6, 7)[axis] - 1
    first, second = ((5, 6, 7)[i] for i in order[1:])
    affine = Affine.transposition((order[0], order[1], order[2]))
    patch = draw(crop, make_spec((1, first, second)), (centre[0], centre[1], centre[2]), affine)
    np.testing.assert_array_equal(patch.em[0], crop.em.take(-1, axis))
    np.testing.assert_array_equal(patch.codes[0], crop.labels.codes.take(-1, axis))
    assert patch.imaged.all()


def test_a_crop_of_one_plane_and_a_patch_beyond_it() -> None:
    crop = turned(crop_in_memory(noise((1, 20, 20)), {"mito": mask((1, 20, 20))}))
    tilted = Affine.rotation(1, 2, 30)
    assert draw(crop, make_spec((1, 8, 8)), (0, 10, 10), tilted).imaged.all()
    for affine in (Affine(), tilted):
        beyond = draw(crop, make_spec((1, 8, 8)), (1, 10, 10), affine)
        assert not beyond.imaged.any()
        assert not beyond.em.any()
        assert not beyond.codes.any()


def test_only_crops_of_which_planes_across_x_are_drawn_hold_them_twice(tmp_path: Path) -> None:
    crop = write_world(tmp_path, noise(SHAPE), {"mito": mask(SHAPE)})
    flat = make_spec((1, 8, 8))
    still = SamplingSettings().without_augmentation()
    (moved,) = load_crops(tmp_path, [crop], flat, SamplingSettings())
    assert moved.turned is not None
    np.testing.assert_array_equal(moved.turned.em, moved.em.transpose(2, 0, 1))
    for model, how in ((flat, still), (make_spec((8, 8, 8)), SamplingSettings())):
        assert load_crops(tmp_path, [crop], model, how)[0].turned is None
    assert load_crops(tmp_path, [crop], make_spec((8, 8, 1)), still)[0].turned is not None


def test_sections_and_em_that_is_not_bytes_are_held_once(tmp_path: Path) -> None:
    thick = write_world(
        tmp_path / "a",
        noise((12, 40, 40)),
        {"mito": mask((12, 40, 40))},
        em_size=SECTIONS,
        label_size=SECTIONS,
    )
    assert load_crops(tmp_path / "a", [thick], make_spec((1, 8, 8), size=SECTIONS))[0].turned is None
    fine = write_world(tmp_path / "b", noise(SHAPE).astype(np.float32), {"mito": mask(SHAPE)})
    assert load_crops(tmp_path / "b", [fine], make_spec((1, 8, 8)))[0].turned is None


def test_kept_planes_are_mapped_and_give_the_same_batches(tmp_path: Path) -> None:
    crop = write_world(
        tmp_path / "data", noise(SHAPE), {"mito": mask((20, 20, 20))}, label_corner_nm=(80, 80, 80)
    )
    spec, how = make_spec((1, 16, 16)), SamplingSettings(batch_size=6, rotate=0.5, workers=0)
    plain = load_crops(tmp_path / "data", [crop], spec, how)
    for _ in range(2):
        cache = CropCache(tmp_path / "cache", 2**30)
        (kept,) = load_crops(tmp_path / "data", [crop], spec, how, cache=cache)
        assert kept.turned is not None
        for name in ("em", "present", "codes"):
            array = getattr(kept.turned, name)
            np.testing.assert_array_equal(array, getattr(plain[0].turned, name))
        assert isinstance(kept.turned.em.base, np.memmap)
        assert not cache.notes
        for step in range(4):
            one, other = (PatchStream(crops, spec, how, seed=3)[step] for crops in (plain, (kept,)))
            np.testing.assert_array_equal(one.em, other.em)
            np.testing.assert_array_equal(one.target, other.target)
    load_crops(tmp_path / "data", [crop], spec, how.without_augmentation(), cache=cache)
    assert len(list((tmp_path / "cache").glob("*/crop.json"))) == 2
