"""What tuning a class has brought, and how much of that new crops will see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from organelle.metrics import pool
from organelle.process import Recipe
from organelle.tune.search import TIE
from organelle.tune.space import Point, Space
from organelle.tune.study import Study
from organelle.tune.trials import Trial


@dataclass(frozen=True)
class Change:
    """A parameter that was changed."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.name} {_short(self.before)} -> {_short(self.after)}"


@dataclass(frozen=True)
class Tuned:
    """One class.

    Attributes:
        space: its recipe, and what could be changed about it.
        crops: numbers of the crops that annotate it.
        objects: in their truth; None for a semantic class.
        trials: every recipe that was tried.
        chosen: the one that is best over all crops.
        crossed: the score over all crops, each scored with what would have been chosen by the others; NaN
            for a single crop.
        error: jackknife standard error of the gain over the crops; NaN for a single crop.
    """

    space: Space
    crops: tuple[int, ...]
    objects: int | None
    trials: tuple[Trial, ...]
    chosen: Point
    crossed: float
    error: float

    @property
    def class_name(self) -> str:
        """Which."""
        return self.space.class_name

    @property
    def recipe(self) -> Recipe:
        """The one that is chosen."""
        return self.space.apply(self.chosen) or self.space.recipe

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is changed about the recipe; empty when nothing is better than what is there."""
        names, default = [p.name for p in self.space.parameters], self.space.default
        return tuple(Change(names[i], default[i], self.chosen[i]) for i in self.space.changed(self.chosen))

    @property
    def before(self) -> float:
        """Score of the recipe as it is; 0 if it was stopped."""
        return max(0.0, self.trials[0].score(self.class_name))

    @property
    def after(self) -> float:
        """Score of the chosen one on the same crops: an optimist's number."""
        chosen = next(trial for trial in self.trials if trial.point == self.chosen)
        return max(0.0, chosen.score(self.class_name))

    @property
    def gain(self) -> float:
        """By how much the score rises on the crops that the choice was made by."""
        return self.after - self.before

    @property
    def crossed_gain(self) -> float:
        """By how much it rises on crops that had no say in the choice: an honest number; NaN for one crop."""
        return self.crossed - self.before

    @property
    def stopped(self) -> int:
        """Recipes that were stopped, since they make specks."""
        return sum(bool(trial.stopped) for trial in self.trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        return tuple(f"{self.class_name}: {note}" for note in self._notes())

    def _notes(self) -> list[str]:
        notes = []
        if not self.space.parameters:
            notes.append("no part of its recipe has parameters that can be tuned")
        if self.trials[0].stopped:
            notes.append(f"its recipe is stopped: {self.trials[0].stopped}")
        if self.stopped:
            notes.append(f"{self.stopped} of {len(self.trials)} recipes made specks and count as the worst")
        if self.changes and math.isnan(self.crossed):
            notes.append("tuned on one crop: nothing tells how much of the gain is chance")
        elif self.changes and self.crossed_gain <= TIE:
            notes.append("the gain is not seen on crops that had no say in it; the default may be as good")
        return notes


def judge(study: Study, objects: int | None) -> Tuned:
    """What came of a search."""
    chosen = study.best()
    return Tuned(
        study.space,
        study.crops,
        objects,
        tuple(study.found.values()),
        chosen.point,
        _crossed(study),
        _error(study, chosen),
    )


def _crossed(study: Study) -> float:
    """Every crop with the recipe that the other crops choose among all that were tried, pooled.

    The search itself has seen all crops, so that a little optimism is left.
    """
    if len(study.crops) < 2:
        return math.nan
    chosen = {crop: study.best(_without(crop, study.crops)) for crop in study.crops}
    if any(trial.stopped for trial in chosen.values()):
        return 0.0
    rows = [(study.class_name, trial.counts[crop]) for crop, trial in chosen.items()]
    return pool(rows).classes[study.class_name].score


def _error(study: Study, chosen: Trial) -> float:
    """How much the gain depends on which crops there are: jackknife (Efron and Stein 1981)."""
    count = len(study.crops)
    if count < 2:
        return math.nan
    name, first = study.class_name, next(iter(study.found.values()))
    gains = [
        max(0.0, chosen.score(name, others)) - max(0.0, first.score(name, others))
        for others in (_without(crop, study.crops) for crop in study.crops)
    ]
    mean = math.fsum(gains) / count
    return math.sqrt((count - 1) / count * math.fsum((gain - mean) ** 2 for gain in gains))


def _without(crop: int, crops: Sequence[int]) -> tuple[int, ...]:
    return tuple(other for other in crops if other != crop)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
