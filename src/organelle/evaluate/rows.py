"""Score one row: read what was handed in and its truth, lay one on the other, count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from organelle.children import tell
from organelle.classes import Kind
from organelle.errors import ChunkError, FormatError, GridMismatch, ScoringError, SubmissionError
from organelle.evaluate.records import TRUTH_ERROR, UNREADABLE, Row
from organelle.evaluate.truth import Truth, TruthArray
from organelle.evaluate.words import remarks_on
from organelle.geometry import Grid
from organelle.metrics import (
    METRIC_VERSIONS,
    Counts,
    compare_instances,
    missing_instances,
    missing_semantic,
    score_semantic,
    truth_ids,
)

if TYPE_CHECKING:
    from organelle.submission import Submission, SubmittedArray


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One class of one crop of the truth; `problem` says why it cannot be scored, else `grid` is there."""

    crop_id: int
    class_name: str
    kind: Kind
    grid: Grid | None
    problem: str = ""

    @property
    def place(self) -> str:
        """`crop951/mito`."""
        return f"crop{self.crop_id}/{self.class_name}"


def score_rows(
    plan: Sequence[PlannedRow], truth: Truth, submission: Submission, *, metric: str = "2026-06"
) -> Iterator[Row]:
    """Score one planned row after the other; memory holds one row's arrays at a time."""
    for planned in plan:
        yield score_row(planned, truth, submission, metric=metric)


def score_row(planned: PlannedRow, truth: Truth, submission: Submission, *, metric: str = "2026-06") -> Row:
    """Compare one class of one crop with its truth; whatever goes wrong is recorded in the row."""
    tell("reading")
    try:
        there, if_missing = _read_truth(planned, truth)
    except (ScoringError, ChunkError) as error:
        return make_row(planned, {}, metric, TRUTH_ERROR, remarks=(str(error),))
    assert planned.grid is not None
    try:
        submitted = submission.array(planned.crop_id, planned.class_name)
        if submitted is None:
            return make_row(planned, if_missing, metric, "missing", there)
        counts, remarks = _compare(submitted, there, planned.grid, planned.kind)
    except (FormatError, GridMismatch, SubmissionError) as error:
        return make_row(planned, if_missing, metric, UNREADABLE, there, (str(error),))
    return make_row(planned, counts, metric, counts[metric].status, there, remarks)


def row_without(planned: PlannedRow, truth: Truth, status: str, why: str, *, metric: str = "2026-06") -> Row:
    """A row that could not be scored for what was handed in: it counts as missing, and says `why`."""
    try:
        there, if_missing = _read_truth(planned, truth)
    except (ScoringError, ChunkError) as error:
        return make_row(planned, {}, metric, TRUTH_ERROR, remarks=(str(error),))
    return make_row(planned, if_missing, metric, status, there, (why,))


def make_row(
    planned: PlannedRow,
    counts: dict[str, Counts],
    metric: str,
    status: str,
    truth: TruthArray | None = None,
    remarks: tuple[str, ...] = (),
) -> Row:
    """The record of a planned row; without `truth` nothing is known about the crop's size."""
    voxel_size = planned.grid.voxel_size_nm if planned.grid else None
    is_missing = status == "missing"
    return Row(
        crop_id=planned.crop_id,
        class_name=planned.class_name,
        kind=planned.kind,
        counts=counts.get(metric),
        status=status,
        num_voxels=truth.labels.size if truth else 0,
        voxel_size_nm=truth.voxel_size_nm if truth and is_missing else voxel_size,
        is_missing=is_missing,
        remarks=remarks,
        by_version=counts,
    )


def _read_truth(planned: PlannedRow, truth: Truth) -> tuple[TruthArray, dict[str, Counts]]:
    """The truth of a row, and what the row counts without a submission; masks play no part in that."""
    if planned.grid is None:
        raise ScoringError(planned.problem)
    there = truth.read(planned.crop_id, planned.class_name, planned.grid)
    if planned.kind is Kind.SEMANTIC:
        return there, dict.fromkeys(METRIC_VERSIONS, missing_semantic(there.labels.size))
    return there, {version: missing_instances(there.labels, version=version) for version in METRIC_VERSIONS}


def _compare(
    submitted: SubmittedArray, truth: TruthArray, grid: Grid, kind: Kind
) -> tuple[dict[str, Counts], tuple[str, ...]]:
    from organelle.submission import align

    prediction = align(submitted, grid, kind)
    tell("scoring")
    labels = truth_ids(truth.labels) if kind is Kind.INSTANCE else truth.labels
    if truth.mask is not None:
        prediction, labels = prediction * truth.mask, labels * truth.mask
    remarks = tuple(remarks_on(prediction, submitted, kind))
    if kind is Kind.SEMANTIC:
        return dict.fromkeys(METRIC_VERSIONS, score_semantic(prediction, labels)), remarks
    return dict(compare_instances(prediction, labels, grid.voxel_size_nm)), remarks
