"""What a child process does for an evaluation; see `organelle.children`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from organelle.classes import Kind
from organelle.evaluate.explain import explain_row
from organelle.evaluate.fault_slices import draw_faults
from organelle.evaluate.kept import row_record
from organelle.evaluate.records import STOPPED
from organelle.evaluate.rows import PlannedRow, row_without, score_row
from organelle.evaluate.slices import draw_planes, open_em
from organelle.evaluate.truth import Truth, open_truth
from organelle.geometry import Grid
from organelle.metrics import Fault
from organelle.submission import Submission, open_submission

SCORE = "organelle.evaluate.judge:score"
EXPLAIN = "organelle.evaluate.judge:explain"
DRAW = "organelle.evaluate.judge:draw"


def arguments(planned: PlannedRow, submission: Submission, truth: Truth, **others: Any) -> dict[str, Any]:
    """What the functions here take, as JSON values: which row of what, and `others` as they are."""
    return {
        "submission": str(submission.path.resolve()),
        "truth": str(truth.path.resolve()),
        "expected": list(truth.classes),
        "planned": asdict(planned) | {"kind": planned.kind.value},
        **others,
    }


def score(
    submission: str, truth: str, expected: Sequence[int], planned: Mapping[str, Any], stopped: str
) -> dict[str, Any]:
    """Score one row; its record. With `stopped` (why) what was handed in is not touched."""
    row = _planned(planned)
    store = _truth(truth)
    if stopped:
        return row_record(row_without(row, store, STOPPED, stopped))
    return row_record(score_row(row, store, _submission(submission, tuple(expected))))


def explain(
    submission: str,
    truth: str,
    expected: Sequence[int],
    planned: Mapping[str, Any],
    status: str,
    metric: str,
) -> dict[str, Any] | None:
    """`explain_row` of one row; its record."""
    handed_in = _submission(submission, tuple(expected))
    found = explain_row(_planned(planned), _truth(truth), handed_in, status=status, metric=metric)
    return None if found is None else found.record


def draw(
    submission: str,
    truth: str,
    expected: Sequence[int],
    planned: Mapping[str, Any],
    status: str,
    dataset: str,
    data: str | None,
    faults: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """Pictures of `faults` of a row, or with None of the row itself: three planes each, as JSON values."""
    row, store, handed_in = _planned(planned), _truth(truth), _submission(submission, tuple(expected))
    em = open_em(data, dataset)
    if faults is None:
        pictures = [draw_planes(row, status, store, handed_in, em)]
    else:
        pictures = list(draw_faults(row, [Fault.from_record(f) for f in faults], store, handed_in, em))
    return {"planes": [[plane.record for plane in planes] for planes in pictures], "has_em": em is not None}


def forget() -> None:
    """Close what this process holds open."""
    _submission.cache_clear()
    _truth.cache_clear()


def _planned(record: Mapping[str, Any]) -> PlannedRow:
    values = dict(record) | {"kind": Kind(record["kind"])}
    if values["grid"] is not None:
        values["grid"] = Grid(**{name: tuple(numbers) for name, numbers in values["grid"].items()})
    return PlannedRow(**values)


@lru_cache(maxsize=1)
def _submission(path: str, expected: tuple[int, ...]) -> Submission:
    return open_submission(path, expected=expected)


@lru_cache(maxsize=1)
def _truth(path: str) -> Truth:
    return open_truth(path)
