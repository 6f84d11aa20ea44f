"""Patches show what lies where the map says, in nm; masks tell unknown from absent."""

from __future__ import annotations

from importlib import import_module
from itertools import product

import numpy as np
import pytest
from drawn_world import UNIT, crop_in_memory, make_spec, mask, noise
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from organelle.geometry import Nm, Voxels
from organelle.models import Normalisation
from organelle.sampling import Affine, Manner, TrainingCrop, draw, random_affine
from organelle.sampling.settings import SamplingSettings

CUBES: Nm = (8.0, 8.0, 8.0)
SECTIONS: Nm = (40.0, 5.0, 5.0)
OBLIQUE: Nm = (6.0, 4.0, 5.0)
SHAPE = (20, 22, 24)


@pytest.fixture
def crop() -> TrainingCrop:
    return crop_in_memory(noise(SHAPE), {"mito": mask((10, 12, 14))}, start=(5, 4, 3))


def test_a_plain_patch_is_a_slice_of_the_arrays(crop: TrainingCrop) -> None:
    spec = make_spec((4, 5, 6), normalisation=Normalisation(mean=100, std=50))
    patch = draw(crop, spec, (6, 7, 8))
    here = np.s_[4:8, 5:10, 5:11]
    np.testing.assert_array_equal(patch.em, spec.normalisation(crop.em[9:13, 9:14, 8:14]))
    np.testing.assert_array_equal(patch.target[0], mask((10, 12, 14))[here])
    assert patch.known.all()
    assert patch.imaged.all()
    assert (patch.em.dtype, patch.target.dtype, patch.known.dtype) == (np.float32, np.uint8, bool)


def test_beyond_the_crop_labels_are_unknown_and_beyond_the_em_it_is_the_mean(crop: TrainingCrop) -> None:
    spec = make_spec((30, 30, 30), normalisation=Normalisation(mean=100, std=50))
    patch = draw(crop, spec, (5, 6, 7))
    em = np.zeros((30, 30, 30), np.float32)
    em[5:25, 5:27, 5:29] = spec.normalisation(crop.em)
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[10:20, 9:21, 8:22] = mask((10, 12, 14))
    known = np.zeros((30, 30, 30), bool)
    known[10:20, 9:21, 8:22] = True
    np.testing.assert_array_equal(patch.em, em)
    np.testing.assert_array_equal(patch.target[0], labels)
    np.testing.assert_array_equal(patch.known[0], known)
    assert patch.imaged.sum() == crop.em.size


@pytest.mark.parametrize("affine", [None, Affine.rotation(0, 1, 33)])
def test_a_patch_far_away_is_empty_and_unknown(crop: TrainingCrop, affine: Affine | None) -> None:
    patch = draw(crop, make_spec((4, 4, 4)), (100, -100, 0), affine)
    assert not patch.em.any()
    assert not patch.known.any()
    assert not patch.target.any()
    assert not patch.imaged.any()


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_a_mirror_is_numpys_flip(crop: TrainingCrop, axes: tuple[int, ...]) -> None:
    plain = draw(crop, make_spec((5, 7, 9)), (5, 6, 7))
    patch = draw(crop, make_spec((5, 7, 9)), (5, 6, 7), Affine.mirror(*axes))
    np.testing.assert_array_equal(patch.em, np.flip(plain.em, axes))
    np.testing.assert_array_equal(patch.target[0], np.flip(plain.target[0], axes))


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_a_transposition_is_numpys_transpose(crop: TrainingCrop, axes: Voxels) -> None:
    plain = draw(crop, make_spec((5, 7, 9)), (5, 6, 7))
    size = tuple((5, 7, 9)[axis] for axis in axes)
    patch = draw(crop, make_spec((size[0], size[1], size[2])), (5, 6, 7), Affine.transposition(axes))
    np.testing.assert_array_equal(patch.em, plain.em.transpose(axes))
    np.testing.assert_array_equal(patch.codes, plain.codes.transpose(axes))


