"""What targets say, against definitions spelled out voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn_objects import SHAPES, positions, truths, without_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from scipy.spatial.distance import cdist

from organelle.errors import SettingsError
from organelle.geometry import Voxels
from organelle.sampling.targets import (
    TargetInput,
    TargetValues,
    affinities,
    boundary,
    centre,
    mask,
    signed_distance,
)

quick = settings(deadline=None, max_examples=40)


def to_unknown(truth: TargetInput) -> NDArray[Any]:
    """Distance to the nearest unknown voxel or voxel outside, by scipy: flat axes do not end."""
    rim = [(0, 0) if n == 1 else (1, 1) for n in truth.known.shape]
    seen = np.pad(truth.known, rim)
    if seen.all():
        return np.full(truth.known.shape, np.inf)
    inner = tuple(slice(a, a + n) for (a, _), n in zip(rim, truth.known.shape, strict=True))
    found: NDArray[Any] = distance_transform_edt(seen, sampling=truth.voxel_size_nm)[inner]
    return found


def scipy_distance(there: NDArray[np.bool_], truth: TargetInput) -> NDArray[Any]:
    if not there.any():
        return np.full(there.shape, np.inf)
    found: NDArray[Any] = distance_transform_edt(~there, sampling=truth.voxel_size_nm)
    return found


@quick
@given(truths())
def test_a_mask_is_the_class_where_it_is_known(truth: TargetInput) -> None:
    found = mask(truth)
    assert (found.known[0] == truth.known).all()
    assert (found.values[0][truth.known] == truth.present[truth.known]).all()


@quick
@given(truths(), st.sampled_from((12.0, 40.0)), st.sampled_from((15.0, 60.0, 1000.0)))
def test_signed_distance_is_that_of_scipy_wherever_nothing_unknown_is_nearer(
    truth: TargetInput, scale: float, limit: float
) -> None:
    found = signed_distance(truth, scale, limit)
    present = truth.present & truth.known
    other = np.where(present, scipy_distance(truth.known & ~present, truth), scipy_distance(present, truth))
    distance = np.minimum(other, limit)
    wanted = np.tanh(distance / scale) * np.where(present, 1, -1)
    assert np.allclose(found.values[0][truth.known], wanted[truth.known], atol=1e-5)
    sure = truth.known & (to_unknown(truth) > distance - 1e-3)
    assert (found.known[0] == sure).all()
    assert ((found.values[0] > 0) == present)[truth.known].all()


def rim_by_definition(truth: TargetInput, width: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Per voxel: distance to the nearest known voxel that is not of its object; whether it is an object."""
    where = positions(truth.known.shape, truth.voxel_size_nm)
    ids = truth.objects().ravel()
    far = cdist(where, where)
    far[:, ~truth.known.ravel()] = np.inf
    far[ids[:, None] == ids[None, :]] = np.inf
    return far.min(1).reshape(truth.known.shape), truth.objects() > 0


@quick
@given(truths(), st.booleans(), st.sampled_from((8.5, 20.0, 47.0)))
def test_a_boundary_is_near_something_else(truth: TargetInput, ids: bool, width: float) -> None:
    truth = truth if ids else without_ids(truth)
    found = boundary(truth, width)
    other, objects = rim_by_definition(truth, width)
    rim = objects & (other <= width + 1e-3)
    hidden = to_unknown(truth)
    assert (found.values[0] == rim)[found.known[0]].all()
    must = truth.known & (~objects | (rim & (other < hidden - 1e-2)) | (~rim & (hidden > width + 1e-3)))
    assert (found.known[0] >= must).all()
    may = truth.known & (~objects | rim | (hidden > width - 1e-3))
    assert (found.known[0] <= may).all()


def test_touching_objects_have_a_boundary_between_them() -> None:
    ids = np.array([[[5, 5, 5, 9, 9, 9]]], np.uint64).repeat(7, 1).repeat(5, 0)
    truth = TargetInput(ids > 0, np.ones(ids.shape, bool), (8, 8, 8), ids)
    assert boundary(truth, 8).values[0, 2, 3].tolist() == [0, 0, 1, 1, 0, 0]
    assert boundary(without_ids(truth), 8).values.max() == 0


