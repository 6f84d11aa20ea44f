"""The scored view: what the scorer will see of every row, told before there is a score.

A submission is laid on the crop's grid and relabelled by the very steps that score it, but compared with
nothing: what got lost on the way, how many objects it turns into, how close it is to being skipped. Where the
truth is at hand its masks are laid over the rows too, and the limit of skipping is known instead of guessed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from organelle.classes import Kind, kind_of
from organelle.errors import FormatError, GridMismatch, ScoringError
from organelle.geometry import Grid, Nm, Voxels
from organelle.submission.alignment import (
    align_array,
    covered_box,
    rescale_labels,
    scored_level,
    scored_shift,
)
from organelle.submission.pieces import Pieces, distinct_ids, fills_its_dtype, take_apart

if TYPE_CHECKING:
    from organelle.catalog import Catalog, Crop
    from organelle.submission.reader import Submission
    from organelle.submission.stored import StoredArray

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class ObjectView:
    """What an instance row becomes.

    Attributes:
        ids_stored: distinct values other than 0 in the stored array.
        ids: those left after the array was laid on the crop.
        ids_rescaled_away: lost because they were smaller than the crop's voxels.
        ids_outside: lost because they lie outside of the crop.
        ids_made: values that were never stored: rescaling blurs ids that are floats.
        ids_fill_dtype: whether ids reach the largest number that their 8 or 16 bits hold, so that larger
            ones may have been lost or merged before.
        pieces: the objects after relabelling.
        fewest_truth_ids: the crop is skipped if the largest truth id is smaller than this; 0: never.
        largest_truth_id: where the truth is at hand.
        most_objects: with how many objects it would still be matched, where the truth is at hand.
    """

    ids_stored: int
    ids: int
    ids_rescaled_away: int
    ids_outside: int
    ids_made: int
    ids_fill_dtype: bool
    pieces: Pieces
    fewest_truth_ids: int
    largest_truth_id: int | None = None
    most_objects: int | None = None

    @property
    def share_of_limit(self) -> float | None:
        """Objects as a share of those that are matched; above 1 the crop is skipped. None without truth."""
        if not self.most_objects:
            return None
        return self.pieces.objects / self.most_objects


@dataclass(frozen=True, slots=True)
class RowView:
    """One row as the scorer will see it. `dataclasses.asdict` makes plain JSON values of it.

    Attributes:
        place: its name inside the archive.
        status: `missing`: nothing there; `unreadable`: `note` says why, and it counts as missing.
        note: why the row, or the truth beside it, cannot be used.
        dtype: of the stored array, as all that follows.
        shape: z y x.
        stored_voxels: foreground before anything was done to it.
        nan_voxels: each becomes an object of an instance class, and background of a semantic one.
        negative_voxels: objects of an instance class, background of a semantic one.
        rescaled_from_nm: the stored voxel size, if it is not the crop's.
        centred: no voxel size is known and the shape differs, so the centres were laid on each other.
        moved_voxels: by how many voxels of the crop it was moved, z y x.
        coverage_percent: how much of the crop the array reaches; the rest is background.
        voxels: foreground that counts. 0: the row is all background.
        objects: for instance classes.
    """

    crop: int
    class_name: str
    kind: Literal["instance", "semantic"]
    place: str
    status: Literal["seen", "missing", "unreadable"] = "missing"
    note: str = ""
    dtype: str = ""
    shape: Voxels | None = None
    stored_voxels: int = 0
    nan_voxels: int = 0
    negative_voxels: int = 0
    rescaled_from_nm: Nm | None = None
    centred: bool = False
    moved_voxels: Voxels = (0, 0, 0)
    coverage_percent: float = 0.0
    voxels: int = 0
    objects: ObjectView | None = None

    @property
    def is_background(self) -> bool:
        """Whether it can be read and nothing in it counts."""
        return self.status == "seen" and self.voxels == 0


def see_rows(
    submission: Submission, catalog: Catalog, *, truth: Submission | None = None
) -> Iterator[RowView]:
    """`see_row` for every row of the test table; memory holds one row's arrays at a time."""
    for crop, class_name in catalog.rows():
        yield see_row(submission, crop, class_name, truth=truth)


def see_row(
    submission: Submission, crop: Crop, class_name: str, *, truth: Submission | None = None
) -> RowView:
    """One row as the scorer will see it; whatever goes wrong is recorded in it.

    Args:
        submission: what is handed in.
        crop: of the test table.
        class_name: one of its classes.
        truth: the ground truth, in the same form. Its mask is laid over the row, and its largest id tells
            the limit of skipping.
    """
    kind = kind_of(class_name)
    view = blank_view(submission, crop.id, class_name)
    try:
        submitted = submission.array(crop.id, class_name)
        if submitted is None:
            return view
        level = scored_level(submitted, crop.grid)
        stored = level.read()
    except (FormatError, GridMismatch) as error:
        return replace(view, status="unreadable", note=str(error))
    known, note = _look_up(truth, crop, class_name, kind)
    return _seen(replace(view, status="seen", note=note), level, stored, crop.grid, kind, known)