def test_planes_of_a_2d_patch_can_lie_across_any_axis(crop: TrainingCrop) -> None:
    patch = draw(crop, make_spec((1, 6, 8)), (5, 6, 7), Affine.transposition((2, 0, 1)))
    np.testing.assert_array_equal(patch.em[0], crop.em[7:13, 6:14, 10])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_moving_voxels_and_interpolating_agree_where_both_can(seed: int, even: bool, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    imaged = rng.random(SHAPE) < 0.7 if holes else None
    crop = crop_in_memory(noise(SHAPE), {"mito": mask((9, 10, 11))}, start=(5, 4, 3), imaged=imaged)
    spec = make_spec((12, 8, 10) if even else (11, 9, 7))
    affine = random_affine(rng, CUBES, None, SamplingSettings(rotate=0))
    matrix = affine.in_voxels(CUBES)
    centre = rng.integers(-2, 12, 3)
    module = import_module("organelle.sampling.draw")
    stack = module.Stack(crop.em, crop.em_present, crop.labels.codes, crop.label_start)
    place, how = np.array(crop.label_start) + centre, Manner(affine=affine)
    outs = [np.empty((1, *spec.patch_shape), np.float32) for _ in range(2)]
    moved = module._moved(stack, crop.labels, spec, place, matrix, how, outs[0])
    interpolated = module._interpolated(stack, crop.labels, spec, place, matrix, how, outs[1])
    np.testing.assert_array_equal(moved.imaged, interpolated.imaged)
    np.testing.assert_array_equal(moved.codes, interpolated.codes)
    np.testing.assert_allclose(moved.em, interpolated.em, rtol=1e-6, atol=1e-6)


@example(seed=283, size=CUBES)  # an entry of the map is nearly 0
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([CUBES, SECTIONS, OBLIQUE]))
def test_any_map_equals_scipys_interpolation(seed: int, size: Nm) -> None:
    rng = np.random.default_rng(seed)
    crop = crop_in_memory(noise(SHAPE, 2), {"mito": mask(SHAPE, 3)}, size=size)
    affine = Affine.from_array(np.linalg.qr(rng.standard_normal((3, 3)))[0])
    patch = draw(crop, make_spec((5, 12, 13), size=size), (10, 11, 12), affine)

    offsets = (np.indices((5, 12, 13)).T - [2, 6, 6]) * size
    places = (offsets @ np.array(affine.matrix).T / size + [10, 11, 12]).T
    safe = np.all([(p > 0) & (p < n - 1) for p, n in zip(places, SHAPE, strict=True)], axis=0)
    linear = map_coordinates(crop.em.astype(np.float64), places, order=1)
    nearest = np.floor(places + 0.5).astype(int).reshape(3, -1)
    labels = mask(SHAPE, 3)[tuple(np.clip(n, 0, s - 1) for n, s in zip(nearest, SHAPE, strict=True))]
    np.testing.assert_allclose(patch.em[safe], linear[safe], atol=0.05)  # places are exact to 1e-4 voxels
    clear = safe & np.all(np.abs(places - np.floor(places) - 0.5) > 1e-3, axis=0)  # which voxel is nearest
    np.testing.assert_array_equal(patch.target[0][clear], labels.reshape(5, 12, 13)[clear])
    assert patch.known[0][safe].all()


@pytest.mark.parametrize("size", [CUBES, SECTIONS, OBLIQUE])
@pytest.mark.parametrize("degrees", [0, 30, 90, 200])
def test_a_ramp_in_nm_stays_the_same_ramp_whatever_the_voxels(size: Nm, degrees: float) -> None:
    slope = np.array([0.3, -0.7, 0.5])
    em = (np.indices(SHAPE).T * size @ slope).T.astype(np.float32)
    crop = crop_in_memory(em, {"mito": mask(SHAPE)}, size=size)
    affine = Affine.rotation(1, 2, degrees) @ Affine.mirror(0)
    patch = draw(crop, make_spec((7, 9, 9), size=size), (10, 11, 12), affine)
    middle = slope @ (np.array([10, 11, 12]) * size)
    for i, j, k in product(range(7), range(9), range(9)):
        offset = ((i - 3) * size[0], (j - 4) * size[1], (k - 4) * size[2])
        assert patch.em[i, j, k] == pytest.approx(middle + slope @ affine.apply(offset), rel=1e-4, abs=1e-2)


L_SHAPE = {"long": ((-12, 12), (-60, 90), (-12, 12)), "short": ((-12, 12), (66, 90), (-12, 60))}
"""Two bars in nm from the centre, in the y-x plane: an L that no turn or mirror maps onto itself."""


