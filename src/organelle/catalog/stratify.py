"""Which groups of crops are held out, so that both sides hold every class.

Two steps: a search finds sides for as few groups as it takes to bring each class to both sides, which is
set splitting (NP-complete, but small here); then the others are drawn at random and exchanged until the
share of every class is near the ratio. Folds are dealt rarest class first, after Sechidis, Tsoumakas and
Vlahavas, "On the stratification of multi-label data" (2011).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from organelle.catalog.drawing import fill_to_ratio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Sides = NDArray[np.int8]

TRAIN, VALIDATE, OPEN = 0, 1, -1

MOST_STEPS = 500
"""Decisions of one search. What is left open after so many is given up; the challenge takes a few."""
MOST_PAIRS = 20_000
"""Exchanges looked at in one step of balancing, a few hundredths of a second."""
MOST_EXCHANGES = 200


@dataclass(frozen=True, slots=True)
class _Needs:
    """Rows: one of these groups (columns of `members`) has to stand on the side `wants`."""

    members: NDArray[np.bool_]
    wants: Sides


def draw_stratified(crops: Counts, sizes: Sequence[int], ratio: float, sides: Sides) -> set[int]:
    """Groups to hold out so that each class of two or more groups stands on both sides.

    Where not all classes can, those of fewer groups come first. A class of a single group stays in
    training unless others need it held out. Coverage goes before the ratio.

    Args:
        crops: Crops of each group that annotate each class, (groups, classes).
        sizes: Crops of each group.
        ratio: Share of the crops to hold out, above 0.
        sides: 0 for groups that must train, 1 for those that must be held out, -1 for the others.
    """
    decided, needs = _cover(crops > 0, sides)
    free = [g for g in range(len(sizes)) if decided[g] == OPEN]
    held = fill_to_ratio(sizes, ratio, free, {g for g in range(len(sizes)) if decided[g] == VALIDATE})
    return _balance(crops, sizes, ratio, held, needs, [g for g in range(len(sizes)) if sides[g] == OPEN])


def deal_stratified(crops: Counts, sizes: Sequence[int], folds: int) -> list[int]:
    """A fold for each group: the rarest class is dealt first, each group to the fold that lacks it most.

    Args:
        crops: Crops of each group that annotate each class, (groups, classes).
        sizes: Crops of each group.
        folds: No more than groups; then no fold stays empty.
    """
    import numpy as np

    holds = crops > 0
    lacks = np.tile(crops.sum(0) / folds, (folds, 1))
    count = [0] * folds
    dealt = [OPEN] * len(sizes)
    while OPEN in dealt:
        group, rarest = _next(holds, sizes, np.array(dealt) == OPEN)
        has = holds[group]
        fold = max(range(folds), key=lambda f: (lacks[f, rarest].sum(), lacks[f, has].sum(), -count[f]))
        dealt[group] = fold
        lacks[fold] -= crops[group]
        count[fold] += sizes[group]
    return dealt


def _next(
    holds: NDArray[np.bool_], sizes: Sequence[int], is_open: NDArray[np.bool_]
) -> tuple[int, list[int]]:
    """The largest open group of the class that has fewest of them, and that class, if any is left."""
    import numpy as np

    left = holds[is_open].sum(0)
    rarest = [int(np.argmin(np.where(left > 0, left, len(holds) + 1)))] if left.any() else []
    among = is_open & holds[:, rarest].all(1)
    return int(np.argmax(np.where(among, sizes, -1))), rarest


def _cover(holds: NDArray[np.bool_], sides: Sides) -> tuple[Sides, _Needs]:
    """Sides that meet as many needs as can be, and those needs; groups that no need asks for stay open."""
    wishes = list(_wishes(holds))
    everything = _needs(wishes)
    found = _search(sides, everything, [MOST_STEPS])
    if found is not None:
        return found, everything
    kept: list[_Needs] = []
    best = sides
    for wish in wishes:
        found = _search(sides, _needs([*kept, wish]), [MOST_STEPS])
        if found is not None:
            best = found
            kept.append(wish)
    return best, _needs(kept)


def _wishes(holds: NDArray[np.bool_]) -> Iterable[_Needs]:
    """What the two sides should hold, what matters most first."""
    import numpy as np

    groups = holds.sum(0)
    shared = [holds[:, n] for n in np.argsort(groups, kind="stable") if groups[n] > 1]
    for members in (np.ones(len(holds), dtype=bool), *shared):  # the first: no side is empty
        yield _Needs(np.stack([members, members]), np.array([TRAIN, VALIDATE], dtype=np.int8))
    for name in np.flatnonzero(groups == 1):
        yield _Needs(holds[:, name][None], np.array([TRAIN], dtype=np.int8))


def _needs(parts: Sequence[_Needs]) -> _Needs:
    import numpy as np

    if not parts:
        return _Needs(np.zeros((0, 0), dtype=bool), np.zeros(0, dtype=np.int8))
    return _Needs(np.concatenate([p.members for p in parts]), np.concatenate([p.wants for p in parts]))


def _search(sides: Sides, needs: _Needs, steps: list[int]) -> Sides | None:
    """Sides for open groups until every need is met; None when it cannot be, or `steps` are used up."""
    import numpy as np

    known = _forced(sides, needs)
    if known is None:
        return None
    unmet = ~_met(known, needs)
    if not unmet.any():
        return known
    steps[0] -= 1
    if steps[0] < 0:
        return None
    choices = needs.members & (known == OPEN)
    row = int(np.argmin(np.where(unmet, choices.sum(1), len(sides) + 1)))
    side = needs.wants[row]
    gain = needs.members[unmet & (needs.wants == side)].sum(0)
    pick = int(np.argmax(np.where(choices[row], gain, -1)))
    for way in (side, 1 - side):
        found = _search(_with(known, pick, way), needs, steps)
        if found is not None:
            return found
    return None


def _forced(sides: Sides, needs: _Needs) -> Sides | None:
    """`sides` with what follows from needs that one last group can meet; None when a need has none left."""
    import numpy as np

    while True:
        choices = needs.members & (sides == OPEN)
        left = np.where(_met(sides, needs), len(sides) + 1, choices.sum(1))
        if not len(left) or left.min() > 1:
            return sides
        if left.min() == 0:
            return None
        row = int(np.argmin(left))
        sides = _with(sides, int(np.argmax(choices[row])), needs.wants[row])


def _met(sides: Sides, needs: _Needs) -> NDArray[np.bool_]:
    met: NDArray[np.bool_] = (needs.members & (sides == needs.wants[:, None])).any(1)
    return met


def _with(sides: Sides, group: int, side: int) -> Sides:
    changed = sides.copy()
    changed[group] = side
    return changed


def _balance(
    crops: Counts, sizes: Sequence[int], ratio: float, held: set[int], needs: _Needs, movable: list[int]
) -> set[int]:
    """Move or exchange groups as long as the shares come nearer to `ratio` and no need that was met is lost.

    Minimised is the squared distance of the share of all crops, plus the mean of that of every class.
    """
    import numpy as np

    weights = np.concatenate([np.ones(1), np.full(crops.shape[1], crops.shape[1] ** -0.5)])
    shares = np.column_stack([sizes, crops]).astype(float)
    shares *= weights / shares.sum(0)
    target = ratio * shares.sum(0)
    side = np.array([g in held for g in range(len(sizes))], dtype=np.int8)
    for _ in range(MOST_EXCHANGES):
        sign = np.where(side == VALIDATE, -1, 1)
        change = shares * sign[:, None]
        gained = (needs.members * np.where(side != needs.wants[:, None], 1, -1)).T
        support = (needs.members & (side == needs.wants[:, None])).sum(1)
        moves = _moves(side, movable)
        distance = ((shares[side == VALIDATE].sum(0) - target + _both(change, moves)) ** 2).sum(1)
        distance[(support + _both(gained, moves) < 1).any(1)] = np.inf
        best = int(np.argmin(distance))
        if distance[best] >= distance[-1] - 1e-12:  # the last move is to stay
            break
        for group in moves[best][moves[best] >= 0]:
            side[group] = 1 - side[group]
    return {int(g) for g in np.flatnonzero(side == VALIDATE)}


def _moves(side: Sides, movable: list[int]) -> NDArray[np.int64]:
    """Rows of two groups that change sides, -1 for none: every move, exchanges, and last to stay."""
    import numpy as np

    held, trained = (np.array([g for g in movable if side[g] == s], dtype=int) for s in (VALIDATE, TRAIN))
    single = np.array([[g, -1] for g in movable], dtype=int).reshape(-1, 2)
    pairs = np.stack(np.meshgrid(held, trained, indexing="ij"), axis=-1).reshape(-1, 2)[:MOST_PAIRS]
    return np.concatenate([single, pairs, [[-1, -1]]])


def _both(change: NDArray[Any], moves: NDArray[np.int64]) -> NDArray[Any]:
    """Sum of the changes that the two groups of each move bring."""
    import numpy as np

    padded = np.concatenate([change, np.zeros_like(change[:1])])
    both: NDArray[Any] = padded[moves[:, 0]] + padded[moves[:, 1]]
    return both
