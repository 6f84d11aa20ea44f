from __future__ import annotations

import numpy as np
import pytest

from organelle.phantom.noise import enlarge, smooth_noise


@pytest.mark.parametrize("grain", [1.0, 8.0, 30.0])
def test_noise_has_unit_deviation_and_the_grain_asked_for(grain: float) -> None:
    field = smooth_noise(np.random.default_rng(0), (96, 96, 96), grain, (8.0, 8.0, 8.0))
    assert abs(field.mean()) < 0.1
    assert 0.75 < field.std() < 1.15
    lag = max(1, round(2 * grain / 8))  # two grains apart, a Gaussian's correlation has fallen to exp(-1)
    together = np.mean(field[lag:] * field[:-lag]) / field.var()
    assert together == pytest.approx(np.exp(-((lag * 8 / grain) ** 2) / 4), abs=0.12)


def test_noise_of_one_look_has_one_grain_in_nm_whatever_the_voxels() -> None:
    thin, thick = (
        smooth_noise(np.random.default_rng(1), (80, 80, 80), 24.0, (v, 8.0, 8.0)) for v in (8.0, 16.0)
    )
    a, b = (np.mean(f[n:] * f[:-n]) / f.var() for f, n in ((thin, 4), (thick, 2)))
    assert a == pytest.approx(b, abs=0.08)


def test_a_window_smaller_than_the_grain_does_not_blow_up() -> None:
    fields = [smooth_noise(np.random.default_rng(s), (3, 4, 5), 500.0, (8.0, 8.0, 8.0)) for s in range(50)]
    assert 0.3 < np.std([f.mean() for f in fields]) < 3
    assert max(np.ptp(f) for f in fields) < 3


def test_enlarging_interpolates_between_the_steps() -> None:
    line = np.array([0.0, 2.0, 4.0], np.float32).reshape(3, 1, 1)
    assert enlarge(line, (2, 1, 1), (5, 1, 1)).ravel().tolist() == [0, 1, 2, 3, 4]
