"""Every point that a row lost goes to one fault: the rules, on tables of objects, without voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from organelle.metrics.fault_partners import Partners
from organelle.metrics.overlap import Overlap

Array = np.ndarray[Any, np.dtype[Any]]

MISSED, INVENTED, MERGED, SPLIT, DISPLACED = range(5)

TP, FP, FN, SUM, TERMS = range(5)
"""Columns of `SortedFaults.changes`."""


@dataclass(frozen=True, slots=True, eq=False)
class SortedFaults:
    """Faults as columns; they are numbered from 1, in tables of objects 0 stands for none.

    Attributes:
        kinds: one of `MISSED` ... `DISPLACED`.
        changes: [fault, 5] what the counts gain: tp, fp, fn, sum of terms or IoU, number of terms.
        anchors: [fault, 2] truth id or component in which the place is looked for; 0, 0: anywhere.
        of_truth: [id] the fault that a truth object takes part in.
        of_component: [number] the same for components.
        truth: rows of (fault, id), sorted: who takes part.
        components: rows of (fault, number), sorted.
        gathered: how many faults each stands for.
    """

    kinds: Array
    changes: Array
    anchors: Array
    of_truth: Array
    of_component: Array
    truth: Array
    components: Array
    gathered: Array


def sort_faults(overlap: Overlap, pairs: Partners) -> SortedFaults:
    """The rules of `object_faults`, without its places."""
    alone = np.flatnonzero((overlap.truth_sizes > 0) & (pairs.of_truth == 0))
    left = 1 + np.flatnonzero(pairs.of_component[1:] == 0)
    paired = np.flatnonzero(pairs.of_truth)
    swallower = _mostly_in(overlap, alone, of_truth=True)
    broken = _mostly_in(overlap, left, of_truth=False)
    owned = np.isin(pairs.of_truth[paired], swallower) | np.isin(paired, broken)
    keys = (
        alone[swallower == 0],
        left[broken == 0],
        np.unique(swallower[swallower > 0]),
        np.unique(broken[broken > 0]),
        paired[~owned & ((pairs.lacks[paired] > 0) | ~pairs.counted[paired])],
    )
    number = _Numbering(keys)
    of_truth, of_component = np.zeros_like(pairs.of_truth), np.zeros_like(pairs.of_component)
    for kind, objects in (
        (DISPLACED, keys[DISPLACED]),
        (SPLIT, keys[SPLIT]),
        (MERGED, pairs.of_component[keys[MERGED]]),  # a merge goes before a split of the same object
    ):
        of_truth[objects] = number.of(kind, keys[kind])
    of_component[pairs.of_truth[paired]] = of_truth[paired]
    of_truth[keys[MISSED]] = number.of(MISSED, keys[MISSED])
    of_truth[alone[swallower > 0]] = number.of(MERGED, swallower[swallower > 0])
    of_component[keys[INVENTED]] = number.of(INVENTED, keys[INVENTED])
    of_component[left[broken > 0]] = number.of(SPLIT, broken[broken > 0])
    anchors = np.zeros((number.n, 2), np.int64)
    _anchor(anchors[:, 0], of_truth, alone, overlap.truth_sizes)
    _anchor(anchors[:, 1], of_component, left, overlap.component_sizes)
    changes = np.zeros((number.n + 1, 5))
    _count_alone(changes, of_truth[alone], of_component[left], pairs, left)
    _count_paired(changes, of_truth[paired], pairs, paired)
    split = np.stack([number.of(SPLIT, keys[SPLIT]), keys[SPLIT]], 1)
    return SortedFaults(
        number.kinds,
        changes[1:],
        anchors,
        of_truth,
        of_component,
        np.unique(np.concatenate([_members(of_truth), split]), axis=0),
        _members(of_component),
        np.ones(number.n, np.int64),
    )


def sort_pieces(missed: Array, voxels: Array) -> SortedFaults:
    """Faults of a semantic class: pieces from 1 on, whether each is missed, and its voxels (same order)."""
    n = len(missed)
    changes = np.zeros((n, 5))
    changes[:, TP] = np.where(missed, voxels, 0)
    changes[:, FN] = -changes[:, TP]
    changes[:, FP] = changes[:, TP] - voxels
    numbers = np.arange(n + 1)
    itself = np.stack([numbers[1:], numbers[1:]], 1)
    return SortedFaults(
        np.where(missed, MISSED, INVENTED),
        changes,
        np.stack([0 * numbers[1:], numbers[1:]], 1),
        np.zeros(1, np.int64),
        numbers,
        itself[:0],
        itself,
        np.ones(n, np.int64),
    )


def gather_small(faults: SortedFaults, most: int) -> SortedFaults:
    """At most `most` faults of a kind; the last holds all that cost less than the others."""
    weights = faults.changes[:, [TP, SUM]].sum(axis=1) - faults.changes[:, [FP, FN]].sum(axis=1)
    target = np.arange(len(faults.kinds))
    for kind in range(5):
        own = np.flatnonzero(faults.kinds == kind)
        if len(own) > most:
            rest = own[np.argsort(-weights[own], kind="stable")][most - 1 :]
            target[rest] = rest[0]
    kept, new = np.unique(target, return_inverse=True)
    if len(kept) == len(target):
        return faults
    changes, gathered = np.zeros((len(kept), 5)), np.zeros(len(kept), np.int64)
    np.add.at(changes, new, faults.changes)
    np.add.at(gathered, new, faults.gathered)
    number = np.concatenate([[0], 1 + new])
    return replace(
        faults,
        kinds=faults.kinds[kept],
        changes=changes,
        anchors=faults.anchors[kept],
        of_truth=number[faults.of_truth],
        of_component=number[faults.of_component],
        truth=_renumbered(faults.truth, number, gathered),
        components=_renumbered(faults.components, number, gathered),
        gathered=gathered,
    )


class _Numbering:
    """Faults numbered by kind, and in a kind by a key that increases."""

    def __init__(self, keys: Sequence[Array]) -> None:
        lengths = [len(group) for group in keys]
        self._keys, self._before, self.n = keys, np.cumsum([0, *lengths]), sum(lengths)
        self.kinds = np.repeat(np.arange(len(keys)), lengths)

    def of(self, kind: int, keys: Array) -> Array:
        return np.asarray(1 + self._before[kind] + np.searchsorted(self._keys[kind], keys))


def _mostly_in(overlap: Overlap, alone: Array, *, of_truth: bool) -> Array:
    """For each object the one on the other side that covers more than half of it, else 0."""
    sides = (overlap.truth, overlap.component, overlap.truth_sizes)
    own, other, sizes = sides if of_truth else (overlap.component, overlap.truth, overlap.component_sizes)
    inside = 2 * overlap.voxels > sizes[own]
    cover = np.zeros(len(sizes), np.int64)
    cover[own[inside]] = other[inside]
    return np.asarray(cover[alone])


def _anchor(anchors: Array, fault_of: Array, alone: Array, sizes: Array) -> None:
    """The largest of the objects without a partner that are one fault."""
    order = alone[np.argsort(sizes[alone], kind="stable")]
    anchors[fault_of[order] - 1] = order


def _count_alone(changes: Array, missed: Array, extra: Array, pairs: Partners, left: Array) -> None:
    np.add.at(changes, missed, [1, 0, -1, 1 - pairs.lonely, 0])
    np.add.at(changes, extra, [0, -1, 0, -pairs.lonely if pairs.has_terms else 0, -int(pairs.has_terms)])
    np.add.at(changes[:, SUM], extra, pairs.disturbs[left])


def _count_paired(changes: Array, fault: Array, pairs: Partners, ids: Array) -> None:
    """What pairs lack; row 0, the pairs that lack nothing, is not read."""
    counted = pairs.counted[ids]
    np.add.at(changes[:, SUM], fault, np.where(counted, pairs.lacks[ids], 1.0))
    np.add.at(changes, fault[~counted], [1, -1, -1, 0, 0])


def _members(fault_of: Array) -> Array:
    """Rows of (fault, object), sorted."""
    objects = np.flatnonzero(fault_of)
    objects = objects[np.argsort(fault_of[objects], kind="stable")]
    return np.stack([fault_of[objects], objects], 1)


def _renumbered(members: Array, number: Array, gathered: Array) -> Array:
    """Members of the faults that stand alone, under their new numbers."""
    faults = number[members[:, 0]]
    alone = gathered[faults - 1] == 1
    moved = np.stack([faults, members[:, 1]], 1)[alone]
    return np.asarray(moved[np.argsort(moved[:, 0], kind="stable")])
