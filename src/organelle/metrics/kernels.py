"""The passes over whole volumes behind the metric, compiled; all release the interpreter.

All go from run to run: a run is a stretch of a row (voxels along x) in which nothing changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

Array = NDArray[Any]
Ints = NDArray[np.int64]
Int = Any
"""A whole number of whichever type numba gives it."""


@njit(nogil=True, cache=True)
def _marks(width: Int) -> Array:
    """Room for one mark per voxel of a row, in whole groups of 8."""
    return np.zeros((width + 7) // 8 * 8, np.uint8)


@njit(nogil=True, cache=True)
def _runs(first: Array, second: Array, marks: Array, begins: Ints) -> Int:
    """Write down where the runs of a row of two volumes begin, and its end after the last; count them.

    Most voxels equal their neighbour: the first loop is done by vector instructions, the second looks at
    8 voxels at once.
    """
    for x in range(1, first.size):
        marks[x] = (first[x] != first[x - 1]) | (second[x] != second[x - 1])
    marks[0] = 1
    groups, n = marks.view(np.uint64), 0
    for group in range(groups.size):
        if groups[group]:
            for x in range(8 * group, 8 * group + 8):
                begins[n] = x
                n += marks[x]
    begins[n] = first.size
    return n


@njit(nogil=True, cache=True)
def tally(
    truth: Array, components: Array, width: int, n_truth: int, n_components: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """Sizes, runs and common voxels of all labels of two flat volumes with rows of `width`.

    Returns:
        Voxels and runs per truth id, and per component; keys `truth * (n_components + 1) + component` of
        all pairs that share a voxel, unsorted, with keys 0 between them, and how many voxels and runs they
        share. All counts have two columns: voxels, runs.
    """
    of_truth, of_components = np.zeros((n_truth + 1, 2), np.int64), np.zeros((n_components + 1, 2), np.int64)
    mask = np.int64(1023)
    keys, counts = np.zeros(mask + 1, np.int64), np.zeros((mask + 1, 2), np.int64)
    used, slot, last = 0, np.int64(0), np.int64(0)
    marks, begins = _marks(width), np.empty(width + 9, np.int64)
    for row in range(0, truth.size, width):
        for k in range(_runs(truth[row : row + width], components[row : row + width], marks, begins)):
            i, length = row + begins[k], begins[k + 1] - begins[k]
            t, c = truth[i], components[i]
            if t:
                of_truth[t, 0] += length
                of_truth[t, 1] += 1
            if c:
                of_components[c, 0] += length
                of_components[c, 1] += 1
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
                counts[slot, 0] += length
                counts[slot, 1] += 1
    return of_truth, of_components, keys, counts


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
    new_keys, new_counts = np.zeros(mask + 1, np.int64), np.zeros((mask + 1, 2), np.int64)
    for i in range(len(keys)):
        if keys[i]:
            place = _slot(new_keys, mask, keys[i])
            new_keys[place], new_counts[place] = keys[i], counts[i]
    return new_keys, new_counts, mask


class Near(NamedTuple):
    """What is known of the objects of some lists, by the keys of the lists.

    The label that is the object on the other side; how far along x is no farther than the largest distance
    known; a step (z, y, x) that is no farther, and often leads to the object (all 0: none is known).
    """

    labels: Array
    reach: Ints
    ways: Ints


@njit(nogil=True, cache=True)
def list_strays(
    truth: Array,
    components: Array,
    shape: Ints,
    every: int,
    new: Array,
    by_truth: Ints,
    within: Ints,
    by_component: Ints,
    near_components: Near,
    near_truth: Near,
    begins: Array,
    lengths: Array,
) -> None:
    """Write down the runs in which a voxel belongs to an object on one side only.

    Runs that a single look shows to be no farther than what is known are left out: this pass meets them in
    the order of memory, so that a look costs little.

    Args:
        truth: flat ids.
        components: flat numbers.
        shape: z, y, x.
        every: 1 for all rows, n for every n-th only.
        new: id that each component stands for; 0 for none.
        by_truth: per id the next free entry for runs of truth whose component stands for another, or -1;
            is moved on.
        within: the same per component, for runs of it inside of the object that it stands for.
        by_component: the same per component, for runs of it outside of that object.
        near_components: what is known of the lists of `by_truth`.
        near_truth: what is known of the lists of `by_component`.
        begins: receives the flat voxel in which each run begins, ascending per list.
        lengths: receives how long it is. Runs of one list that touch become one.
    """
    width = shape[2]
    marks, edges = _marks(width), np.empty(width + 9, np.int64)
    start_truth, start_within, start_component = by_truth.copy(), within.copy(), by_component.copy()
    for line in range(0, shape[0] * shape[1], every):
        z, y, row = line // shape[1], line % shape[1], line * width
        for k in range(_runs(truth[row : row + width], components[row : row + width], marks, edges)):
            x, length = edges[k], edges[k + 1] - edges[k]
            i = row + x
            t, c = np.int64(truth[i]), np.int64(components[i])
            if new[c] != t:
                if by_truth[t] >= 0 and not _is_near(components, z, y, x, length, shape, near_components, t):
                    _add(by_truth, start_truth, t, begins, lengths, i, length, row)
                if by_component[c] >= 0 and not _is_near(truth, z, y, x, length, shape, near_truth, c):
                    _add(by_component, start_component, c, begins, lengths, i, length, row)
            elif within[c] >= 0:
                _add(within, start_within, c, begins, lengths, i, length, row)


@njit(nogil=True, cache=True)
def _is_near(goal: Array, z: Int, y: Int, x: Int, length: Int, shape: Ints, near: Near, key: Int) -> bool:
    """Whether the object is beside a short run, or lies the way that is known from all of its voxels."""
    label, end = near.labels[key], x + length
    row = (z * shape[1] + y) * shape[2]
    if length <= near.reach[key] and (
        (x > 0 and goal[row + x - 1] == label) or (end < shape[2] and goal[row + end] == label)
    ):
        return True
    dz, dy, dx = near.ways[key, 0], near.ways[key, 1], near.ways[key, 2]
    inside = 0 <= z + dz < shape[0] and 0 <= y + dy < shape[1] and x + dx >= 0 and end + dx <= shape[2]
    if not inside or (dz == 0 and dy == 0 and dx == 0):
        return False
    row += (dz * shape[1] + dy) * shape[2] + dx
    differs = False
    for i in range(row + x, row + end):
        differs |= goal[i] != label
    return not differs


@njit(nogil=True, cache=True)
def _add(
    cursors: Ints, starts: Ints, key: Int, begins: Array, lengths: Array, i: Int, length: Int, row: Int
) -> None:
    k = cursors[key]
    if k > starts[key] and i > row and np.int64(begins[k - 1]) + np.int64(lengths[k - 1]) == i:
        lengths[k - 1] += length
    else:
        begins[k], lengths[k] = i, length
        cursors[key] = k + 1


@njit(nogil=True, cache=True)
def list_blocks(labels: Array, shape: Ints, edges: Ints, grid: Ints, cursors: Ints, blocks: Array) -> None:
    """Write down in which blocks of the volume labels lie.

    Args:
        labels: flat.
        shape: z, y, x.
        edges: of a block, in voxels.
        grid: blocks per axis.
        cursors: per label the next free entry of `blocks`, or -1; is moved on. No more entries are made
            than the label has voxels, and no more than two per run and one per `edges[2]` voxels.
        blocks: receives numbers of blocks, sometimes the same one several times.
    """
    width = shape[2]
    marks, begins = _marks(width), np.empty(width + 9, np.int64)
    latest = np.full(grid[0] * grid[1] * grid[2], -1, np.int64)
    for line in range(shape[0] * shape[1]):
        z, y = line // shape[1], line % shape[1]
        first = (z // edges[0] * grid[1] + y // edges[1]) * grid[2]
        row = labels[line * width : (line + 1) * width]
        for k in range(_runs(row, row, marks, begins)):
            label = np.int64(row[begins[k]])
            if cursors[label] < 0:
                continue
            for block in range(first + begins[k] // edges[2], first + (begins[k + 1] - 1) // edges[2] + 1):
                if latest[block] != label:
                    latest[block] = label
                    blocks[cursors[label]] = block
                    cursors[label] += 1
