"""Grey values vary; labels and places without EM do not."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_world import crop_in_memory, make_spec, mask, noise

from organelle.geometry import Nm
from organelle.models import Normalisation
from organelle.sampling import Patch, SamplingSettings, draw, vary_intensity
from organelle.sampling.intensity import defocus

SHAPE = (12, 14, 16)
CUBES: Nm = (8.0, 8.0, 8.0)
OFF = SamplingSettings().without_augmentation()


def make_patch(hole: bool = False) -> Patch:
    imaged = np.ones(SHAPE, bool)
    imaged[:, :, 9:] = False
    crop = crop_in_memory(noise(SHAPE), {"mito": mask(SHAPE)}, imaged=imaged if hole else None)
    return draw(crop, make_spec((8, 8, 8), normalisation=Normalisation(mean=128, std=70)), (6, 7, 8))


def vary(patch: Patch, settings: SamplingSettings, seed: int = 0, size: Nm = CUBES) -> np.ndarray:
    vary_intensity(patch, size, settings, np.random.default_rng(seed))
    return patch.em


@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_only_imaged_grey_values_change(seed: int, hole: bool) -> None:
    before, patch = make_patch(hole), make_patch(hole)
    vary(patch, SamplingSettings(blur=0.5, inversion=0.3), seed)
    assert patch.em.dtype == np.float32
    assert np.isfinite(patch.em).all()
    assert (patch.em != before.em)[patch.imaged].mean() > 0.99
    assert not patch.em[~patch.imaged].any()
    np.testing.assert_array_equal(patch.target, before.target)
    np.testing.assert_array_equal(patch.known, before.known)


def test_switched_off_it_changes_nothing() -> None:
    np.testing.assert_array_equal(vary(make_patch(), OFF), make_patch().em)


def test_inversion_exchanges_black_and_white() -> None:
    np.testing.assert_array_equal(
        vary(make_patch(), OFF.model_copy(update={"inversion": 1.0})), -make_patch().em
    )


@pytest.mark.parametrize("name", ["contrast", "brightness", "gamma"])
def test_tone_keeps_the_order_of_grey_values_and_stays_within_its_bounds(name: str) -> None:
    before = make_patch().em
    order = np.argsort(before.ravel(), kind="stable")
    for seed in range(10):
        after = vary(make_patch(), OFF.model_copy(update={name: 0.5}), seed)
        assert (np.diff(after.ravel()[order]) >= -1e-6).all()
        assert after != pytest.approx(before)
        if name == "contrast":
            assert 1 / 1.5 <= after.std() / before.std() <= 1.5
        if name == "brightness":
            assert abs(after.mean() - before.mean()) <= 0.5
        if name == "gamma":
            assert (after.min(), after.max()) == pytest.approx((before.min(), before.max()), abs=1e-5)


def test_a_patch_of_one_grey_survives() -> None:
    crop = crop_in_memory(np.full(SHAPE, 7, np.uint8), {"mito": mask(SHAPE)})
    patch = draw(crop, make_spec((8, 8, 8)), (6, 7, 8))
    assert np.isfinite(vary(patch, SamplingSettings(noise=0))).all()


def test_noise_has_at_most_the_strength_asked_for() -> None:
    added = [
        vary(make_patch(), OFF.model_copy(update={"noise": 0.5}), s) - make_patch().em for s in range(40)
    ]
    spreads = np.array([a.std() for a in added])
    assert 0.3 < (spreads == 0).mean() < 0.7
    assert 0.3 < spreads.max() < 0.55


def test_defocus_spreads_a_point_and_keeps_flat_grey_flat() -> None:
    point = np.zeros((5, 5, 5), np.float32)
    point[2, 2, 2] = 1
    defocus(point, (1, 2))
    np.testing.assert_allclose(point[2, 1:4, 1:4], np.outer([1, 2, 1], [1, 2, 1]) / 16)
    assert not point[[0, 1, 3, 4]].any()
    flat = np.full((3, 1, 4), 2.5, np.float32)
    defocus(flat, (0, 1, 2))
    np.testing.assert_array_equal(flat, 2.5)


def test_thick_sections_are_blurred_in_their_plane_only() -> None:
    crop = crop_in_memory(noise(SHAPE), {"mito": mask(SHAPE)}, size=(50, 5, 5))
    spec = make_spec((8, 8, 8), size=(50, 5, 5))
    blurred, plain = draw(crop, spec, (6, 7, 8)), draw(crop, spec, (6, 7, 8))
    vary(blurred, OFF.model_copy(update={"blur": 1.0}), size=(50.0, 5.0, 5.0))
    defocus(plain.em, (1, 2))
    np.testing.assert_allclose(blurred.em, plain.em)
