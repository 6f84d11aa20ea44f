"""The search: within its budget, the same each time, and no change without a reason."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.process import Recipe
from organelle.tune import choose, search, space_of
from organelle.tune.search import TIE
from organelle.tune.space import Point, Space


def climbed(space: Space, worth: Callable[[Point], float], trials: int, seed: int = 0) -> dict[Point, float]:
    """Every point that a search asks for, with its score."""
    found: dict[Point, float] = {}
    steps = search(space, trials, np.random.default_rng(seed))
    batch = next(steps)
    try:
        while True:
            assert batch
            assert not set(batch) & set(found), "no point is asked for twice"
            scores = [worth(point) for point in batch]
            found.update(zip(batch, scores, strict=True))
            batch = steps.send(scores)
    except StopIteration:
        return found


SPACE = space_of("mito", Recipe(min_volume_nm3=2e6))


def named(point: Point) -> dict[str, float]:
    return {p.name: value for p, value in zip(SPACE.parameters, point, strict=True)}


def test_what_can_be_tuned_about_a_recipe() -> None:
    assert [p.name for p in SPACE.parameters] == ["threshold", "min_volume_nm3", "fill_holes", "grow_nm"]
    with_cut = space_of("cell", Recipe(minus=("pm",)))
    assert "minus_threshold" in [p.name for p in with_cut.parameters]
    parts = Recipe.model_validate(
        {
            "parts": [
                {"part": "smooth", "scale_nm": 10},
                {"part": "hysteresis"},
                {"part": "min_volume", "volume_nm3": 1e4},
                {"part": "components"},
                {"part": "min_volume", "volume_nm3": 1e5},
            ]
        }
    )
    space = space_of("mito", parts)
    assert [p.name for p in space.parameters] == [
        "smooth.scale_nm",
        "hysteresis.low",
        "hysteresis.high",
        "min_volume.volume_nm3",
        "min_volume2.volume_nm3",
    ]
    assert space.apply(space.default) == parts
    changed = space.apply((10, 0.3, 0.9, 1e4, 3e6))
    assert changed is not None
    assert [part.model_dump(exclude={"part"}) for part in changed.parts][4]["volume_nm3"] == 3e6
    assert space.apply((10, 0.6, 0.5, 1e4, 1e5)) is None, "high below low"


def test_the_top_of_a_hill_is_found() -> None:
    def hill(point: Point) -> float:
        is_ = named(point)
        volume = math.log10(max(is_["min_volume_nm3"], 1e3))
        return 1 - 5 * (is_["threshold"] - 0.37) ** 2 - 0.2 * (volume - 4.5) ** 2

    found = climbed(SPACE, hill, 80)
    best = named(choose(SPACE, found))
    assert best["threshold"] == pytest.approx(0.37, abs=0.02)
    assert math.log10(best["min_volume_nm3"]) == pytest.approx(4.5, abs=0.15)
    assert (best["fill_holes"], best["grow_nm"]) == (False, 0), "flat directions stay where they were"


def test_values_that_only_help_together_are_found() -> None:
    def ridge(point: Point) -> float:
        is_ = named(point)
        return 1.0 if is_["threshold"] < 0.35 and is_["grow_nm"] > 80 else 0.5

    best = named(choose(SPACE, climbed(SPACE, ridge, 80)))
    assert best["threshold"] < 0.35
    assert best["grow_nm"] > 80
    assert (best["min_volume_nm3"], best["fill_holes"]) == (2e6, False)


@settings(max_examples=20)
@given(trials=st.integers(1, 60), seed=st.integers(0, 5), flat=st.booleans(), bad=st.floats(0, 1))
def test_within_the_budget_and_the_same_again(trials: int, seed: int, flat: bool, bad: float) -> None:
    def worth(point: Point) -> float:
        if flat:
            return 0.5
        return -math.inf if point[0] < bad else float(np.random.default_rng(hash(point) % 2**32).random())

    found = climbed(SPACE, worth, trials, seed)
    assert 1 <= len(found) <= trials
    assert next(iter(found)) == SPACE.default
    assert list(climbed(SPACE, worth, trials, seed).items()) == list(found.items())
    chosen = choose(SPACE, found)
    assert found[chosen] >= max(found.values()) - TIE
    if flat:
        assert chosen == SPACE.default


def test_changes_that_are_worth_nothing_are_taken_back() -> None:
    """Some points drawn by chance are the first that are good, and differ in everything."""

    def island(point: Point) -> float:
        is_ = named(point)
        return 0.9 + 1e-4 * is_["grow_nm"] / 200 if is_["threshold"] < 0.2 and not is_["fill_holes"] else 0.1

    chosen = choose(SPACE, climbed(SPACE, island, 60))
    assert [SPACE.parameters[i].name for i in SPACE.changed(chosen)] == ["threshold"]


def test_of_equals_the_one_that_changes_least_is_chosen() -> None:
    t, v, f, g = SPACE.default
    scores = {SPACE.default: 0.5, (0.3, 1e4, f, g): 0.9, (0.2, v, f, g): 0.8995, (0.4, v, f, g): 0.8995}
    assert choose(SPACE, scores) == (0.4, v, f, g)
    assert choose(SPACE, {SPACE.default: -math.inf, (0.3, v, f, g): -math.inf}) == SPACE.default
    assert t == 0.5


def test_a_recipe_without_parameters_is_tried_once() -> None:
    space = space_of("mito", Recipe.model_validate({"parts": [{"part": "own_foreground:Above"}]}))
    assert space.parameters == ()
    assert climbed(space, lambda _: 0.5, 50) == {(): 0.5}
