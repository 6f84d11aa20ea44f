"""The scores that a run ends with, read from the results that it left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.classes import all_classes
from organelle.errors import FileMissing, FormatError
from organelle.files import read_json

if TYPE_CHECKING:
    from rich.table import Table

WHOLE = ("combined_score", "iou", "pq")
"""The key of a class's score in a result, by the kind of class and the version of the metric."""


@dataclass(frozen=True, slots=True)
class RunScore:
    """One result: whose it is, on what, the overall score, and the score of each class."""

    name: str
    path: Path
    overall: float
    classes: dict[str, float]


def read_scores(results: Iterable[tuple[str, Path]]) -> tuple[RunScore, ...]:
    """The scores of those results that are there, by their name."""
    found = ((name, path, _record(path)) for name, path in results)
    return tuple(
        RunScore(
            name,
            path,
            record["overall_score"],
            {label: _whole(parts) for label, parts in record["label_scores"].items()},
        )
        for name, path, record in found
        if record is not None
    )


def score_table(scores: Iterable[RunScore]) -> Table:
    """A row per class, a column per result."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = list(scores)
    table = Table(title="Scores", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("class")
    for score in shown:
        table.add_column(score.name, justify="right")
    known = {name for score in shown for name in score.classes}
    for name in [c.name for c in all_classes() if c.name in known]:
        table.add_row(name, *(_number(score.classes.get(name)) for score in shown))
    table.add_row("overall", *(_number(score.overall) for score in shown), style="bold")
    return table


def _record(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = read_json(path)
    except (FileMissing, FormatError):
        return None
    return record


def _whole(parts: dict[str, float]) -> float:
    return next(parts[key] for key in WHOLE if key in parts)


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"
