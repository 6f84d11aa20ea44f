"""Targets do not depend on where a patch was cut, on how it lies, or on what nobody knows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from drawn_objects import SHAPES, SIZES, draw_ids, truths, without_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from organelle.geometry import Nm, Voxels
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
FORMS = {
    "mask": mask,
    "distance": lambda truth: signed_distance(truth, 20, 45),
    "boundary": lambda truth: boundary(truth, 31),
    "centre": lambda truth: centre(truth, 50),
    "affinities": lambda truth: affinities(truth, ((0, 0, 1), (0, -2, 0), (1, 2, 3))),
}


def assert_agree(part: TargetValues, whole: TargetValues, box: tuple[slice, ...]) -> None:
    """What the part knows is what the whole says, and the whole knows it, too."""
    inside = (slice(None), *box)
    assert whole.known[inside][part.known].all()
    assert np.allclose(part.values[part.known], whole.values[inside][part.known], atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@quick
@given(st.integers(0, 2**16), st.sampled_from(SIZES), st.booleans(), st.data())
def test_a_smaller_patch_says_the_same_wherever_it_knows(
    form: str, seed: int, size: Nm, ids: bool, data: st.DataObject
) -> None:
    world = draw_ids((11, 10, 12), seed)
    box = []
    for n in world.shape:
        a = data.draw(st.integers(0, n - 3))
        box.append(slice(a, data.draw(st.integers(a + 2, n))))
    cut = tuple(box)
    whole = TargetInput(world > 0, np.ones(world.shape, bool), size, world)
    part = TargetInput(whole.present[cut], whole.known[cut], size, world[cut])
    if not ids:
        whole, part = without_ids(whole), without_ids(part)
    assert_agree(FORMS[form](part), FORMS[form](whole), cut)


@pytest.mark.parametrize("form", FORMS)
@quick
@given(truths(), st.integers(0, 2**16), st.booleans())
def test_what_is_known_holds_whatever_the_unknown_may_be(
    form: str, truth: TargetInput, seed: int, ids: bool
) -> None:
    """Another truth at unknown voxels: ids there anew, or those of neighbours."""
    assert truth.ids is not None
    other = np.random.default_rng(seed).choice(np.append(truth.ids.ravel()[:5], 2**50), truth.known.shape)
    filled = np.where(truth.known, truth.ids, other.astype(np.uint64))
    complete = TargetInput(filled > 0, np.ones(filled.shape, bool), truth.voxel_size_nm, filled)
    if form == "centre":  # an id stands for one connected object, which free choice would tear apart
        complete = TargetInput(truth.present, truth.known, truth.voxel_size_nm, filled)
    if not ids:
        truth, complete = without_ids(truth), without_ids(complete)
    assert_agree(FORMS[form](truth), FORMS[form](complete), (slice(None),) * 3)


def turned(array: NDArray[np.generic], order: Voxels, backwards: Voxels) -> NDArray[np.generic]:
    """The last three axes in another order, some of them backwards."""
    first = array.ndim - 3
    array = array.transpose([*range(first), *(first + axis for axis in order)])
    return np.flip(array, [first + axis for axis in range(3) if backwards[axis]])


ORDERS = list(itertools.permutations(range(3)))


@pytest.mark.parametrize("form", [name for name in FORMS if name != "affinities"])
@quick
@given(truths(), st.sampled_from(ORDERS), st.tuples(*[st.integers(0, 1)] * 3))
def test_targets_turn_with_their_patch(
    form: str, truth: TargetInput, order: Voxels, backwards: Voxels
) -> None:
    wanted = FORMS[form](truth)
    found = FORMS[form](turn(truth, order, backwards))
    assert (found.known == turned(wanted.known, order, backwards)).all()
    values = turned(wanted.values, order, backwards)
    assert np.allclose(found.values[found.known], values[found.known], atol=1e-5)


@quick
@given(truths(), st.sampled_from(ORDERS), st.tuples(*[st.integers(0, 1)] * 3))
def test_affinities_turn_with_their_patch_and_their_offsets(
    truth: TargetInput, order: Voxels, backwards: Voxels
) -> None:
    offset = (1, -2, 1)
    z, y, x = (offset[axis] * (-1 if back else 1) for axis, back in zip(order, backwards, strict=True))
    wanted = affinities(truth, [offset])
    found = affinities(turn(truth, order, backwards), [(z, y, x)])
    assert (found.known == turned(wanted.known, order, backwards)).all()
    assert (found.values == turned(wanted.values, order, backwards)).all()


def turn(truth: TargetInput, order: Voxels, backwards: Voxels) -> TargetInput:
    """The truth as a turned patch sees it; views, which need not be contiguous."""
    assert truth.ids is not None
    z, y, x = (truth.voxel_size_nm[axis] for axis in order)
    parts = [turned(part, order, backwards) for part in (truth.present, truth.known, truth.ids)]
    return TargetInput(parts[0].astype(bool), parts[1].astype(bool), (z, y, x), parts[2])


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if 1 in shape])
def test_a_plane_knows_nothing_of_what_lies_before_and_behind_and_need_not(shape: Voxels) -> None:
    shape = tuple(n and max(n, 12) if n > 1 else 1 for n in shape)  # type: ignore[assignment]
    ids = draw_ids(shape, 3)
    truth = TargetInput(ids > 0, np.ones(shape, bool), (8, 8, 8), ids)
    middle = tuple(slice(4, -4) if n > 1 else slice(None) for n in shape)
    for form in (signed_distance(truth, 16, 32), boundary(truth, 32)):
        assert form.known[0][middle].all()
