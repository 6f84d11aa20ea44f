"""Fragments of a watershed and where they touch: small exact records that say what belongs together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box
from organelle.process.objects import Labels
from organelle.process.runs import Runs

Levels = NDArray[np.uint16]
Ids = NDArray[np.uint32]


@dataclass(frozen=True)
class Contacts:
    """Pairs of fragments that share faces of voxels; one row per pair, sorted, `first < second`.

    The level of a face is the lower of its two voxels' levels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    highest: NDArray[np.int64]
    """Highest level of a face: the pass between the two."""
    total: NDArray[np.int64]
    """Sum of the levels of all faces."""
    faces: NDArray[np.int64]
    """How many."""


@dataclass(frozen=True)
class Fragments:
    """All fragments of a volume, by id; index 0 is background."""

    sizes: NDArray[np.int64]
    """Voxels."""
    first_voxels: NDArray[np.int64]
    """Flat index in the volume of the first voxel; -1 for an id that is not there."""
    highest: NDArray[np.int64]
    """Highest level of a voxel."""
    contacts: Contacts

    def number(self, groups: NDArray[np.int64], min_voxels: float = 0) -> Ids:
        """What to write for each fragment when those with equal `groups` are one object.

        Objects with at least `min_voxels` are numbered from 1, in the order of their first voxel; the
        others, and ids that are not there, get 0.
        """
        there = self.sizes > 0
        sizes = np.zeros(len(self.sizes), np.int64)
        np.add.at(sizes, groups, self.sizes)
        firsts = np.full(len(self.sizes), np.iinfo(np.int64).max)
        np.minimum.at(firsts, groups[there], self.first_voxels[there])
        kept = np.unique(groups[there & (sizes[groups] >= min_voxels)])
        ids = np.zeros(len(self.sizes), np.uint32)
        ids[kept[np.argsort(firsts[kept])]] = np.arange(1, len(kept) + 1)
        return np.where(there, ids[groups], 0).astype(np.uint32)


@dataclass(frozen=True, eq=False)
class Measured:
    """The fragments in one block.

    Attributes:
        ids: which, in order; the other arrays are as long.
        sizes: voxels.
        first_voxels: flat index in the volume of the first voxel.
        highest: highest level of a voxel.
        contacts: rows (first, second, highest, total, faces) of the faces from the block's voxels onwards.
    """

    ids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first_voxels: NDArray[np.int64]
    highest: NDArray[np.int64]
    contacts: NDArray[np.int64]


def measure_fragments(
    read_labels: Callable[[Box], Labels], read_levels: Callable[[Box], Levels], volume: Box
) -> Callable[[Box], Measured]:
    """A function that gives sizes, levels and contacts of the fragments in a block.

    Args:
        read_labels: fragments, 0 is background.
        read_levels: what is measured: depth, or how open the way is.
        volume: all of it.
    """

    def measure(box: Box) -> Measured:
        around = box.grow((0, 0, 0), (1, 1, 1)).intersect(volume)
        labels = read_labels(around)
        if not labels.any():
            none = np.empty(0, np.int64)
            return Measured(none, none, none, none, np.empty((0, 5), np.int64))
        levels, own = read_levels(around), box.slices(around.start)
        contacts = _contacts(labels, levels, box.shape)
        ids, sizes, first, highest = _measure(labels[own], levels[own], box, volume)
        return Measured(ids, sizes, first, highest, contacts)

    return measure


def add_fragments(blocks: Iterable[tuple[Box, Measured]], count: int) -> Fragments:
    """The fragments 1..`count` of all blocks; the same for any blocks."""
    sizes = np.zeros(count + 1, np.int64)
    highest = np.zeros(count + 1, np.int64)
    firsts = np.full(count + 1, np.iinfo(np.int64).max)
    rows = []
    for _, found in blocks:
        sizes[found.ids] += found.sizes
        highest[found.ids] = np.maximum(highest[found.ids], found.highest)
        firsts[found.ids] = np.minimum(firsts[found.ids], found.first_voxels)
        rows.append(found.contacts)
    return Fragments(sizes, np.where(sizes > 0, firsts, -1), highest, _gathered(rows))


