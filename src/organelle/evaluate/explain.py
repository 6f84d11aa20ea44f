"""Why points were lost, row by row: one more look at truth and submission, one row in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.classes import Kind
from organelle.errors import ChunkError, FormatError, GridMismatch, ScoringError, SubmissionError
from organelle.evaluate.records import SKIPPED, TRUTH_ERROR, UNREADABLE
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.truth import Truth
from organelle.geometry import Grid
from organelle.metrics import (
    Counts,
    Fault,
    InstanceCounts,
    PanopticCounts,
    SemanticCounts,
    object_faults,
    put_right,
    total_change,
    truth_ids,
    voxel_faults,
)

if TYPE_CHECKING:
    from organelle.submission import Submission

Array = np.ndarray[Any, np.dtype[Any]]

_COUNTS = {kind.__name__: kind for kind in (InstanceCounts, PanopticCounts, SemanticCounts)}


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """What is wrong with one class of one crop.

    Attributes:
        status: As in `Row`. Unless it is `scored`, the row was lost as a whole and `faults` is empty.
        grid: Of the crop.
        perfect: The counts of a row with nothing wrong.
        without_limit: Of a row that was skipped: its counts had it not been; None where that is unknown.
    """

    crop_id: int
    class_name: str
    kind: Kind
    status: str
    grid: Grid
    perfect: Counts
    faults: tuple[Fault, ...] = ()
    without_limit: Counts | None = None

    @property
    def place(self) -> str:
        """`crop951/mito`."""
        return f"crop{self.crop_id}/{self.class_name}"

    @property
    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {
            "kind": self.kind.value,
            "perfect": counts_record(self.perfect),
            "without_limit": self.without_limit and counts_record(self.without_limit),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ExplainedRow:
        """The inverse of `record`, also after a way through JSON."""
        values = dict(record) | {
            "kind": Kind(record["kind"]),
            "grid": Grid(**{name: tuple(numbers) for name, numbers in record["grid"].items()}),
            "perfect": _counts(record["perfect"]),
            "faults": tuple(map(Fault.from_record, record["faults"])),
            "without_limit": record["without_limit"] and _counts(record["without_limit"]),
        }
        return cls(**values)


def explain_row(
    planned: PlannedRow,
    truth: Truth,
    submission: Submission,
    *,
    status: str = "scored",
    metric: str = "2026-06",
) -> ExplainedRow | None:
    """Find every fault of a row.

    Args:
        planned: Which row.
        truth: As it was evaluated.
        submission: As it was evaluated; it is read only when `status` says that the row could be.
        status: Of the row when it was scored.
        metric: Version of the metric that costs are counted in.

    Returns:
        None when the truth cannot be scored: then nothing was lost. Something handed in that cannot be
        read is a row with the status `unreadable`.
    """
    if planned.grid is None or status == TRUTH_ERROR:
        return None
    try:
        labels = read_truth(planned, truth)
    except (ScoringError, ChunkError):
        return None
    row = ExplainedRow(
        planned.crop_id,
        planned.class_name,
        planned.kind,
        status,
        planned.grid,
        _perfect(labels, planned.kind, metric),
    )
    if status not in ("scored", SKIPPED):
        return row
    try:
        prediction = read_prediction(planned, truth, submission)
    except (FormatError, GridMismatch, SubmissionError, ChunkError):
        return replace(row, status=UNREADABLE)
    return _explained(row, prediction, labels, metric)


def read_truth(planned: PlannedRow, truth: Truth) -> Array:
    """The truth of a row as it is scored: 0 where its mask is 0.

    Raises:
        ScoringError: as `Truth.read`.
    """
    assert planned.grid is not None
    there = truth.read(planned.crop_id, planned.class_name, planned.grid)
    labels = truth_ids(there.labels) if planned.kind is Kind.INSTANCE else there.labels
    return labels if there.mask is None else labels * there.mask


def read_prediction(planned: PlannedRow, truth: Truth, submission: Submission) -> Array:
    """What was handed in as it is scored: on the crop's grid, 0 where the truth's mask is 0.

    Raises:
        SubmissionError: there is no such row, or it cannot be read.
    """
    from organelle.submission import align

    assert planned.grid is not None
    submitted = submission.array(planned.crop_id, planned.class_name)
    if submitted is None:
        raise SubmissionError(f"{planned.place} was not handed in")
    prediction = align(submitted, planned.grid, planned.kind)
    mask = truth.read(planned.crop_id, planned.class_name, planned.grid).mask
    return prediction if mask is None else np.asarray(prediction * mask)


def _explained(row: ExplainedRow, prediction: Array, labels: Array, metric: str) -> ExplainedRow:
    size = row.grid.voxel_size_nm
    if row.kind is Kind.SEMANTIC:
        return replace(row, faults=voxel_faults(prediction, labels, size))
    try:
        faults = object_faults(prediction, labels, size, version=metric)
    except ScoringError:  # too many pairs to be matched: skipped, and nobody knows at what cost
        return row
    if row.status == SKIPPED:
        return replace(row, without_limit=put_right(row.perfect, -total_change(faults)))
    return replace(row, faults=faults)


def _perfect(labels: Array, kind: Kind, metric: str) -> Counts:
    if kind is Kind.SEMANTIC:
        return SemanticCounts(int(np.count_nonzero(labels > 0)), 0, 0)
    seen = np.zeros(int(labels.max(initial=0)) + 1, bool)
    seen[labels] = True
    n = int(np.count_nonzero(seen[1:]))
    if metric == "pq":
        return PanopticCounts(n, 0, 0, float(n), n_truth=n)
    return InstanceCounts(n, 0, 0, float(n), n, n_truth=n)


def counts_record(counts: Counts) -> dict[str, Any]:
    """As JSON values, with the name of their type."""
    return {"type": type(counts).__name__} | asdict(counts)


def _counts(record: Mapping[str, Any]) -> Counts:
    values = {name: value for name, value in record.items() if name != "type"}
    return _COUNTS[record["type"]](**values)
