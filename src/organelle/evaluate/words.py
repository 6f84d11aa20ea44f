"""What happened to a row, in words that a participant understands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.classes import Kind
from organelle.evaluate.records import SKIPPED, STOPPED, TRUTH_ERROR, UNREADABLE, Row
from organelle.metrics import InstanceCounts
from organelle.metrics.matching import MOST_PAIRS

if TYPE_CHECKING:
    from organelle.submission import SubmittedArray

Array = np.ndarray[Any, np.dtype[Any]]


def describe(row: Row) -> str:
    """One line about the status of a row, without its remarks."""
    if row.status == SKIPPED and isinstance(row.counts, InstanceCounts):
        return f"skipped: {_why_skipped(row.counts)}; the crop counts neither for nor against"
    if row.status == "missing":
        lost = "every voxel" if row.kind is Kind.SEMANTIC else "every object"
        return f"missing: not handed in, so {lost} counts as missed"
    return {
        "scored": "scored",
        "matching_failed": "matching failed: the solver assigned no objects, so the crop does not count",
        UNREADABLE: "unreadable, so it counts as missing",
        STOPPED: "stopped, so it counts as missing",
        TRUTH_ERROR: "the truth cannot be scored, so the row does not count",
    }.get(row.status, row.status)


def notes(row: Row) -> tuple[str, ...]:
    """What a reader should know about a row: its status unless that is plain, and its remarks."""
    if row.status == "scored":
        return row.remarks
    if row.status in (STOPPED, UNREADABLE, TRUTH_ERROR):
        return (": ".join([describe(row), *row.remarks]),)
    return (describe(row), *row.remarks)


def label(row: Row) -> str:
    """The status in one or two words, for a table's column."""
    return {SKIPPED: "skipped: too many objects", TRUTH_ERROR: "truth error"}.get(
        row.status, row.status.replace("_", " ")
    )


def remarks_on(prediction: Array, submitted: SubmittedArray, kind: Kind) -> Iterator[str]:
    """What is odd about a prediction and costs its maker points without being an error.

    Args:
        prediction: z, y, x, as it will be scored.
        submitted: What was handed in.
        kind: Of its class.
    """
    if submitted.is_multiscale:
        yield "a multiscale group: scored here, but the official evaluator sees only plain arrays"
    if prediction.dtype.kind == "f" and (n := int(np.count_nonzero(np.isnan(prediction)))):
        effect = "each is an object of its own" if kind is Kind.INSTANCE else "they count as background"
        yield f"{n:,} voxels are NaN: {effect}"
    if kind is not Kind.INSTANCE:
        return
    if prediction.dtype.kind in "if" and (n := int(np.count_nonzero(prediction < 0))):
        yield f"{n:,} voxels are negative: everything but 0 is an object, so write background as 0"
    if submitted.dtype == np.uint8 and prediction.size and prediction.max() == np.iinfo(np.uint8).max:
        yield "ids reach 255 in 8 bits: higher ids are lost or merged; store ids in 16 or 32 bits"


def _why_skipped(counts: InstanceCounts) -> str:
    if counts.n_components <= counts.most_components:
        return f"more than {MOST_PAIRS:,} overlapping pairs of objects"
    return f"{counts.n_components:,} objects where at most {counts.most_components:,} are matched"
