"""Thickness of things whose thickness is known."""

from __future__ import annotations

import numpy as np
import pytest

from organelle.plan import median_thickness
from organelle.plan.thickness import weighted_median

NM = (4.0, 4.0, 4.0)


def sheet(voxels: int, axis: int = 0) -> np.ndarray:
    mask = np.zeros((40, 40, 40), bool)
    np.moveaxis(mask, axis, 0)[10 : 10 + voxels] = True
    return mask


def ball(
    radius: float, shape: tuple[int, int, int] = (48, 48, 48), size: tuple[float, ...] = NM
) -> np.ndarray:
    places = [(i - n // 2) * v for i, n, v in zip(np.indices(shape), shape, size, strict=True)]
    return sum(p**2 for p in places) <= radius**2


@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize("axis", [0, 2])
def test_a_sheet_is_as_thick_as_it_is_to_half_a_voxel(voxels: int, axis: int) -> None:
    assert median_thickness(sheet(voxels, axis), NM) == pytest.approx(4.0 * voxels, abs=2.01)


def test_a_ball_has_its_diameter() -> None:
    assert median_thickness(ball(60.0), NM) == pytest.approx(120, abs=8)


def test_a_tube_has_its_diameter_however_long_it_is() -> None:
    y, x = np.indices((48, 48)) - 24
    tube = np.broadcast_to(y**2 + x**2 <= 8**2, (48, 48, 48)).copy()
    assert median_thickness(tube, NM) == pytest.approx(2 * 8 * 4, abs=8)


def test_the_many_voxels_of_a_blob_outweigh_its_thin_stalk() -> None:
    mask = ball(60.0)
    mask[24, 24, :] = True
    assert median_thickness(mask, NM) == pytest.approx(120, abs=8)


def test_voxels_need_not_be_cubes() -> None:
    size = (20.0, 4.0, 4.0)
    assert median_thickness(ball(80.0, (16, 64, 64), size), size) == pytest.approx(160, rel=0.15)


def test_nothing_has_no_thickness_and_a_full_block_that_of_its_shortest_side() -> None:
    assert median_thickness(np.zeros((8, 8, 8), bool), NM) == 0
    assert median_thickness(np.ones((8, 12, 8), bool), (8.0, 4.0, 4.0)) == 32


def test_what_the_block_cuts_is_not_thinner_for_it() -> None:
    mask = np.zeros((40, 40, 40), bool)
    mask[:6] = True  # goes on outside, for all one knows
    assert median_thickness(mask, NM) >= 4.0 * 6


def test_half_of_the_weight_lies_on_each_side() -> None:
    assert weighted_median([30.0, 10.0, 20.0], [1, 1, 5]) == 20
    assert weighted_median([7.0], [3]) == 7
