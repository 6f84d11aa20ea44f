"""The searches of several classes side by side: who is asked what, and what is known already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from organelle.errors import WorkError
from organelle.metrics import Counts
from organelle.process import Recipe
from organelle.tune.search import choose, search
from organelle.tune.space import Point, Space, recipe_record
from organelle.tune.trials import Journal, Trial, key_of
from organelle.tune.workers import Crew


@dataclass
class Study:
    """The search for one class.

    Attributes:
        space: what is searched.
        crops: numbers of the crops that annotate the class.
        others: recipes of the classes whose objects are used.
        made_of: all else that a trial depends on.
        journal: trials of this and earlier calls.
        trials: the most recipes to try.
        seed: of the points that are drawn.
        found: every trial so far, in the order in which they were asked for.
    """

    space: Space
    crops: tuple[int, ...]
    others: Mapping[str, Recipe]
    made_of: Mapping[str, Any]
    journal: Journal
    trials: int
    seed: int
    found: dict[Point, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, *self.class_name.encode()])
        self._steps = search(self.space, self.trials, rng)
        self._batch: list[Point] = next(self._steps)
        self._parts: dict[Point, dict[int, Counts | str]] = {}
        self._done: dict[Point, Trial] = {}

    @property
    def class_name(self) -> str:
        """Whose recipe is searched."""
        return self.space.class_name

    def recipes(self, point: Point) -> dict[str, Any]:
        """The recipe of a point and those of the classes that it uses, as plain values."""
        recipe = self.space.apply(point)
        assert recipe is not None  # the search asks for no others
        named = {self.class_name: recipe, **self.others}
        return {name: recipe_record(recipe) for name, recipe in named.items()}

    def wanted(self) -> list[Point]:
        """What is to be tried next; empty when the search is over."""
        while self._batch:
            new = [point for point in self._batch if not self._look_up(point)]
            if new:
                return new
            self._go_on()
        return []

    def take(self, point: Point, crop: int, answer: Counts | str) -> Trial | None:
        """Note what came of a recipe on one crop; returns the trial when that was the last."""
        parts = self._parts.setdefault(point, {})
        parts[crop] = answer
        if len(parts) < len(self.crops):
            return None
        del self._parts[point]
        stopped = [parts[crop] for crop in self.crops if isinstance(parts[crop], str)]
        counts = {} if stopped else {crop: parts[crop] for crop in self.crops}
        trial = Trial(point, counts, str(stopped[0]) if stopped else "")  # type: ignore[arg-type]
        self.journal.add(self._key(point), trial, self.values(point), trial.score(self.class_name))
        self._done[point] = trial
        return trial

    def values(self, point: Point) -> dict[str, Any]:
        """The parameters of a point by their names."""
        return {p.name: value for p, value in zip(self.space.parameters, point, strict=True)}

    def best(self, crops: Sequence[int] | None = None) -> Trial:
        """The trial that is chosen by all crops, or by some."""
        scores = {point: trial.score(self.class_name, crops) for point, trial in self.found.items()}
        return self.found[choose(self.space, scores)]

    def _look_up(self, point: Point) -> bool:
        """Whether the trial of a point is known, from this call or an earlier one."""
        if point not in self._done and (known := self.journal.get(self._key(point), point)):
            self._done[point] = known
        return point in self._done

    def _go_on(self) -> None:
        """Tell the search what came of its batch; it says what comes next."""
        self.found.update((point, self._done[point]) for point in self._batch)
        scores = [self.found[point].score(self.class_name) for point in self._batch]
        try:
            self._batch = self._steps.send(scores)
        except StopIteration:
            self._batch = []

    def _key(self, point: Point) -> str:
        return key_of({**self.made_of, "class": self.class_name, "recipes": self.recipes(point)})


def carry_out(studies: Sequence[Study], crew: Crew) -> Iterator[Trial]:
    """Try recipes until every search is over; yields each trial that was not known before.

    Raises:
        WorkError: a worker died.
    """
    try:
        yield from _carry_out(studies, crew)
    except BrokenProcessPool:
        raise WorkError(
            "a worker died, perhaps for want of memory: try fewer with --workers. Finished trials are kept, "
            "and the same command goes on behind them"
        ) from None


def _carry_out(studies: Sequence[Study], crew: Crew) -> Iterator[Trial]:
    asked: dict[Future[Counts | str], tuple[Study, Point, int]] = {}

    def hand_out(study: Study) -> None:
        points = study.wanted()
        for crop in study.crops:  # a crop's volumes stay in memory while all recipes are tried on it
            for point in points:
                future = crew.ask(study.class_name, study.recipes(point), crop)
                asked[future] = (study, point, crop)

    for study in studies:
        hand_out(study)
    while asked:
        done, _ = wait(asked, return_when=FIRST_COMPLETED)
        for future in done:
            study, point, crop = asked.pop(future)
            trial = study.take(point, crop, future.result())
            if trial:
                yield trial
            if not any(other is study for other, _, _ in asked.values()):
                hand_out(study)