def in_l_shape(nm: np.ndarray) -> np.ndarray:
    bars = [
        np.all([(low <= nm[..., a]) & (nm[..., a] < high) for a, (low, high) in enumerate(bar)], axis=0)
        for bar in L_SHAPE.values()
    ]
    return np.logical_or(*bars)


@pytest.mark.parametrize("size", [(4.0, 4.0, 4.0), (12.0, 4.0, 4.0), (6.0, 4.0, 5.0)])
@pytest.mark.parametrize("degrees", [0, 37, 90, 145, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_l_shape_lands_where_the_map_says(size: Nm, degrees: float, mirrored: bool) -> None:
    shape = tuple(int(260 / v) // 2 * 2 + 1 for v in size)
    centre = tuple(n // 2 for n in shape)
    drawn = in_l_shape((np.indices(shape).T - centre) * size).T.astype(np.uint8)
    crop = crop_in_memory(drawn * np.uint8(200), {"mito": drawn}, size=size)
    affine = Affine.rotation(1, 2, degrees) @ (Affine.mirror(2) if mirrored else Affine())
    patch = draw(crop, make_spec((shape[0], shape[1], shape[2]), size=size), centre, affine)

    offsets = (np.indices(shape).T - centre) * size
    shown = in_l_shape(offsets @ np.array(affine.matrix).T).T
    volume = int(drawn.sum())
    assert int((shown != patch.target[0]).sum()) <= 0.15 * volume
    assert int(patch.target[0].sum()) == pytest.approx(volume, rel=0.1)
    tip = np.array([0, 78, 50])  # near the end of the short bar
    z, y, x = np.rint(np.array(affine.matrix).T @ tip / size + centre).astype(int)
    assert patch.target[0, z, y, x] == 1
    assert patch.em[z, y, x] > 150
    if degrees == 37 and not mirrored:  # a turned mirror is its own inverse
        z, y, x = np.rint(np.array(affine.matrix) @ tip / size + centre).astype(int)
        assert patch.target[0, z, y, x] == 0


@pytest.mark.parametrize("affine", [Affine(), Affine.rotation(1, 2, 30)])
def test_missing_em_is_not_black_and_makes_labels_unknown(affine: Affine) -> None:
    em = np.full(SHAPE, 200, np.uint8)
    imaged = np.ones(SHAPE, bool)
    imaged[:, :, 12:] = False
    em[~imaged] = 0
    crop = crop_in_memory(em, {"mito": np.ones(SHAPE, np.uint8)}, imaged=imaged)
    patch = draw(
        crop, make_spec((3, 10, 10), normalisation=Normalisation(mean=100, std=50)), (10, 11, 12), affine
    )
    assert set(np.unique(patch.em)) == {0.0, 2.0}
    np.testing.assert_array_equal(patch.em == 2, patch.imaged)
    np.testing.assert_array_equal(patch.known[0], patch.imaged)
    np.testing.assert_array_equal(patch.target[0], patch.imaged)
    assert 0 < patch.imaged.sum() < patch.imaged.size


@pytest.mark.parametrize("affine", [Affine(), Affine.rotation(0, 2, 77)])
def test_targets_tell_unknown_from_absent_per_class(affine: Affine) -> None:
    shape = (12, 12, 12)
    states = np.zeros(shape, np.uint8)
    states[:4] = 1
    states[8:] = 2
    labels = {"mito": states, "er": np.zeros(shape, np.uint8)}
    crop = crop_in_memory(noise(shape), labels, wanted=("er", "mito", "nuc"))
    patch = draw(crop, make_spec((12, 12, 12), ("er", "mito", "nuc")), (6, 6, 6), affine)
    er, mito, nuc = patch.known
    assert not patch.target[0].any()
    assert not nuc.any()
    assert mito.sum() < er.sum()
    assert not (patch.target.astype(bool) & ~patch.known).any()
    if affine == Affine():
        assert er.all()
        np.testing.assert_array_equal(mito, states != 2)
        np.testing.assert_array_equal(patch.target[1], states == 1)


def test_float_em_is_drawn_like_any_other() -> None:
    em = np.linspace(0, 1, 20 * 22 * 24, dtype=np.float32).reshape(SHAPE)
    crop = crop_in_memory(em, {"mito": mask(SHAPE)})
    patch = draw(crop, make_spec((4, 4, 4), normalisation=UNIT), (8, 8, 8))
    np.testing.assert_array_equal(patch.em, em[6:10, 6:10, 6:10])
