"""Bending moves EM and labels alike; faults of sections change what they should and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_world import crop_in_memory, make_spec, mask, noise
from scipy.ndimage import map_coordinates

from organelle.geometry import Nm
from organelle.sampling import Affine, Manner, SamplingSettings, draw, random_manner
from organelle.sampling.bend import MOST, SPACING, random_field
from organelle.sampling.faults import DISPLACED, Fault, random_fault

CUBES: Nm = (8.0, 8.0, 8.0)
SECTIONS: Nm = (40.0, 5.0, 5.0)
SHAPE = (60, 62, 64)
BENT = SamplingSettings(elastic=1.0, elastic_nm=16.0)


def test_a_bent_patch_is_what_the_field_says_for_em_and_labels() -> None:
    crop = crop_in_memory(noise(SHAPE, 2), {"mito": mask(SHAPE, 3)})
    spec, rng = make_spec((20, 24, 40)), np.random.default_rng(5)
    affine = Affine.rotation(1, 2, 25)
    field = random_field(rng, (20, 24, 40), CUBES, BENT)
    assert field.shape == (2, 2, 3, 3)
    patch = draw(crop, spec, (30, 31, 32), Manner(affine=affine, bend=field))
    voxels = np.indices((20, 24, 40)).reshape(3, -1)
    points = voxels / SPACING
    moved = np.stack([map_coordinates(field[..., axis], points, order=1) for axis in range(3)])
    places = np.array(affine.matrix) @ (voxels - [[10], [12], [20]]) + [[30], [31], [32]] + moved
    safe = np.all((places > 0) & (places < np.array(SHAPE)[:, None] - 1), axis=0)
    linear = map_coordinates(crop.em.astype(float), places, order=1)
    assert safe.mean() > 0.9
    np.testing.assert_allclose(patch.em.ravel()[safe], linear[safe], atol=0.1)
    nearest = np.floor(places + 0.5).astype(int)
    close = np.abs(places + 0.5 - nearest).min(axis=0) > 1e-3  # not on the border of two voxels
    chosen = safe & close & (np.abs(places + 0.5 - nearest).max(axis=0) < 1 - 1e-3)
    np.testing.assert_array_equal(patch.target.ravel()[chosen], mask(SHAPE, 3)[tuple(nearest[:, chosen])])


@pytest.mark.parametrize("size", [CUBES, SECTIONS])
def test_fields_are_smooth_as_strong_as_asked_for_and_spare_thick_axes(size: Nm) -> None:
    rng = np.random.default_rng(1)
    fields = np.stack([random_field(rng, (64, 256, 256), size, BENT) for _ in range(40)])
    in_nm = fields * size
    assert np.abs(in_nm).max() <= MOST * 16 + 1e-4
    assert in_nm[..., 1:].std() == pytest.approx(16, rel=0.25)
    steps = np.diff(in_nm[..., 1:], axis=-2)
    assert steps.std() < in_nm[..., 1:].std()
    assert (size == CUBES) == bool(in_nm[..., 0].any())


def test_what_is_off_draws_nothing() -> None:
    still = SamplingSettings().without_augmentation()
    for seed in range(20):
        manner = random_manner(np.random.default_rng(seed), make_spec((8, 8, 8)), still)
        assert manner.affine == Affine()
        assert not manner.bend.size
        assert manner.fault is None


def spoiled(fault: Fault, manner: Manner | None = None, dtype: str = "u1") -> tuple[np.ndarray, ...]:
    """EM and labels of a patch of 16 without and with a fault."""
    em = noise(SHAPE, 4).astype(dtype)
    crop = crop_in_memory(em, {"mito": mask(SHAPE, 5)})
    before, spec, how = em.copy(), make_spec((16, 16, 16)), manner or Manner()
    patches = [draw(crop, spec, (30, 30, 30), m) for m in (how, replace(how, fault=fault))]
    np.testing.assert_array_equal(crop.em, before)  # the crop itself stays as it is
    return tuple(a for patch in patches for a in (patch.em, patch.target[0]))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_lost_sections_show_the_one_before_and_labels_stay(axis: int, dtype: str) -> None:
    plain, labels, em, after = spoiled(Fault("lost", axis, 0.5, 2), dtype=dtype)
    np.testing.assert_array_equal(after, labels)
    changed = np.flatnonzero((em != plain).any(axis=tuple({0, 1, 2} - {axis})))
    assert len(changed) == 2
    first = changed[0]
    for lost in changed:
        np.testing.assert_array_equal(em.take(lost, axis), plain.take(first - 1, axis))


def test_dim_sections_change_by_their_factor_within_the_range_of_bytes() -> None:
    plain, labels, em, after = spoiled(Fault("dim", 0, 0.4, 3, factor=1.2))
    np.testing.assert_array_equal(after, labels)
    changed = np.flatnonzero((em != plain).any(axis=(1, 2)))
    assert len(changed) == 3
    np.testing.assert_allclose(em[changed], np.minimum(plain[changed] * 1.2, 255), atol=1)
    assert em.max() <= 255


def test_displaced_sections_take_their_labels_with_them() -> None:
    plain, labels, em, after = spoiled(Fault("displaced", 0, 0.5, aside=(0, 2, -3)))
    here = (em == plain).all(axis=(1, 2))
    begin = int(np.argmin(here))
    assert 4 < begin < 12
    assert here[:begin].all()
    np.testing.assert_array_equal(em[begin:, :-2, 3:], plain[begin:, 2:, :-3])
    np.testing.assert_array_equal(after[begin:, :-2, 3:], labels[begin:, 2:, :-3])
    np.testing.assert_array_equal(after[:begin], labels[:begin])


def test_faults_at_the_rim_of_the_em_invent_nothing() -> None:
    crop = crop_in_memory(noise(SHAPE), {"mito": np.ones(SHAPE, np.uint8)})
    for kind in ("lost", "dim", "displaced"):
        fault = Fault(kind, 1, 0.3, 2, 0.9, (3, 0, 3) if kind == "displaced" else (0, 0, 0))
        patch = draw(crop, make_spec((16, 16, 16)), (1, 2, 3), Manner(fault=fault))
        assert not patch.em[~patch.imaged].any()
        assert not patch.known[0][~patch.imaged].any() or kind != "displaced"
        assert 0 < patch.imaged.sum() < patch.imaged.size
        far = draw(crop, make_spec((4, 4, 4)), (500, 500, 500), Manner(fault=fault))
        assert not far.imaged.any()


@pytest.mark.parametrize("size", [CUBES, SECTIONS])
def test_drawn_faults_are_of_all_kinds_and_across_sections(size: Nm) -> None:
    faults = [random_fault(np.random.default_rng(seed), size) for seed in range(60)]
    assert {fault.kind for fault in faults} == {"lost", "dim", "displaced"}
    assert {fault.axis for fault in faults} == ({0, 1, 2} if size == CUBES else {0})
    assert all(fault.aside[fault.axis] == 0 and max(map(abs, fault.aside)) <= DISPLACED for fault in faults)
