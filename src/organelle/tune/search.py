"""Which values to try next: a plain search, made for few parameters and trials that cost seconds.

Every parameter is swept over its range alone, the best of all sweeps are joined, some points are drawn
anywhere, and from the best of all steps lead upwards, ever smaller ones: first along the parameters whose
sweep showed an effect. What has no effect is put back.
Whatever is asked depends on the scores before it alone: not on time, workers, or interruptions.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from organelle.tune.space import Point, Space

TIE = 1e-3
"""Scores that differ by less are as good: then what changes less of the recipe is preferred. On a few crops
many recipes differ by so much, and by chance."""

SWEPT = 0.5
"""Share of the trials for the sweeps."""

MOST_SWEPT = 9
"""Values of a sweep: eighths of the range."""

DRAWN = 0.15
"""Share of the trials that are drawn anywhere."""

SMALLEST_STEP = 1 / 200
"""Share of the range below which no step is taken; probabilities are stored in steps of 1/255."""

Batch = Generator[list[Point], Sequence[float], None]
"""Yields points to be tried, is sent their scores."""


def search(space: Space, trials: int, rng: np.random.Generator) -> Batch:
    """Ask for points, batch by batch; each batch may be tried side by side.

    Args:
        space: the parameters; the first point asked for is the recipe as it is.
        trials: the most points that are asked for, each once.
        rng: draws points.

    Yields:
        Points whose scores must be sent back in the same order: larger is better, `-inf` is the worst.
    """
    tried = _Tried(space, trials)
    yield from tried.ask([space.default])
    if not space.parameters:
        return
    count = _swept(space, trials)
    yield from tried.ask(_sweeps(space, count))
    yield from tried.ask([_joined(space, tried.scores)])
    yield from tried.ask(_anywhere(space, rng, round(DRAWN * trials)))
    alone = _effects(space, tried.scores)
    for moved in ([i for i, effect in alone.items() if effect > TIE], list(alone)):
        step = 0.5 / (count - 1)
        while step >= SMALLEST_STEP and tried.left > (kept := 2 * len(space.changed(tried.best))):
            before = tried.best
            yield from tried.ask(list(_around(space, before, step, moved))[: tried.left - kept])
            if tried.scores[tried.best] <= tried.scores[before]:
                step /= 2
    yield from _put_back(space, tried)


def choose(space: Space, scores: Mapping[Point, float]) -> Point:
    """The best point; of those as good as it the one that changes least, then the first.

    Args:
        space: whose points.
        scores: in the order in which the points were tried.
    """
    most = max(scores.values())
    as_good = [point for point, score in scores.items() if score >= most - TIE or score == most]
    return min(as_good, key=lambda point: (len(space.changed(point)), space.distance(point)))


@dataclass
class _Tried:
    """What was asked for, and what came of it."""

    space: Space
    trials: int
    scores: dict[Point, float] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Trials that may still be asked for."""
        return self.trials - len(self.scores)

    @property
    def best(self) -> Point:
        """The first of the points with the highest score."""
        return max(self.scores, key=self.scores.__getitem__)

    def ask(self, points: Iterable[Point]) -> Batch:
        """Ask for those points that are new and make a recipe, as far as there are trials left."""
        new = [p for p in dict.fromkeys(points) if p not in self.scores and self.space.apply(p) is not None]
        batch = new[: self.left]
        if batch:
            self.scores.update(zip(batch, (yield batch), strict=True))


def _swept(space: Space, trials: int) -> int:
    """Values in the sweep of a parameter."""
    return int(np.clip(SWEPT * trials / len(space.parameters), 3, MOST_SWEPT))


def _sweeps(space: Space, count: int) -> Iterator[Point]:
    """Each parameter over its range, the others as they are; middles first, in case trials are few."""
    for nth in sorted(range(count), key=lambda i: abs(i - (count - 1) / 2)):
        for i, parameter in enumerate(space.parameters):
            values = parameter.spread(count)
            if nth < len(values):
                yield _with(space.default, i, values[nth])


def _joined(space: Space, scores: Mapping[Point, float]) -> Point:
    """For each parameter the value that was best in its sweep, where it was better than what is there."""
    point = space.default
    for i in range(len(space.parameters)):
        alone = {p: score for p, score in scores.items() if space.changed(p) in ((), (i,))}
        best = max(alone, key=alone.__getitem__)
        if alone[best] > scores[space.default] + TIE:
            point = _with(point, i, best[i])
    return point


def _anywhere(space: Space, rng: np.random.Generator, count: int) -> Iterator[Point]:
    """Points all over the space: each parameter's range is cut into `count` parts, each part used once."""
    parts = np.stack([rng.permutation(count) for _ in space.parameters], axis=1)
    for shares in (parts + rng.random(parts.shape)) / max(1, count):
        yield tuple(p.at(share) for p, share in zip(space.parameters, shares.tolist(), strict=True))


def _effects(space: Space, scores: Mapping[Point, float]) -> dict[int, float]:
    """By how much the score differs in the sweep of each parameter; the largest first."""
    found = {}
    for i in range(len(space.parameters)):
        alone = [max(0.0, score) for point, score in scores.items() if space.changed(point) in ((), (i,))]
        found[i] = max(alone) - min(alone)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _around(space: Space, point: Point, step: float, moved: Sequence[int]) -> Iterator[Point]:
    """A step up and a step down for each of some parameters; of choices all others."""
    for i in moved:
        parameter = space.parameters[i]
        if parameter.choices:
            yield from (_with(point, i, value) for value in parameter.choices)
        else:
            share = parameter.share(point[i])
            yield from (_with(point, i, parameter.at(share + d)) for d in (-step, step))


def _put_back(space: Space, tried: _Tried) -> Batch:
    """The best without each of its changes, then without those two, three, ... that it needs least."""
    best = tried.best
    alone = {i: _with(best, i, space.parameters[i].default) for i in space.changed(best)}
    yield from tried.ask(alone.values())
    point, fewer = best, []
    for i in sorted(alone, key=lambda i: -tried.scores.get(alone[i], -np.inf)):
        point = _with(point, i, space.parameters[i].default)
        fewer.append(point)
    yield from tried.ask(fewer)


def _with(point: Point, i: int, value: Any) -> Point:
    return (*point[:i], value, *point[i + 1 :])