def blank_view(submission: Submission, crop_id: int, class_name: str) -> RowView:
    """The view of a row that is not there."""
    place = f"{submission.folder(crop_id)}{class_name}"
    kind = kind_of(class_name)
    return RowView(crop_id, class_name, "instance" if kind is Kind.INSTANCE else "semantic", place)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What the truth says about a row; all None without truth."""

    mask: Array | None = None
    largest_id: int | None = None


def _look_up(truth: Submission | None, crop: Crop, class_name: str, kind: Kind) -> tuple[_Known, str]:
    """The truth of a row, and why it cannot be used if it cannot."""
    try:
        return (_Known() if truth is None else _read_truth(truth, crop, class_name, kind)), ""
    except (FormatError, GridMismatch, ScoringError) as error:
        return _Known(), f"the truth cannot be used: {error}"


def _read_truth(truth: Submission, crop: Crop, class_name: str, kind: Kind) -> _Known:
    from organelle.metrics import truth_ids

    labels, mask = truth.array(crop.id, class_name), truth.mask(crop.id, class_name)
    for array in (labels, mask):
        if array is not None and array.shape != crop.grid.shape:
            raise GridMismatch(f"{array.place} has {array.shape} voxels, expected {crop.grid.shape}")
    inside = None if mask is None else mask.read() > 0
    if labels is None or kind is not Kind.INSTANCE:
        return _Known(inside)
    ids = truth_ids(labels.read())
    return _Known(inside, int(ids.max(initial=0) if inside is None else ids[inside].max(initial=0)))


def _seen(view: RowView, level: StoredArray, stored: Array, grid: Grid, kind: Kind, known: _Known) -> RowView:
    size = level.voxel_size_nm
    rescaled = size is not None and not np.allclose(size, grid.voxel_size_nm)
    covered = covered_box(level.shape, size, level.translation_nm, grid)
    fine = rescale_labels(stored, size, grid.voxel_size_nm, kind) if size and rescaled else stored
    aligned = align_array(fine, size and grid.voxel_size_nm, level.translation_nm, grid, kind)
    counted = aligned if known.mask is None else aligned * known.mask
    return replace(
        view,
        dtype=str(level.dtype),
        shape=level.shape,
        stored_voxels=_foreground(stored, kind),
        nan_voxels=int(np.count_nonzero(np.isnan(stored))) if stored.dtype.kind == "f" else 0,
        negative_voxels=int(np.count_nonzero(stored < 0)) if stored.dtype.kind in "if" else 0,
        rescaled_from_nm=size if rescaled else None,
        centred=size is None and level.shape != grid.shape,
        moved_voxels=scored_shift(level.translation_nm, grid),
        coverage_percent=100 * covered.size / grid.box.size,
        voxels=_foreground(counted, kind),
        objects=_objects(stored, fine, aligned, counted, known) if kind is Kind.INSTANCE else None,
    )


def _foreground(labels: Array, kind: Kind) -> int:
    """Voxels that count: all but 0 as objects, those above 0 as a mask."""
    return int(np.count_nonzero(labels if kind is Kind.INSTANCE else labels > 0))


def _objects(stored: Array, fine: Array, aligned: Array, counted: Array, known: _Known) -> ObjectView:
    """The same labels as stored, at the crop's voxel size, on its grid, and under the truth's mask."""
    ids_stored = distinct_ids(stored)
    ids_fine = ids_stored if fine is stored else distinct_ids(fine)
    ids = ids_fine if aligned is fine else distinct_ids(aligned)
    pieces = take_apart(counted)
    return ObjectView(
        ids_stored=len(ids_stored),
        ids=len(ids),
        ids_rescaled_away=_lost(ids_stored, ids_fine),
        ids_outside=_lost(ids_fine, ids),
        ids_made=_lost(ids_fine, ids_stored),
        ids_fill_dtype=fills_its_dtype(stored.dtype, stored.max(initial=0)),
        pieces=pieces,
        fewest_truth_ids=fewest_truth_ids(pieces.objects),
        largest_truth_id=known.largest_id,
        most_objects=_most_objects(known.largest_id),
    )


def _lost(before: Array, after: Array) -> int:
    """How many distinct values of `before` are not in `after`."""
    return 0 if after is before else len(np.setdiff1d(before, after, assume_unique=True))


def _most_objects(largest_truth_id: int | None) -> int | None:
    """None without truth, and where the truth is empty: such a crop is never skipped."""
    from organelle.metrics import most_components

    return most_components(largest_truth_id) if largest_truth_id else None


def fewest_truth_ids(objects: int) -> int:
    """The smallest largest truth id with which a crop of so many objects is matched and not skipped.

    `metrics.crop_is_flooded` allows 10 + 50 exp(-n / 5) objects for each of n truth ids, so what it allows
    in all grows with n. An empty truth skips nothing, but makes every object an invented one.
    """
    from organelle.metrics import crop_is_flooded

    if objects == 0:
        return 0
    return 1 + bisect_left(range(1, objects + 1), x=True, key=lambda n: not crop_is_flooded(objects, n))
