from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt, gaussian_filter
from slow_metric import slow_hausdorff

from organelle.metrics import hausdorff_distance, hausdorff_distances

sets = arrays(bool, (3, 5, 6))


@given(first=sets, second=sets, voxel_size=st.tuples(*[st.floats(0.5, 50)] * 3), cap=st.floats(1, 100))
def test_distances_are_those_of_all_pairs(first, second, voxel_size, cap):
    if not first.any() and not second.any():
        assert hausdorff_distance(first, second, voxel_size, cap) == 0
        return
    wanted = slow_hausdorff(first, second, voxel_size, cap)
    assert hausdorff_distance(first, second, voxel_size, cap) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_large_differences_are_searched_in_blocks(seed):
    rng = np.random.default_rng(seed)
    first, second = (gaussian_filter(rng.random((40, 50, 60)), 4) for _ in range(2))
    first, second = first > np.quantile(first, 0.7), second > np.quantile(second, rng.uniform(0.5, 0.99))
    assert np.count_nonzero(first > second) > 4000
    size = (5.24, 4.0, 3.0)
    forth = distance_transform_edt(~second, sampling=size)[first].max()
    back = distance_transform_edt(~first, sampling=size)[second].max()
    assert hausdorff_distance(first, second, size) == pytest.approx(max(forth, back), rel=1e-12)


def test_every_id_is_measured_in_its_own_box():
    truth, prediction = np.zeros((2, 8, 8, 8), np.uint8)
    truth[0, 0, 0] = prediction[0, 0, 3] = 1
    truth[7, 7, 7] = prediction[7, 7, 7] = 4
    truth[5, 5, 5] = 6
    distances = hausdorff_distances(truth, prediction, [1, 4, 6], (10.0, 10.0, 2.0), 30.0)
    assert distances.tolist() == [6.0, 0.0, 30.0]
    assert hausdorff_distances(truth, prediction, [], (1.0, 1.0, 1.0), 30.0).tolist() == []


def test_lists_that_do_not_fit_into_memory_are_made_one_after_the_other(monkeypatch):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 40, (6, 7, 8)).astype(np.uint16).repeat(4, 0).repeat(4, 1).repeat(4, 2)
    prediction = np.roll(truth, (2, -3, 1), (0, 1, 2))
    ids = np.unique(truth[truth > 0])
    at_once = hausdorff_distances(truth, prediction, ids, (5.0, 4.0, 3.0), 40.0)
    monkeypatch.setattr("organelle.metrics.surface.LIST_BYTES", 1)
    np.testing.assert_array_equal(hausdorff_distances(truth, prediction, ids, (5.0, 4.0, 3.0), 40.0), at_once)
    assert at_once.min() > 0
