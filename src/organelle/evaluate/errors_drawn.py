"""Errors drawn into the labels of one crop; their effect on the score follows from how they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

from organelle.classes import Kind
from organelle.evaluate.altered import AlteredLabels, Effect
from organelle.evaluate.foretold import ExpectedOutlines, foretell_outlines
from organelle.evaluate.simulate_report import (
    ALTERING,
    OF_MASKS,
    ErrorCount,
    ExpectedCounts,
    SimulatedErrors,
)
from organelle.geometry import Nm
from organelle.metrics import connected_components, crop_is_flooded

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class DrawnErrors:
    """A simulated prediction, how many objects the truth has, what was done, and what it will score."""

    labels: Array
    objects: int
    errors: Mapping[str, ErrorCount]
    expected: ExpectedCounts
    outlines: ExpectedOutlines | None = None
    """Of an instance class."""


def draw_errors(
    truth: Array,
    known: Array | None,
    voxel_size_nm: Nm,
    kind: Kind,
    errors: SimulatedErrors,
    rng: np.random.Generator,
) -> DrawnErrors:
    """A prediction of one class of one crop, with errors whose effect is known.

    Where an object leaves no room for an error (too thin to cut, walled in by others), another one gets it;
    if none is left, fewer errors are made than were asked for.

    Args:
        truth: z, y, x, unsigned; ids of an instance class, above 0 where a semantic class is.
        known: bool, where the class is scored; None: everywhere. Elsewhere the prediction is 0.
        voxel_size_nm: z, y, x.
        kind: What the class is scored as.
        errors: Shares of the objects; what that makes in objects is rounded up or down by chance, so that
            it is right on average in crops of few objects, too.
        rng: Draws everything.

    Returns:
        ids in the smallest unsigned type, or 0 and 1 as uint8, and what will be counted.
    """
    there = truth if known is None else truth * known
    if kind is Kind.INSTANCE:
        drawn = _draw_objects(AlteredLabels(there, known, voxel_size_nm), errors, rng)
        return replace(drawn, outlines=foretell_outlines(there, drawn.labels, voxel_size_nm))
    pieces, _ = connected_components(there > 0)
    return _draw_mask(AlteredLabels(pieces, known, voxel_size_nm), pieces > 0, known, errors, rng)


def _draw_objects(made: AlteredLabels, errors: SimulatedErrors, rng: np.random.Generator) -> DrawnErrors:
    counts, untouched, effects = _alter(made, errors, ALTERING, rng)
    asked = math.floor(errors.invented * len(made.ids) + rng.random())
    balls = [ball for _ in range(asked) if (ball := made.invent(rng))]
    counts["invented"] = ErrorCount(asked, len(balls))
    right = [Effect(tp=1, fp=int(made.pieces[number]) - 1) for number in untouched]
    total = _sum([*effects, *balls, *right])
    expected = ExpectedCounts(total.tp, total.fp, total.fn)
    if crop_is_flooded(total.tp + total.fp, int(made.ids.max(initial=0))):
        expected = ExpectedCounts(0, 0, 0, "skipped_too_many_instances")
    smallest = np.min_scalar_type(int(made.labels.max(initial=0)))
    return DrawnErrors(made.labels.astype(smallest, copy=False), len(made.ids), counts, expected)


def _draw_mask(
    made: AlteredLabels,
    truth: Array,
    known: Array | None,
    errors: SimulatedErrors,
    rng: np.random.Generator,
) -> DrawnErrors:
    counts, _, effects = _alter(made, errors, OF_MASKS, rng)
    mask = made.labels > 0
    noise, flipped = _flip(mask, truth, known, errors.noise, rng)
    counts["noise"] = ErrorCount(flipped, flipped)
    total = _sum([*effects, noise])
    expected = ExpectedCounts(int(np.count_nonzero(truth)) - total.lost, total.gained, total.lost)
    return DrawnErrors(mask.view(np.uint8), len(made.ids), counts, expected)


def _alter(
    made: AlteredLabels, errors: SimulatedErrors, kinds: Iterable[str], rng: np.random.Generator
) -> tuple[dict[str, ErrorCount], list[int], list[Effect]]:
    """Alter objects, one error each; how many, which ones stayed as they are, and the effects."""
    asked = _how_many({kind: errors.shares[kind] for kind in kinds}, len(made.ids), rng)
    pool: dict[int, None] = dict.fromkeys(rng.permutation(made.ids).tolist())
    counts, effects = {}, []
    for kind, number in asked.items():
        altered = 0
        for candidate in list(pool):
            if altered >= number:
                break
            if candidate in pool and (change := _change(made, kind, candidate, pool, errors, rng)):
                objects, effect = change
                altered += len(objects)
                effects.append(effect)
                for changed in objects:
                    del pool[changed]
        counts[kind] = ErrorCount(number, altered)
    return counts, list(pool), effects


def _how_many(shares: Mapping[str, float], n: int, rng: np.random.Generator) -> dict[str, int]:
    """How many of `n` objects get each error: its share, rounded up or down, and together at most `n`.

    Merged objects come in pairs: an odd one finds a partner or is dropped, by chance.
    """
    bounds = np.floor(np.cumsum([0.0, *shares.values()]) * n + rng.random()).astype(int).clip(max=n)
    numbers = dict(zip(shares, np.diff(bounds).tolist(), strict=True))
    if numbers.get("merged", 0) % 2:
        numbers["merged"] += 1 if rng.random() < 0.5 and numbers["merged"] < n else -1
    return numbers


def _change(
    made: AlteredLabels,
    kind: str,
    number: int,
    pool: Mapping[int, None],
    errors: SimulatedErrors,
    rng: np.random.Generator,
) -> tuple[tuple[int, ...], Effect] | None:
    """Give an object an error; which objects that altered, and its effect. None: there is no room for it."""
    if kind == "merged":
        joined = made.merge(number, pool)
        return ((number, joined[0]), joined[1]) if joined else None
    if kind == "shifted":
        effect = _shift(made, number, errors.shift_voxels, rng)
    else:
        effect = {"split": made.split, "eroded": made.erode, "missing": made.remove}[kind](number)
    return ((number,), effect) if effect else None


def _shift(made: AlteredLabels, number: int, voxels: int, rng: np.random.Generator) -> Effect | None:
    """Shift along the first of the six directions, in drawn order, that is free."""
    for direction in rng.permutation(6).tolist():
        axis, forth = divmod(direction, 2)
        if effect := made.shift(number, axis, voxels if forth else -voxels):
            return effect
    return None


def _flip(
    mask: Array, truth: Array, known: Array | None, share: float, rng: np.random.Generator
) -> tuple[Effect, int]:
    """Flip voxels of `mask` in place; the effect and their number."""
    lost = gained = flipped = 0
    for z, plane in enumerate(mask):
        flip = rng.random(plane.shape, np.float32) < share
        if known is not None:
            flip &= known[z]
        before, there = plane[flip], truth[z][flip]
        flipped += before.size
        lost += int(np.count_nonzero(before & there)) - int(np.count_nonzero(~before & there))
        gained += int(np.count_nonzero(~before & ~there)) - int(np.count_nonzero(before & ~there))
        plane ^= flip
    return Effect(lost=lost, gained=gained), flipped


def _sum(effects: Iterable[Effect]) -> Effect:
    columns = zip(*map(astuple, [Effect(), *effects]), strict=True)
    return Effect(*map(sum, columns))
