"""What a child process does for an evaluation; see `organelle.children`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from organelle.classes import Kind
from organelle.evaluate.kept import row_record
from organelle.evaluate.records import STOPPED
from organelle.evaluate.rows import PlannedRow, row_without, score_row
from organelle.evaluate.truth import Truth, open_truth
from organelle.geometry import Grid
from organelle.submission import Submission, open_submission

SCORE = "organelle.evaluate.judge:score"
WARM = "organelle.evaluate.judge:warm"


def warm() -> None:
    """Load everything that scoring a row needs, compiled code too."""
    import skimage.transform  # noqa: F401
    import zarr

    from organelle.metrics import compare_instances

    zarr.config.set({"threading.max_workers": 1})
    truth, prediction = np.zeros((2, 12, 12, 12), np.uint16)
    truth[1:4, 1:4, 1:4], prediction[1:4, 1:4, 8:11], prediction[1:4, 1, 1:9] = 1, 1, 1
    for ids, labels in ((np.uint16, np.uint16), (np.uint8, np.uint16), (np.uint32, np.uint32)):
        compare_instances(prediction.astype(labels), truth.astype(ids), (8.0, 8.0, 8.0))


def arguments(
    planned: PlannedRow, submission: str, truth: str, expected: Sequence[int], stopped: str = ""
) -> dict[str, Any]:
    """What `score` takes, as JSON values; with `stopped` (why) what was handed in is not touched."""
    return {
        "submission": submission,
        "truth": truth,
        "expected": list(expected),
        "planned": asdict(planned) | {"kind": planned.kind.value},
        "stopped": stopped,
    }


def score(
    submission: str, truth: str, expected: Sequence[int], planned: Mapping[str, Any], stopped: str
) -> dict[str, Any]:
    """Score one row; arguments as `arguments` makes them, result as `row_record` does."""
    row = _planned(planned)
    store = _truth(truth)
    if stopped:
        return row_record(row_without(row, store, STOPPED, stopped))
    return row_record(score_row(row, store, _submission(submission, tuple(expected))))


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
