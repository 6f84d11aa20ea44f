"""EM at the model's voxel size: the same values for any box, and 0 where nothing is stored."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import EM_GRID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from organelle.catalog import em_path
from organelle.classes import Kind
from organelle.geometry import Box, Extent
from organelle.models import Normalisation
from organelle.predict import ModelEM
from organelle.volumes import downsample, open_multiscale, resample

NORMALISATION = Normalisation(mean=100.4, std=50)
boxes = st.builds(Box, st.tuples(*[st.integers(-20, 60)] * 3), st.tuples(*[st.integers(1, 20)] * 3))


def image(data):
    return open_multiscale(em_path(data, "liver"))


def test_the_level_of_the_models_voxel_size_is_read_as_it_is(data, grey):
    em = ModelEM(image(data), (8, 8, 8), NORMALISATION)
    assert em.lattice == EM_GRID
    np.testing.assert_array_equal(em(EM_GRID.box), NORMALISATION(grey))
    coarse = ModelEM(image(data), (16, 16, 16), NORMALISATION)
    np.testing.assert_array_equal(coarse(coarse.lattice.box), NORMALISATION(downsample(grey, Kind.IMAGE)))


def test_outside_of_the_em_is_the_mean(data, grey):
    em = ModelEM(image(data), (8, 8, 8), NORMALISATION)
    values = em(Box((-3, 45, -70), (6, 6, 75)))
    assert (values[:3] == 0).all()
    assert (values[:, 3:] == 0).all()
    assert (values[:, :, :70] == 0).all()
    np.testing.assert_array_equal(values[3:, :3, 70:], NORMALISATION(grey[:3, 45:, :5]))


def test_other_voxel_sizes_are_resampled_from_the_corner_of_the_em(data, grey):
    em = ModelEM(image(data), (12, 12, 12), NORMALISATION)
    assert em.lattice.extent.start_nm == EM_GRID.extent.start_nm
    expected = NORMALISATION(resample(grey, EM_GRID, em.lattice, Kind.IMAGE))
    expected[:, :, 37] = 0  # the last voxel's centre lies outside of the EM
    np.testing.assert_allclose(em(em.lattice.box), expected, atol=0.021)  # a grey value is 0.02


@pytest.mark.parametrize("size", [(8, 8, 8), (12, 12, 12), (5.24, 4.6, 7)])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(box=boxes, part=boxes)
def test_no_bit_depends_on_the_box(data, size, box, part):
    em = ModelEM(image(data), size, NORMALISATION)
    common = box.intersect(part)
    first, second = em(box), em(part)
    np.testing.assert_array_equal(first[common.slices(box.start)], second[common.slices(part.start)])


@pytest.mark.parametrize("size", [(8, 8, 8), (12, 12, 12)])
def test_a_missing_chunk_is_the_mean_and_not_black(data, size):
    path = em_path(data, "liver")
    whole = ModelEM(image(data), size, NORMALISATION)
    before = whole(whole.lattice.box)
    (path / "s0" / "1" / "1" / "1").unlink()
    em = ModelEM(image(data), size, NORMALISATION)
    after = em(em.lattice.box)
    hole = em.lattice.box_of(EM_GRID.extent_of(Box((16, 16, 16), (16, 16, 16))), snap="inner").slices()
    assert (after[hole] == 0).all()
    rim = em.lattice.box_of(EM_GRID.extent_of(Box((15, 15, 15), (18, 18, 18))), snap="outer").slices()
    before[rim] = after[rim] = 0
    np.testing.assert_array_equal(after, before)
    assert after.min() > NORMALISATION(np.array(0)), "nothing was mixed with black"


def test_what_is_missing_is_measured(data):
    path = em_path(data, "liver")
    (path / "s0" / "0" / "0" / "0").unlink()
    em = ModelEM(image(data), (8, 8, 8), NORMALISATION)
    assert em.missing_fraction(EM_GRID.extent_of(Box((16, 16, 16), (16, 16, 16)))) == 0
    assert em.missing_fraction(EM_GRID.extent_of(Box((0, 0, 0), (32, 16, 16)))) == 0.5
    assert em.missing_fraction(EM_GRID.extent_of(Box((20, 20, -10), (10, 10, 20)))) == 0.5
    assert em.is_blank(EM_GRID.extent_of(Box((2, 2, 2), (8, 8, 8))))
    assert not em.is_blank(EM_GRID.extent_of(Box((2, 2, 2), (8, 8, 16))))
    assert em.is_blank(Extent((9000, 9000, 9000), (80, 80, 80)))
