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


def apart(first, second, size):
    """By distance transforms of the whole volume."""
    forth = distance_transform_edt(~second, sampling=size)[first].max()
    back = distance_transform_edt(~first, sampling=size)[second].max()
    return max(forth, back)


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
    assert hausdorff_distance(first, second, size) == pytest.approx(apart(first, second, size), rel=1e-12)


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


def body(shape, at, extent):
    volume = np.zeros(shape, bool)
    volume[tuple(slice(a, a + e) for a, e in zip(at, extent, strict=True))] = True
    return volume


def comb(shape):
    """A plate with teeth, one voxel apart, across the crop."""
    volume = np.zeros(shape, bool)
    volume[:, 0] = volume[:, :, ::2] = True
    return volume


SHAPE = (48, 50, 70)

PAIRS = {
    "a giant and a speck in the far corner": (
        body(SHAPE, (0, 0, 0), SHAPE),
        body(SHAPE, (47, 49, 69), (1, 1, 1)),
    ),
    "bodies at opposite walls": (body(SHAPE, (0, 0, 0), (48, 50, 9)), body(SHAPE, (0, 0, 40), (48, 50, 30))),
    "plates": (body(SHAPE, (3, 0, 0), (5, 50, 70)), body(SHAPE, (39, 0, 0), (9, 50, 70))),
    "a tube and its half": (body(SHAPE, (0, 7, 9), (48, 1, 1)), body(SHAPE, (20, 8, 9), (28, 1, 1))),
    "a comb and a body": (comb(SHAPE), body(SHAPE, (8, 30, 20), (30, 20, 40))),
    "a board of voxels and its complement": (
        np.indices(SHAPE).sum(axis=0) % 2 == 0,
        np.indices(SHAPE).sum(axis=0) % 2 == 1,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("size", [(8.0, 8.0, 8.0), (50.0, 4.6, 4.6), (3.0, 4.0, 30.0)])
def test_hostile_and_thin_shapes_are_as_far_apart_as_they_are(name, size):
    first, second = PAIRS[name]
    wanted = apart(first, second, size)
    assert hausdorff_distance(first, second, size) == pytest.approx(wanted, rel=1e-12)
    assert hausdorff_distance(second, first, size, wanted / 2) == wanted / 2


def test_many_objects_with_displaced_borders_are_measured_at_once():
    rng = np.random.default_rng(3)
    places = np.stack(np.indices((24, 28, 160)), -1) * (2.0, 1.0, 1.0)
    seeds = rng.random((12, 3)) * (48, 28, 160)
    truth, prediction = (
        1 + np.linalg.norm(places[..., None, :] - centres, axis=-1).argmin(-1).astype(np.uint16)
        for centres in (seeds, seeds + rng.normal(0, 5, seeds.shape))
    )
    prediction[prediction == 5] = 4
    ids = np.setdiff1d(np.unique(truth), [5])
    size = (16.0, 8.0, 8.0)
    wanted = [apart(truth == i, prediction == i, size) for i in ids]
    np.testing.assert_allclose(hausdorff_distances(truth, prediction, ids, size, 1e6), wanted, rtol=1e-12)


def test_the_number_of_runs_never_exceeds_the_room_made_for_them():
    rng = np.random.default_rng(1)
    truth, prediction = (rng.integers(0, 3, (9, 8, 257)).astype(np.uint8) for _ in range(2))
    distances = hausdorff_distances(truth, prediction, [1, 2], (4.0, 4.0, 4.0), 1e6)
    wanted = [apart(truth == i, prediction == i, (4.0, 4.0, 4.0)) for i in (1, 2)]
    np.testing.assert_allclose(distances, wanted, rtol=1e-12)
