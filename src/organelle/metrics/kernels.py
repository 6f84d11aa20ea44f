"""The passes over whole volumes behind the metric, compiled; all release the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

Array = NDArray[Any]
Ints = NDArray[np.int64]
Int = Any
"""A whole number of whichever type numba gives it."""


@njit(nogil=True, cache=True)
def tally(truth: Array, components: Array, n_truth: int, n_components: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Sizes and common voxels of all labels of two flat volumes, from one pass over runs of equal voxels.

    Returns:
        Voxels per truth id and per component (background: 0); keys `truth * (n_components + 1) +
        component` of all pairs that share a voxel, unsorted, and how many they share.
    """
    truth_sizes, sizes = np.zeros(n_truth + 1, np.int64), np.zeros(n_components + 1, np.int64)
    mask = np.int64(1023)
    keys, counts = np.zeros(mask + 1, np.int64), np.zeros(mask + 1, np.int64)
    used, slot, last, i = 0, np.int64(0), np.int64(0), 0
    while i < truth.size:
        t, c, start = truth[i], components[i], i
        i += 1
        while i < truth.size and truth[i] == t and components[i] == c:
            i += 1
        if t:
            truth_sizes[t] += i - start
        if c:
            sizes[c] += i - start
        if t and c:
            key = np.int64(t) * (n_components + 1) + np.int64(c)
            if key != last:
                last, slot = key, _slot(keys, mask, key)
                if keys[slot] == 0:
                    keys[slot] = key
                    used += 1
                    if 2 * used > mask:
                        keys, counts, mask = _larger(keys, counts)
                        slot = _slot(keys, mask, key)
            counts[slot] += i - start
    there = keys > 0
    return truth_sizes, sizes, keys[there], counts[there]


@njit(nogil=True, cache=True)
def _slot(keys: Ints, mask: Int, key: Int) -> Int:
    """Where `key` is, or may be put (Fibonacci hashing, then one step at a time)."""
    place = (key * np.int64(-7046029254386353131) >> 20) & mask
    while keys[place] != 0 and keys[place] != key:
        place = (place + 1) & mask
    return place


@njit(nogil=True, cache=True)
def _larger(keys: Ints, counts: Ints) -> tuple[Ints, Ints, Int]:
    mask = np.int64(2 * len(keys) - 1)
    new_keys, new_counts = np.zeros(mask + 1, np.int64), np.zeros(mask + 1, np.int64)
    for i in range(len(keys)):
        if keys[i]:
            place = _slot(new_keys, mask, keys[i])
            new_keys[place], new_counts[place] = keys[i], counts[i]
    return new_keys, new_counts, mask


@njit(nogil=True, cache=True)
def list_strays(
    truth: Array, components: Array, new: Array, first: Ints, second: Ints, places: Array
) -> None:
    """Write down where a voxel belongs to an object on one side only.

    Args:
        truth: flat ids.
        components: flat numbers.
        new: id that each component stands for; 0 for none.
        first: per id the next free entry of `places` for voxels of truth alone, or -1; is moved on.
        second: the same for voxels of the prediction alone.
        places: receives indices of flat voxels, ascending per list.
    """
    for i in range(truth.size):
        t, r = np.int64(truth[i]), np.int64(new[components[i]])
        if t != r:
            if first[t] >= 0:
                places[first[t]] = i
                first[t] += 1
            if second[r] >= 0:
                places[second[r]] = i
                second[r] += 1


@njit(nogil=True, cache=True)
def list_blocks(labels: Array, meaning: Array, wanted: Array, edges: Ints, grid: Ints) -> tuple[Ints, Ints]:
    """In which blocks of the volume each object lies.

    Args:
        labels: z, y, x.
        meaning: the id of each label.
        wanted: [id] whether to list it.
        edges: of a block, in voxels.
        grid: blocks per axis.

    Returns:
        First entry of each id (and the end of the last), and numbers of blocks, ascending.
    """
    seen = np.full(grid[0] * grid[1] * grid[2], -1, np.int64)
    ids, blocks, n = np.empty(1024, np.int64), np.empty(1024, np.int64), 0
    starts = np.zeros(len(wanted) + 1, np.int64)
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = (z // edges[0] * grid[1] + y // edges[1]) * grid[2]
            x = 0
            while x < labels.shape[2]:
                value, first = labels[z, y, x], x
                x += 1
                while x < labels.shape[2] and labels[z, y, x] == value:
                    x += 1
                label = np.int64(meaning[value])
                if not wanted[label]:
                    continue
                for block in range(row + first // edges[2], row + (x - 1) // edges[2] + 1):
                    if seen[block] != label:
                        seen[block] = label
                        if n == len(ids):
                            ids, blocks = _longer(ids), _longer(blocks)
                        ids[n], blocks[n] = label, block
                        starts[label + 1] += 1
                        n += 1
    starts = np.cumsum(starts)
    next_entry, ordered = starts.copy(), np.empty(n, np.int64)
    for i in range(n):
        ordered[next_entry[ids[i]]] = blocks[i]
        next_entry[ids[i]] += 1
    kept = 0
    for which in range(len(wanted)):  # a block that two objects share may be there several times
        own = np.sort(ordered[starts[which] : starts[which + 1]])
        starts[which] = kept
        for i in range(len(own)):
            if i == 0 or own[i] != own[i - 1]:
                ordered[kept] = own[i]
                kept += 1
    starts[len(wanted)] = kept
    return starts, ordered[:kept]


@njit(nogil=True, cache=True)
def _longer(values: Ints) -> Ints:
    longer = np.empty(2 * len(values), np.int64)
    longer[: len(values)] = values
    return longer
