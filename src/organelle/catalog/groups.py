"""Crops that share volume hang together: what one side of a split has seen, the other has seen, too.

Pairs are found by a grid of several levels. Each crop stands in the (at most 8) cells that it meets on the
level whose cells are just larger than its longest edge, and looks into those that it meets on all coarser
levels: the time grows with the crops and their pairs, however different in size they are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from organelle.catalog.records import Crop
from organelle.geometry import Extent

Group = tuple[Crop, ...]
Cell = tuple[str, int, int, int, int]
"""Dataset, level (cells of 2**level nm), and place on the z, y and x axes."""


def crop_groups(crops: Iterable[Crop]) -> tuple[Group, ...]:
    """Crops that hang together through shared volume; a crop that meets no other is a group of its own.

    Crops keep their order within a group, and groups stand in the order of their last crops.
    """
    chosen = tuple(crops)
    leader = list(range(len(chosen)))
    for first, second in _pairs(chosen):
        leader[_follow(leader, first)] = _follow(leader, second)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for position in range(len(chosen)):
        groups[_follow(leader, position)].append(position)
    ordered = sorted(groups.values(), key=lambda group: group[-1])
    return tuple(tuple(chosen[position] for position in group) for group in ordered)


def overlapping_pairs(first: Sequence[Crop], second: Sequence[Crop]) -> tuple[tuple[Crop, Crop], ...]:
    """Every (crop of `first`, crop of `second`) that share volume, in the order of the two."""
    both, split = (*first, *second), len(first)
    ordered = sorted((min(pair), max(pair)) for pair in _pairs(both))
    return tuple((both[a], both[b]) for a, b in ordered if a < split <= b)


def share_volume(a: Crop, b: Crop) -> bool:
    """Whether two crops of one dataset overlap; faces that touch do not count."""
    return a.dataset == b.dataset and a.extent.overlaps(b.extent)


def groups_per_class(groups: Iterable[Group], classes: Iterable[str]) -> dict[str, int]:
    """For each class the number of groups that annotate it."""
    annotated = [{name for crop in group for name in crop.classes} for group in groups]
    return {name: sum(name in found for found in annotated) for name in classes}


def _pairs(crops: Sequence[Crop]) -> Iterator[tuple[int, int]]:
    """Positions of all pairs of crops that share volume, each once."""
    extents = [crop.extent for crop in crops]
    level_of = [math.frexp(max(extent.shape_nm))[1] for extent in extents]
    standing: defaultdict[Cell, list[int]] = defaultdict(list)
    levels: defaultdict[str, set[int]] = defaultdict(set)
    for this in sorted(range(len(crops)), key=lambda position: -level_of[position]):
        dataset, extent = crops[this].dataset, extents[this]
        levels[dataset].add(level_of[this])
        cells = [cell for level in levels[dataset] for cell in _cells(dataset, extent, level)]
        near = {other for cell in cells for other in standing.get(cell, ())}
        yield from ((this, other) for other in near if extent.overlaps(extents[other]))
        for cell in _cells(dataset, extent, level_of[this]):
            standing[cell].append(this)


def _cells(dataset: str, extent: Extent, level: int) -> Iterator[Cell]:
    edge = 2.0**level
    corners = zip(extent.start_nm, extent.stop_nm, strict=True)
    spans = (range(math.floor(start / edge), math.floor(stop / edge) + 1) for start, stop in corners)
    yield from ((dataset, level, z, y, x) for z, y, x in product(*spans))


def _follow(leader: list[int], position: int) -> int:
    """The end of the chain of leaders, which is shortened on the way."""
    while leader[position] != position:
        leader[position] = leader[leader[position]]
        position = leader[position]
    return position
