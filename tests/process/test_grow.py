"""Growing objects against the slow way: every voxel asks every object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.process import grow
from organelle.process.grow import reach


def grown_slowly(labels, allowed, distance, size):
    out = labels.copy()
    places = np.argwhere(labels)
    ids = labels[labels > 0]
    for voxel in np.argwhere(allowed & (labels == 0)):
        if len(places):
            away = (((places - voxel) * size) ** 2).sum(1)
            if away.min() <= distance**2 * (1 + 1e-9):
                out[tuple(voxel)] = ids[away <= away.min() * (1 + 1e-9)].min()
    return out


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 8)] * 3),
    size=st.sampled_from([(8, 8, 8), (50, 4.6, 4.6), (4.56, 4, 4), (5.24, 5.24, 5.24)]),
    voxels=st.floats(0, 6),
    density=st.sampled_from([0.01, 0.05, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_each_voxel_goes_to_the_nearest_object_and_on_a_tie_to_the_smallest_id(
    shape, size, voxels, density, seed
):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < density, rng.integers(1, 5, shape), 0).astype(np.uint32)
    allowed = rng.random(shape) < 0.8
    distance = voxels * max(size[1:])
    np.testing.assert_array_equal(
        grow(labels, allowed, distance, size), grown_slowly(labels, allowed, distance, size)
    )


def test_the_distance_counts_in_nanometres_on_each_axis():
    labels = np.zeros((3, 1, 9), np.uint32)
    labels[1, 0, 4] = 7
    grown = grow(labels, np.ones(labels.shape, bool), 9.2, (50, 4.6, 4.6))
    assert np.flatnonzero(grown[1, 0]).tolist() == [2, 3, 4, 5, 6]
    assert not grown[[0, 2]].any()
    assert reach(9.2, (50, 4.6, 4.6)) == (0, 2, 2)
    assert reach(9.1999, (50, 4.6, 4.6)) == (0, 1, 1)
    assert reach(0, (8, 8, 8)) == (0, 0, 0)


@pytest.mark.parametrize("size", [(8.0, 8.0, 8.0), (5.24, 5.24, 5.24), (1.62, 1.62, 1.62)])
def test_three_steps_along_one_axis_are_as_far_as_two_two_and_one(size):
    labels = np.zeros((4, 3, 5), np.uint32)
    labels[0, 0, 2], labels[2, 2, 0] = 4, 3
    allowed = np.zeros(labels.shape, bool)
    allowed[3, 0, 2] = True
    for distance in (3.25, 40, 200):
        assert grow(labels, allowed, distance * size[0], size)[3, 0, 2] == 3


def test_large_ids_survive():
    labels = np.array([[[0, 4_000_000_000, 0, 0]]], np.uint32)
    assert grow(labels, labels == 0, 8, (8, 8, 8)).tolist() == [[[4_000_000_000] * 3 + [0]]]


@pytest.mark.parametrize("distance", [0, 50])
def test_nothing_grows_into_what_is_not_allowed(distance):
    labels = np.array([[[1, 0, 0, 2]]], np.uint32)
    assert grow(labels, np.zeros(labels.shape, bool), distance, (8, 8, 8)) is labels
    assert not grow(np.zeros_like(labels), labels == 0, distance, (8, 8, 8)).any()
