"""Results as figures for eyes: whatever of a result is read here comes out rounded, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import F

from organelle.classes import class_named, scored_classes, sort_classes
from organelle.errors import ClassNotFound, NotFound, did_you_mean
from organelle.portal.board.models import Ranking
from organelle.portal.board.questions import Answered, private_crops, published, results_parted_for
from organelle.portal.challenge.models import Phase
from organelle.portal.explorer.collection import the_catalog
from organelle.portal.scoring.models import Question, Result
from organelle.portal.submissions.models import Submission

MEANS = ("overall", "instance", "semantic")
"""Columns that are no class."""

FIELDS = {Ranking.PUBLIC: "scores", Ranking.FINAL: "final"}
"""Of a result, by ranking."""


@dataclass(frozen=True)
class Entry:
    """A submission that may stand on the board, with its rounded figures.

    Attributes:
        result: number of its result.
        score: in the board's column.
        means: over classes.
        public: in the same column, of the public crops: a team's best is its best there, in both rankings.
    """

    submission: Submission
    result: int
    score: float | None
    means: Mapping[str, float | None]
    public: float | None

    @property
    def day(self) -> date:
        """When it was handed in."""
        day: date = self.submission.created.date()
        return day


def entries(shown: Answered, column: str, ranking: Ranking = Ranking.PUBLIC) -> list[Entry]:
    """All published submissions with a result for a question, oldest first."""
    found = _figures(shown, column, ranking)
    submissions = published().select_related("team").defer("report", "lineage", "description")
    return [
        Entry(submission, *found[submission.sha256])
        for submission in submissions.order_by("created", "id")
        if submission.sha256 in found
    ]


def _figures(
    shown: Answered, column: str, ranking: Ranking
) -> dict[str, tuple[int, float | None, dict[str, float | None], float | None]]:
    """By file: the result, the score in the column, the means, and the public score; all rounded."""
    metric, truth, configuration = shown.key
    results = Result.objects.filter(
        metric=metric, truth=truth, configuration=configuration, private_crops=shown.private_crops
    )
    field = FIELDS[ranking]
    place = column if column in MEANS else f"classes__{column}"
    rows = results.order_by().values_list(
        "sha256",
        "id",
        *(F(f"{field}__{name}") for name in MEANS),
        F(f"{field}__{place}"),
        F(f"scores__{place}"),
    )
    return {
        sha256: (
            pk,
            _in_column(value),
            dict(zip(MEANS, map(rounded, means), strict=True)),
            _in_column(public),
        )
        for sha256, pk, *means, value, public in rows
    }


def _in_column(value: object) -> float | None:
    """A mean, or the score of a class if it was handed in."""
    if not isinstance(value, Mapping):
        return rounded(value)
    return rounded(value.get("score")) if value.get("submitted", True) else None


def score_of(submission: Submission) -> dict[str, Any] | None:
    """The figures of one submission as its team may see them, rounded; None without a result.

    They answer what is asked now, or the newest question that was answered for this file. Classes that were
    not handed in are left out. When the final ranking is open, the figures of the private crops are `final`.
    """
    private = private_crops()
    results = (
        results_parted_for(private)
        .filter(sha256=submission.sha256)
        .values_list("metric", "truth", "configuration", "scores", "final")
    )
    turns = {(q.metric, q.truth, q.configuration): q.turn for q in Question.objects.all()}
    found = max(results.order_by("created"), key=lambda r: turns.get(r[:3], 0), default=None)
    if found is None:
        return None
    metric, *_, scores, final = found
    told = {"metric": metric, **_told(scores)}
    return told | {"final": _told(final)} if private and Phase.is_final() else told


def _told(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores as a team may see them."""
    classes = {
        name: {"kind": facts.get("kind"), "score": rounded(facts.get("score"))}
        | {key: rounded(value) for key, value in facts.get("ratios", {}).items()}
        for name, facts in scores.get("classes", {}).items()
        if facts.get("submitted", True)
    }
    return {**{name: rounded(scores.get(name)) for name in MEANS}, "classes": classes}


def columns() -> tuple[str, ...]:
    """All that a board can be shown of: the means, then the classes of the test crops."""
    asked = sort_classes(name for crop in the_catalog().test_crops.values() for name in crop.classes)
    return (*MEANS, *asked)


def require_column(column: str) -> None:
    """Raise `NotFound` unless there is such a board; a class that is not asked for now has an empty one."""
    if column in MEANS:
        return
    try:
        class_named(column)
    except ClassNotFound:
        known = [*MEANS, *(c.name for c in scored_classes())]
        raise NotFound(f"there is no board {column!r}{did_you_mean(column, known)}") from None


def rounded(score: object) -> float | None:
    """A figure as it may be seen; None for what is none."""
    return round(float(score), decimals()) if isinstance(score, int | float) else None


def decimals() -> int:
    """Of every figure."""
    found: int = settings.PORTAL.decimals
    return found


def or_less(score: float | None) -> float:
    """For comparisons: no score is less than any."""
    return -1.0 if score is None else score
