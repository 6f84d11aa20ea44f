"""Mirrors and turns by right angles."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import spec_of
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.errors import SettingsError
from organelle.predict.symmetry import IDENTITY, Symmetry, symmetries_of

CUBE = symmetries_of(spec_of(), mirrors=True, turns=True)
maps = st.sampled_from(CUBE)
VALUES = np.arange(2 * 3**3, dtype=np.float32).reshape(2, 3, 3, 3)
PLANE = {"network": "unet_2d", "patch_shape": [1, 16, 16], "stride": [1, 12, 12]}


@settings(max_examples=50, deadline=None)
@given(maps, maps)
def test_one_map_after_another_is_a_map_of_the_group(first, second):
    both = second.after(first)
    assert both in CUBE
    np.testing.assert_array_equal(both(VALUES), second(first(VALUES)))
    assert both.inverse == first.inverse.after(second.inverse)


@settings(max_examples=50, deadline=None)
@given(maps)
def test_the_inverse_leads_back(symmetry):
    assert symmetry.after(symmetry.inverse) == IDENTITY
    np.testing.assert_array_equal(symmetry.inverse(symmetry(VALUES)), VALUES)


@settings(max_examples=50, deadline=None)
@given(maps, st.tuples(*[st.integers(0, 2)] * 3), st.tuples(*[st.integers(0, 2)] * 3))
def test_steps_go_where_voxels_go(symmetry, start, stop):
    marked = np.zeros((2, 3, 3, 3), np.float32)
    marked[0][start] = marked[1][stop] = 1
    (a,), (b,) = (np.argwhere(channel) for channel in symmetry(marked))
    step = tuple(int(n - m) for n, m in zip(stop, start, strict=True))
    assert symmetry.of_step(step) == tuple(b - a)


@pytest.mark.parametrize(
    ("changes", "mirrors", "turns", "count"),
    [
        ({}, False, False, 1),
        ({}, True, False, 8),
        ({}, False, True, 24),
        ({}, True, True, 48),
        (PLANE, True, False, 4),
        (PLANE, False, True, 4),
        (PLANE, True, True, 8),
        ({"voxel_size_nm": [40, 8, 8]}, True, True, 8),
        ({"voxel_size_nm": [40, 8, 8]}, False, True, 4),
        ({"voxel_size_nm": [12, 8, 8]}, True, True, 16),
        ({"patch_shape": [32, 16, 16]}, True, True, 16),
    ],
)
def test_the_group_has_every_map_that_keeps_voxels_and_patch(changes, mirrors, turns, count):
    spec = spec_of(**changes)
    group = symmetries_of(spec, mirrors=mirrors, turns=turns)
    assert len(set(group)) == count
    assert group[0] == IDENTITY
    shape = np.array(spec.patch_shape)
    assert all((shape[list(symmetry.axes)] == shape).all() for symmetry in group)


def test_turns_alone_mirror_nothing():
    """The sign of the triple product of the turned axes."""
    for symmetry in symmetries_of(spec_of(), mirrors=False, turns=True):
        axes = np.array([symmetry.of_step(tuple(step)) for step in np.eye(3, dtype=int).tolist()])
        assert np.linalg.det(axes) == pytest.approx(1)


@pytest.mark.parametrize("changes", [{"voxel_size_nm": [8, 7, 6]}, {"patch_shape": [16, 32, 48]}])
def test_turns_without_a_plane_for_them_are_refused(changes):
    with pytest.raises(SettingsError, match=r"turns = true finds no plane.*leave turns out"):
        symmetries_of(spec_of(**changes), mirrors=False, turns=True)


def test_a_map_of_a_map_is_no_copy():
    assert np.shares_memory(Symmetry((2, 1, 0), (True, False, True))(VALUES), VALUES)