def test_a_boundary_thinner_than_a_voxel_is_refused() -> None:
    truth = TargetInput(np.ones((1, 4, 4), bool), np.ones((1, 4, 4), bool), (2, 16, 16))
    with pytest.raises(SettingsError, match=r"thinner than a voxel \(16 nm\).*set width_nm to 16"):
        boundary(truth, 15)


@quick
@given(truths(), st.booleans(), st.sampled_from((10.0, 100.0)))
def test_a_centre_is_the_mean_of_a_whole_object(truth: TargetInput, ids: bool, sigma: float) -> None:
    truth = truth if ids else without_ids(truth)
    found = centre(truth, sigma)
    objects = truth.objects()
    if not ids:
        objects = label(objects, np.ones((3, 3, 3)))[0]
    where = positions(objects.shape, truth.voxel_size_nm).reshape(*objects.shape, 3)
    seen = np.pad(truth.known, [(0, 0) if n == 1 else (1, 1) for n in objects.shape])
    for number in np.unique(objects[objects > 0]):
        own = objects == number
        around = np.pad(own, [(0, 0) if n == 1 else (1, 1) for n in objects.shape])
        touched = scipy_dilation(around)
        if seen[touched].all():
            squares = np.square(where[own] - where[own].mean(0)).sum(-1)
            assert found.known[0][own].all()
            assert np.allclose(found.values[0][own], np.exp(-squares / (2 * sigma**2)), atol=1e-5)
        else:
            assert not found.known[0][own].any()
    empty = truth.known & (objects == 0)
    assert found.known[0][empty].all()
    assert (found.values[0][empty] == 0).all()
    assert not found.known[0][~truth.known].any()


def scipy_dilation(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All voxels that share at least a corner with `mask`, and it."""
    near: NDArray[np.bool_] = distance_transform_edt(~mask) < 1.8
    return near


OFFSETS: tuple[Voxels, ...] = ((0, 0, 1), (-1, 0, 0), (0, 3, 0), (2, -1, 4), (0, 0, -40))


@quick
@given(truths(), st.booleans())
def test_affinities_are_those_of_every_pair(truth: TargetInput, ids: bool) -> None:
    truth = truth if ids else without_ids(truth)
    found, objects, shape = affinities(truth, OFFSETS), truth.objects(), truth.known.shape
    for channel, offset in enumerate(OFFSETS):
        for voxel in np.ndindex(shape):
            partner = tuple(v + o for v, o in zip(voxel, offset, strict=True))
            inside = all(0 <= p < n for p, n in zip(partner, shape, strict=True))
            seen = inside and truth.known[voxel] and truth.known[partner]
            assert found.known[(channel, *voxel)] == seen
            if seen:
                joined = objects[voxel] == objects[partner] > 0
                assert found.values[(channel, *voxel)] == joined


def everything(truth: TargetInput) -> list[TargetValues]:
    return [
        mask(truth),
        signed_distance(truth, 30, 30),
        boundary(truth, 35),
        centre(truth),
        affinities(truth, OFFSETS),
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_where_nothing_is_known_nothing_is_known_and_all_is_finite(shape: Voxels) -> None:
    truth = TargetInput(np.ones(shape, bool), np.zeros(shape, bool), (8, 8, 8), np.ones(shape, np.uint64))
    for found in everything(truth):
        assert not found.known.any()
        assert np.isfinite(found.values).all()
        assert found.values.dtype == np.float32
        assert found.known.dtype == bool


def test_an_absent_class_is_absent_in_every_form() -> None:
    truth = TargetInput(np.zeros((9, 9, 9), bool), np.ones((9, 9, 9), bool), (8, 8, 8))
    for found in everything(truth):
        assert found.known.any()
        assert (found.values[found.known] <= 0).all()
    assert signed_distance(truth, 20, 16).known[0, 1:-1, 1:-1, 1:-1].all()
