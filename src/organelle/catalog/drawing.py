"""Which groups of crops are held out: drawn by chance, so that only their share counts.

Here and in `stratify` a group is its number in a list, and lists come in random order.
"""

from __future__ import annotations

from collections.abc import Sequence


def draw_at_random(sizes: Sequence[int], ratio: float, pinned: set[int], held_anyway: set[int]) -> set[int]:
    """Groups to hold out until their share of the crops is as near to `ratio` as it gets.

    Wherever there are two groups and the ratio is not 0, each side gets at least one.

    Args:
        sizes: Crops of each group.
        ratio: Share to hold out.
        pinned: Groups that stay in training. At least one group is neither pinned nor held anyway.
        held_anyway: Groups that are held out, whatever the ratio.
    """
    free = [g for g in range(len(sizes)) if g not in pinned | held_anyway]
    held = fill_to_ratio(sizes, ratio, free, held_anyway)
    if ratio > 0 and not held:
        held.add(min(free, key=lambda g: sizes[g]))
    if len(held) == len(sizes):
        total = sum(sizes)
        held.remove(min(free, key=lambda g: abs(total - sizes[g] - ratio * total)))
    return held


def fill_to_ratio(sizes: Sequence[int], ratio: float, free: Sequence[int], held: set[int]) -> set[int]:
    """`held` and those of `free`, in order, that bring the share of the crops nearer to `ratio`."""
    chosen = set(held)
    target, count = ratio * sum(sizes), sum(sizes[g] for g in held)
    for group in free:
        if abs(count + sizes[group] - target) < abs(count - target):
            chosen.add(group)
            count += sizes[group]
    return chosen


def deal_at_random(sizes: Sequence[int], folds: int) -> list[int]:
    """A fold for each group: the one with the fewest crops so far."""
    count = [0] * folds
    dealt = []
    for size in sizes:
        fold = count.index(min(count))
        count[fold] += size
        dealt.append(fold)
    return dealt
