"""What a board says, as records; how it is written as CSV and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from organelle.classes import kind_of
from organelle.portal.board.figures import MEANS
from organelle.portal.board.models import Ranking

ROW_KEYS = (
    "rank", "tied", "team", "affiliation", "baseline", "anonymous", "method", "code_url", "day", "score",
    "low", "high", "like_next", "overall", "instance", "semantic",
)  # fmt: skip
"""Of a row in CSV and JSON."""


@dataclass(frozen=True)
class Standing:
    """A team's line on a board; all figures are rounded.

    Attributes:
        rank: from 1; equal scores share it. None for baselines and for teams without a score here.
        is_tied: whether another team has the same rank.
        team: its name, or the other name under which it wants to stand.
        day: when the submission was handed in.
        score: in the board's column; None where the class was not handed in.
        low: lower end of the interval over crops; None where the crops are too few.
        high: its upper end.
        like_next: whether the crops leave open which is better, this line or the next; None where that
            cannot be said.
        overall: over all classes of this submission.
        instance: mean of its instance classes.
        semantic: mean of its semantic classes.
    """

    rank: int | None
    is_tied: bool
    team: str
    affiliation: str
    is_baseline: bool
    is_anonymous: bool
    method: str
    code_url: str
    day: date
    score: float | None
    low: float | None = None
    high: float | None = None
    like_next: bool | None = None
    overall: float | None = None
    instance: float | None = None
    semantic: float | None = None

    def row(self) -> dict[str, object]:
        """Under the names of `ROW_KEYS`."""
        other = {"tied": self.is_tied, "baseline": self.is_baseline, "anonymous": self.is_anonymous}
        return {key: other[key] if key in other else getattr(self, key) for key in ROW_KEYS} | {
            "day": self.day.isoformat()
        }


@dataclass(frozen=True)
class Standings:
    """A board.

    Attributes:
        column: `overall`, `instance`, `semantic`, or a class.
        metric: version of the metric; empty while there is no result.
        metrics: versions that boards can be shown of, the newest first.
        decimals: of every figure.
        rows: the best first; teams without a score come last.
        newer_metric: of a scoring that is under way and will be shown when it is done, else None.
        done: how many submissions that one has scored.
        total: how many there are.
        ranking: `public`, or `final`: of private crops alone.
        private_crops: in the final ranking how many those are; else None, which tells nothing.
    """

    column: str
    metric: str
    metrics: tuple[str, ...]
    decimals: int
    rows: tuple[Standing, ...]
    newer_metric: str | None = None
    done: int = 0
    total: int = 0
    ranking: Ranking = Ranking.PUBLIC
    private_crops: int | None = None

    @property
    def is_mean(self) -> bool:
        """Whether the column is no class."""
        return self.column in MEANS

    @property
    def kind(self) -> str | None:
        """How a class is scored: `instance` or `semantic`."""
        return None if self.is_mean else kind_of(self.column).value

    def record(self) -> dict[str, Any]:
        """The board as JSON values."""
        return {
            "column": self.column,
            "kind": self.kind,
            "ranking": str(self.ranking),
            "private_crops": self.private_crops,
            "metric": self.metric,
            "metrics": list(self.metrics),
            "decimals": self.decimals,
            "rescoring": self.newer_metric
            and {"metric": self.newer_metric, "done": self.done, "of": self.total},
            "rows": [standing.row() for standing in self.rows],
        }


@dataclass(frozen=True)
class Step:
    """A team reaches a new best score."""

    day: date
    team: str
    score: float
