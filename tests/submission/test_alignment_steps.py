"""The steps of alignment, on arrays small enough to count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_submissions import NEAR, array_files, drawn, write_folder
from hypothesis import given
from hypothesis import strategies as st

from organelle.classes import Kind
from organelle.errors import GridMismatch
from organelle.geometry import Grid
from organelle.submission import align, align_array, open_stored
from organelle.submission.alignment import centre, place, scored_shift

SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
SHIFTS = st.tuples(*[st.integers(-8, 8)] * 3)


def test_an_array_on_the_grid_is_handed_back_as_it_is() -> None:
    array = drawn(NEAR, ids=300, dtype="uint16")
    assert align_array(array, NEAR.voxel_size_nm, NEAR.origin_nm, NEAR, Kind.INSTANCE) is array


@given(SHAPES, SHAPES, SHIFTS)
def test_place_moves_every_voxel_by_the_shift(
    have: tuple[int, ...], want: tuple[int, ...], shift: tuple[int, ...]
) -> None:
    array = np.arange(1, 1 + np.prod(have)).reshape(have)
    placed = place(array, shift, want)
    assert placed.shape == want
    for index in np.ndindex(*want):
        source = tuple(i - s for i, s in zip(index, shift, strict=True))
        inside = all(0 <= i < n for i, n in zip(source, have, strict=True))
        assert placed[index] == (array[source] if inside else 0)


@pytest.mark.parametrize(
    ("have", "want", "expected"),
    [
        ([1, 2, 3], 5, [0, 1, 2, 3, 0]),
        ([1, 2, 3], 4, [1, 2, 3, 0]),
        ([1, 2, 3, 4, 5], 3, [2, 3, 4]),
        ([1, 2, 3, 4, 5], 2, [2, 3]),
        ([1], 1, [1]),
    ],
)
def test_around_the_centre_the_odd_voxel_goes_after(have: list[int], want: int, expected: list[int]) -> None:
    assert centre(np.array(have).reshape(1, 1, -1), (1, 1, want)).ravel().tolist() == expected


def test_shift_rounds_as_the_definition_says() -> None:
    grid = Grid((4.6, 2.0, 8.0), (2410.4, 10.0, 804.0), (9, 9, 9))
    assert scored_shift(None, grid) == (0, 0, 0)
    assert scored_shift(grid.origin_nm, grid) == (0, 0, 0)
    assert scored_shift((2410.4 + 3 * 4.6, 16.0, 836.0), grid) == (2, 3, 3)
    assert scored_shift((2410.4 - 3 * 4.6, 4.0, 772.0), grid) == (-3, -3, -4)


def test_arrays_far_larger_than_the_crop_are_not_read(tmp_path: Path) -> None:
    files = array_files("a", np.ones((1, 1, 1), "u1"), chunks=(8, 8, 8), shape=[300, 300, 300])
    submitted = open_stored(write_folder(tmp_path, {k: v for k, v in files.items() if k.endswith("y")}) / "a")
    with pytest.raises(GridMismatch, match="300, 300, 300"):
        align(submitted, NEAR, Kind.INSTANCE)


def test_semantic_labels_are_interpolated_and_instances_are_not() -> None:
    target = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (8, 8, 8))
    coarse = np.zeros((4, 4, 4), np.uint16)
    coarse[1:3, 1:3, 1:3] = 700
    ids = align_array(coarse, (8.0, 8.0, 8.0), (0.0, 0.0, 0.0), target, Kind.INSTANCE)
    assert (ids.dtype, set(np.unique(ids))) == (np.uint16, {0, 700})
    assert np.count_nonzero(ids) == 8 * 8
    mask = align_array((coarse > 0), (8.0, 8.0, 8.0), (0.0, 0.0, 0.0), target, Kind.SEMANTIC)
    assert mask.dtype == bool
    assert 0 < np.count_nonzero(mask) < 8 * 8
