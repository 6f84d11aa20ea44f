"""Grey values vary; labels and places without EM do not."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_world import crop_in_memory, make_spec, mask, noise
from scipy import stats

from organelle.geometry import Nm
from organelle.models import Normalisation
from organelle.sampling import Affine, Look, Manner, Patch, SamplingSettings, Tone, draw, random_look
from organelle.sampling.look import BENT, defocus

SHAPE = (12, 14, 16)
CUBES: Nm = (8.0, 8.0, 8.0)
OFF = SamplingSettings().without_augmentation()


def make_patch(
    settings: SamplingSettings = OFF,
    seed: int = 0,
    *,
    hole: bool = False,
    size: Nm = CUBES,
    dtype: str = "u1",
) -> Patch:
    """A patch in the middle of noise, looked at as `settings` say."""
    imaged = np.ones(SHAPE, bool)
    imaged[:, :, 9:] = False
    em = noise(SHAPE).astype(dtype)
    crop = crop_in_memory(em, {"mito": mask(SHAPE)}, imaged=imaged if hole else None, size=size)
    look = random_look(np.random.default_rng(seed), size, settings)
    spec = make_spec((8, 8, 8), normalisation=Normalisation(mean=128, std=70), size=size)
    return draw(crop, spec, (6, 7, 8), Manner(look=look))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_only_imaged_grey_values_change(seed: int, hole: bool, dtype: str) -> None:
    before = make_patch(hole=hole)
    patch = make_patch(SamplingSettings(blur=0.5, inversion=0.3), seed, hole=hole, dtype=dtype)
    assert patch.em.dtype == np.float32
    assert np.isfinite(patch.em).all()
    assert (patch.em != before.em)[patch.imaged].mean() > 0.99
    assert not patch.em[~patch.imaged].any()
    np.testing.assert_array_equal(patch.target, before.target)
    np.testing.assert_array_equal(patch.known, before.known)
    as_bytes = make_patch(SamplingSettings(blur=0.5, inversion=0.3), seed, hole=hole)
    np.testing.assert_allclose(patch.em, as_bytes.em, atol=1e-5)


def test_switched_off_it_changes_nothing() -> None:
    look = random_look(np.random.default_rng(0), CUBES, OFF)
    assert (look.tone, look.defocused, look.noise) == (Tone(), (), 0)


def test_inversion_exchanges_black_and_white() -> None:
    inverted = make_patch(OFF.model_copy(update={"inversion": 1.0}))
    np.testing.assert_array_equal(inverted.em, -make_patch().em)


@pytest.mark.parametrize("name", ["contrast", "brightness", "gamma"])
def test_tone_keeps_the_order_of_grey_values_and_stays_within_its_bounds(name: str) -> None:
    before = make_patch().em
    order = np.argsort(before.ravel(), kind="stable")
    for seed in range(10):
        after = make_patch(OFF.model_copy(update={name: 0.5}), seed).em
        assert (np.diff(after.ravel()[order]) >= -1e-6).all()
        assert after != pytest.approx(before)
        if name == "contrast":
            assert 1 / 1.5 <= after.std() / before.std() <= 1.5
        if name == "brightness":
            assert abs(after.mean() - before.mean()) <= 0.5
        if name == "gamma":
            assert np.abs(after).max() <= BENT


def test_gamma_leaves_the_ends_and_what_is_beyond() -> None:
    greys = np.array([-BENT - 1, -BENT, 0, BENT, BENT + 2], np.float32)
    bent = Tone(gamma=2.0)(greys)
    np.testing.assert_allclose(bent, [-BENT - 1, -BENT, -BENT / 2, BENT, BENT + 2], rtol=1e-6)


def test_the_curve_of_a_turned_patch_is_that_of_its_interpolated_greys_and_exact_where_it_is_not() -> None:
    crop = crop_in_memory(noise(SHAPE), {"mito": mask(SHAPE)})
    tone, normal = Tone(gamma=1.25, contrast=1.1, brightness=0.2), Normalisation(mean=128, std=70)
    curve = tone(normal(np.arange(256, dtype=np.uint8)))
    for affine in (Affine.rotation(1, 2, 30), Affine.rotation(0, 1, 50)):
        greys = draw(crop, make_spec((8, 8, 8)), (6, 7, 8), affine)
        spec = make_spec((8, 8, 8), normalisation=normal)
        patch = draw(crop, spec, (6, 7, 8), Manner(affine=affine, look=Look(tone)))
        wanted = np.interp(greys.em, np.arange(256), curve)
        np.testing.assert_allclose(patch.em[patch.imaged], wanted[patch.imaged], atol=1e-5)
        assert patch.em[4, 4, 4] == curve[crop.em[6, 7, 8]]  # the centre does not turn


def test_noise_has_at_most_the_strength_asked_for_and_is_about_normal() -> None:
    noisy = OFF.model_copy(update={"noise": 0.5})
    plain = make_patch().em
    added = [make_patch(noisy, seed).em - plain for seed in range(60)]
    spreads = np.array([a.std() for a in added])
    assert 0.3 < (spreads == 0).mean() < 0.7
    assert 0.3 < spreads.max() < 0.55
    np.testing.assert_array_equal(make_patch(noisy, 3).em, make_patch(noisy, 3).em)
    scaled = np.concatenate([a.ravel() / s for a, s in zip(added, spreads, strict=True) if s > 0.1])
    assert stats.kstest(scaled, "norm").statistic < 0.02
    assert abs(np.corrcoef(scaled[:-1], scaled[1:])[0, 1]) < 0.02


def test_defocus_spreads_a_point_and_keeps_flat_grey_flat() -> None:
    point = np.zeros((5, 5, 5), np.float32)
    point[2, 2, 2] = 1
    defocus(point, (1, 2))
    np.testing.assert_allclose(point[2, 1:4, 1:4], np.outer([1, 2, 1], [1, 2, 1]) / 16)
    assert not point[[0, 1, 3, 4]].any()
    flat = np.full((3, 1, 4), 2.5, np.float32)
    defocus(flat, (0, 1, 2))
    np.testing.assert_array_equal(flat, 2.5)
    edge = np.zeros((1, 1, 4), np.float32)
    edge[..., 0] = 4
    defocus(edge, (2,))
    np.testing.assert_array_equal(edge[0, 0], [3, 1, 0, 0])


def test_thick_sections_are_blurred_in_their_plane_only() -> None:
    size = (50.0, 5.0, 5.0)
    blurred = make_patch(OFF.model_copy(update={"blur": 1.0}), size=size)
    plain = make_patch(size=size)
    defocus(plain.em, (1, 2))
    np.testing.assert_allclose(blurred.em, plain.em)
