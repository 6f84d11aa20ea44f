"""How much the choice of crops decides: every result is scored anew for crops drawn with replacement.

This is the bootstrap over crops (Efron 1979) that `csc compare` does, for each column of the board;
`resampling` does it once, when a result is stored. All results of a question draw the same crops, so that two
teams can be compared draw by draw.

A class that was counted in few crops gets no interval: of two crops both ends would be the score of a single
one, and those are nobody's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from organelle.evaluate import Row
from organelle.metrics import (
    Counts,
    InstanceCounts,
    PanopticCounts,
    Scores,
    SemanticCounts,
    SemanticScore,
    pool,
)
from organelle.portal.scoring.private import kept_row

DRAWS = 1000
SEED = 0
QUANTILES = (0.025, 0.975)
"""An interval holds 95 % of the draws."""

FEWEST_CROPS = 5
"""With fewer the ends of an interval can be the scores of single crops: of three, one draw in 27 holds the
worst one alone."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """One column of the board, drawn.

    Attributes:
        column: `overall`, `instance`, `semantic`, or a class.
        score: over all crops.
        crops: in how many crops something was counted; of a mean, that of its best spread class.
        scores: float64 of shape (draws,); NaN where no drawn crop holds the class.
    """

    column: str
    score: float
    crops: int
    scores: Floats

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its two ends; None with fewer than `FEWEST_CROPS` crops."""
        known = self.scores[~np.isnan(self.scores)]
        if self.crops < FEWEST_CROPS or not known.size:
            return None
        low, high = np.quantile(known, QUANTILES)
        return float(low), float(high)


def draw_columns(
    records: Iterable[Mapping[str, Any]], metric: str, *, draws: int = DRAWS, seed: int = SEED
) -> dict[str, Drawn]:
    """Score the rows of a result anew for drawn crops.

    Args:
        records: `organelle.evaluate.kept.row_record` of every row.
        metric: the version whose counts are taken.
        draws: how many times as many crops as there are are drawn.
        seed: of the drawing; the same for results that are to be compared.

    Raises:
        One of `organelle.evaluate.kept.NO_ROW`: a record that is none.
    """
    rows = [kept_row(record, metric) for record in records]
    crops = sorted({row.crop_id for row in rows})
    times = _times_drawn(len(crops), draws, seed)
    counted = _by_class(rows)
    whole = _columns(pool((name, c) for name, held in counted.items() for c in held.values()))
    sums = {name: _Sums.of(held, crops, times) for name, held in counted.items()}
    samples = [_columns(pool(_drawn_counts(sums, i))) for i in range(draws)] if crops else []
    spread = _spread(counted)
    return {
        name: Drawn(name, score, spread[name], np.array([found.get(name, np.nan) for found in samples]))
        for name, score in whole.items()
    }


def are_alike(one: Floats, other: Floats) -> bool:
    """Whether the crops do not suffice to tell two results apart: the interval of the difference holds 0.

    Args:
        one: scores of the draws of a result, shape (draws,).
        other: those of another one, for the same draws.
    """
    gains = one - other
    known = gains[~np.isnan(gains)]
    if not known.size:
        return True
    low, high = np.quantile(known, QUANTILES)
    return bool(low <= 0 <= high)


def _times_drawn(n: int, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each of `n` crops is drawn, shape (draws, n)."""
    rng = np.random.default_rng(seed)
    if n == 0:
        return np.zeros((draws, 0), np.int64)
    chosen = rng.integers(0, n, (draws, n))
    return np.stack([np.bincount(row, minlength=n) for row in chosen])


def _by_class(rows: Sequence[Row]) -> dict[str, dict[int, Counts]]:
    counted: dict[str, dict[int, Counts]] = {}
    for row in rows:
        if row.counts is not None:
            counted.setdefault(row.class_name, {})[row.crop_id] = row.counts
    return counted


def _columns(scores: Scores) -> dict[str, float]:
    """The columns that there are: means only of classes that there are."""
    kinds = {isinstance(score, SemanticScore) for score in scores.classes.values()}
    means = {"overall": scores.overall} if kinds else {}
    if False in kinds:
        means["instance"] = scores.overall_instance
    if True in kinds:
        means["semantic"] = scores.overall_semantic
    return means | {name: score.score for name, score in scores.classes.items()}


def _spread(counted: Mapping[str, Mapping[int, Counts]]) -> dict[str, int]:
    """In how many crops something was counted, by column.

    A mean takes the number of its best spread class: that class blurs what the others would tell.
    """
    spread = {name: sum(map(_is_something, held.values())) for name, held in counted.items()}
    semantic = {name for name, held in counted.items() if _is_semantic(held)}
    means = {
        "overall": max(spread.values(), default=0),
        "semantic": max((n for name, n in spread.items() if name in semantic), default=0),
        "instance": max((n for name, n in spread.items() if name not in semantic), default=0),
    }
    return means | spread


def _is_something(counts: Counts) -> bool:
    terms = counts.n_hausdorff if isinstance(counts, InstanceCounts) else 0
    return bool(counts.tp + counts.fp + counts.fn + terms)


def _is_semantic(held: Mapping[int, Counts]) -> bool:
    return any(isinstance(counts, SemanticCounts) for counts in held.values())


@dataclass(frozen=True)
class _Sums:
    """The counts of one class, summed over the crops of each draw: `values` of shape (draws, fields)."""

    form: type[Counts]
    values: list[list[float]]
    is_there: list[bool]

    @classmethod
    def of(cls, held: Mapping[int, Counts], crops: Sequence[int], times: npt.NDArray[np.int64]) -> _Sums:
        """Sums of `held`, counts by crop, for every draw."""
        form = type(next(iter(held.values())))
        places = [crops.index(crop) for crop in held]
        table = np.array([[float(getattr(c, field)) for field in FIELDS[form]] for c in held.values()])
        drawn = times[:, places]
        return cls(form, (drawn @ table).tolist(), [bool(n) for n in drawn.sum(axis=1)])

    def counts(self, draw: int) -> Counts:
        """The sums of one draw, as if they were one row."""
        return self.form(*self.values[draw])  # type: ignore[arg-type]  # whole numbers, as floats


FIELDS: Mapping[type[Counts], tuple[str, ...]] = {
    SemanticCounts: ("tp", "fp", "fn"),
    InstanceCounts: ("tp", "fp", "fn", "hausdorff_norm_sum", "n_hausdorff"),
    PanopticCounts: ("tp", "fp", "fn", "iou_sum"),
}
"""What is summed, in the order in which the counts take it."""


def _drawn_counts(sums: Mapping[str, _Sums], draw: int) -> list[tuple[str, Counts]]:
    """The classes that the crops of one draw hold."""
    return [(name, found.counts(draw)) for name, found in sums.items() if found.is_there[draw]]