def merge_necks(fragments: Fragments, neck: float) -> NDArray[np.int64]:
    """Which fragments are one object, by depth: a group's number for each, the lowest id in it.

    Two pieces are apart if the pass between them is less than `neck` times as deep as the shallower of
    their deepest places, and one otherwise. Passes are looked at from the deepest on, as in the watershed
    with dynamics (Grimaud 1992), but relative to the size of the pieces.
    """
    contacts = fragments.contacts
    order = np.lexsort((contacts.second, contacts.first, -contacts.highest))
    group, deepest = _Groups(len(fragments.sizes)), fragments.highest.copy()
    for i in order.tolist():
        a, b = group.of(int(contacts.first[i])), group.of(int(contacts.second[i]))
        if a != b and contacts.highest[i] >= neck * min(deepest[a], deepest[b]):
            root = group.join(a, b)
            deepest[root] = max(deepest[a], deepest[b])
    return group.all()


def merge_open(fragments: Fragments, openness: float, scale: int) -> NDArray[np.int64]:
    """Which fragments are one object, by contact: those whose shared faces have a mean level of at least
    `openness` times `scale`. A group's number for each, the lowest id in it.
    """
    contacts = fragments.contacts
    group = _Groups(len(fragments.sizes))
    joined = contacts.total >= openness * scale * contacts.faces
    for a, b in zip(contacts.first[joined].tolist(), contacts.second[joined].tolist(), strict=True):
        group.join(group.of(a), group.of(b))
    return group.all()


class _Groups:
    """Joined numbers; a group goes by its lowest."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def of(self, a: int) -> int:
        parent = self._parent
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        return a

    def join(self, a: int, b: int) -> int:
        low, high = min(a, b), max(a, b)
        self._parent[high] = low
        return low

    def all(self) -> NDArray[np.int64]:
        return np.array([self.of(a) for a in range(len(self._parent))], np.int64)


def _measure(labels: Labels, levels: Levels, box: Box, volume: Box) -> tuple[NDArray[np.int64], ...]:
    """Ids, sizes, first voxels and highest levels."""
    some, sizes, index = Runs.of(labels).tally()
    ids = some.astype(np.int64)
    flat = labels.ravel()
    where = np.flatnonzero(flat)
    highest = np.zeros(len(ids), np.int64)
    np.maximum.at(highest, _places(flat[where], ids), levels.ravel()[where].astype(np.int64))
    inside = np.unravel_index(index, box.shape)
    place = np.ravel_multi_index([i + a for i, a in zip(inside, box.start, strict=True)], volume.shape)
    return ids, sizes, np.asarray(place, np.int64), highest


def _places(values: Labels, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of the values stands in `ids`, which hold all of them in order."""
    if not len(ids) or ids[-1] - ids[0] > len(values):  # too far apart for a table
        return np.asarray(np.searchsorted(ids, values), np.int64)
    table = np.zeros(int(ids[-1] - ids[0]) + 1, np.int64)
    table[ids - ids[0]] = np.arange(len(ids))
    return np.asarray(table[values - ids[0]])


def _contacts(labels: Labels, levels: Levels, own: tuple[int, ...]) -> NDArray[np.int64]:
    """Rows (first, second, highest, total, faces) of the faces from the block's own voxels onwards."""
    rows = []
    for axis in range(3):
        here = [slice(0, n) for n in own]
        there = [slice(0, n) for n in own]
        length = min(own[axis], labels.shape[axis] - 1)
        here[axis], there[axis] = slice(0, length), slice(1, length + 1)
        a, b = labels[tuple(here)], labels[tuple(there)]
        touch = (a != b) & (a > 0) & (b > 0)
        level = np.minimum(levels[tuple(here)][touch], levels[tuple(there)][touch]).astype(np.int64)
        pair = np.sort(np.stack([a[touch], b[touch]], axis=1).astype(np.int64), axis=1)
        rows.append(np.column_stack([pair, level, level, np.ones_like(level)]))
    return _reduced(np.concatenate(rows))


def _reduced(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """One row per pair."""
    pairs, index = np.unique(rows[:, :2], axis=0, return_inverse=True)
    result = np.zeros((len(pairs), 5), np.int64)
    result[:, :2] = pairs
    np.maximum.at(result[:, 2], index.ravel(), rows[:, 2])
    np.add.at(result[:, 3], index.ravel(), rows[:, 3])
    np.add.at(result[:, 4], index.ravel(), rows[:, 4])
    return result


def _gathered(rows: Iterable[NDArray[np.int64]]) -> Contacts:
    table = _reduced(np.concatenate([np.empty((0, 5), np.int64), *rows]))
    return Contacts(*(np.ascontiguousarray(column) for column in table.T))
