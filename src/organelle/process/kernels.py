"""Loops over voxels and runs, compiled; all release the interpreter.

A run is a stretch of a row (voxels along x) of one value.
"""

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
def find_runs(volume: Array, rows: Ints, ends: NDArray[np.int32], values: Array) -> Int:
    """Write down the runs of all rows of a volume (row, x): where each ends and its value; count them.

    `rows` gets the index of each row's first run, and the count behind the last.
    """
    width = volume.shape[1]
    marks = np.zeros((width + 7) // 8 * 8, np.uint8)
    groups = marks.view(np.uint64)
    n = 0
    for row in range(volume.shape[0]):
        rows[row] = n
        line = volume[row]
        for x in range(1, width):  # by vector instructions
            marks[x] = line[x] != line[x - 1]
        for group in range(groups.size):  # 8 voxels at once: most equal their neighbour
            if groups[group]:
                for x in range(8 * group, 8 * group + 8):
                    if marks[x]:
                        ends[n] = x
                        values[n] = line[x - 1]
                        n += 1
        ends[n] = width
        values[n] = line[width - 1]
        n += 1
    rows[volume.shape[0]] = n
    return n


@njit(nogil=True, cache=True)
def fill_runs(
    out: Array, rows: Ints, ends: NDArray[np.int32], values: Array, height: Int, start: tuple[Int, Int, Int]
) -> None:
    """Draw the runs of a volume of planes of `height` rows into `out`, the box that begins at `start`.

    `out` is 0 at first.
    """
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            row = (start[0] + z) * height + start[1] + y
            line = out[z, y]
            low = np.int64(0)
            for run in range(rows[row], rows[row + 1]):
                high = min(np.int64(ends[run]) - start[2], np.int64(line.size))
                if high <= low:
                    continue
                value = values[run]
                if value:
                    for x in range(low, high):
                        line[x] = value
                if high == line.size:
                    break
                low = high


@njit(nogil=True, cache=True)
def _root(parents: NDArray[np.int32], run: Int) -> Int:
    """The first run of the piece that a run belongs to, as far as it is known; shortens the way to it."""
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run


@njit(nogil=True, cache=True)
def _join_rows(
    row: tuple[Int, Int],
    other: tuple[Int, Int],
    begins: NDArray[np.int32],
    ends: NDArray[np.int32],
    values: Array,
    parents: NDArray[np.int32],
) -> None:
    """Join the runs of one row with those of an earlier one of equal value that touch them.

    Rows are given by their first run and the one behind their last, runs by where they touch: `begins` and
    `ends` reach one voxel further where diagonal neighbours count.
    """
    k = other[0]
    for run in range(row[0], row[1]):
        begin, end = begins[run], ends[run]
        while k < other[1] and ends[k] <= begin:
            k += 1
        touching = k
        while touching < other[1] and begins[touching] < end:
            if values[touching] == values[run] and parents[touching] != parents[run]:
                first, second = _root(parents, run), _root(parents, touching)
                parents[max(first, second)] = min(first, second)
            touching += 1


@njit(nogil=True, cache=True)
def label_runs(
    rows: Ints,
    ends: NDArray[np.int32],
    values: Array,
    height: Int,
    diagonal: Int,
    pieces: NDArray[np.uint32],
) -> Int:
    """Number the connected pieces of each value but 0, from 1 in the order of their first run; count them.

    Args:
        rows: as of `find_runs`, for planes of `height` rows.
        ends: where runs end.
        values: of the runs.
        height: rows of a plane.
        diagonal: 1 joins across faces, edges and corners, 0 across faces only.
        pieces: gets the number of each run's piece.
    """
    lines = np.empty(rows.size, np.int64)
    low, high = np.empty(values.size, np.int32), np.empty(values.size, np.int32)
    kinds = np.empty_like(values)
    n = 0
    for row in range(rows.size - 1):  # runs of background are left out
        lines[row] = n
        begin = np.int32(0)
        for run in range(rows[row], rows[row + 1]):
            if values[run]:
                low[n], high[n], kinds[n] = begin, ends[run] + diagonal, values[run]
                n += 1
            begin = ends[run]
    lines[rows.size - 1] = n
    parents = np.arange(n).astype(np.int32)
    for row in range(rows.size - 1):
        here = (lines[row], lines[row + 1])
        if here[0] == here[1]:
            continue
        y = row % height
        for z_step in range(2):
            for y_step in range(-1, 2):
                earlier = z_step == 1 or y_step == -1
                straight = z_step == 0 or y_step == 0
                if earlier and (straight or diagonal) and row >= z_step * height and 0 <= y + y_step < height:
                    other = row - z_step * height + y_step
                    _join_rows(here, (lines[other], lines[other + 1]), low, high, kinds, parents)
    count = n = 0
    for run in range(values.size):
        if values[run] == 0:
            pieces[run] = 0
            continue
        if parents[n] == n:
            count += 1
            low[n] = count
        else:
            low[n] = low[_root(parents, n)]
        pieces[run] = low[n]
        n += 1
    return count


@njit(nogil=True, cache=True)
def count_runs(
    rows: Ints, ends: NDArray[np.int32], values: Array, width: Int, sizes: Ints, first: Ints
) -> None:
    """Voxels and flat index of the first voxel of each piece, by its number less one; 0 is left out."""
    for row in range(rows.size - 1):
        begin = np.int64(0)
        for run in range(rows[row], rows[row + 1]):
            piece = np.int64(values[run]) - 1
            if piece >= 0:
                if sizes[piece] == 0:
                    first[piece] = row * width + begin
                sizes[piece] += ends[run] - begin
            begin = np.int64(ends[run])


@njit(nogil=True, cache=True)
def rims(around: Array, pieces: Array, lowest: Array, highest: Array) -> None:
    """The smallest and the largest label across the faces of each piece's voxels, by the piece's number.

    `around` (labels) reaches one voxel further than `pieces` on all sides.
    """
    for z in range(pieces.shape[0]):
        for y in range(pieces.shape[1]):
            for x in range(pieces.shape[2]):
                piece = pieces[z, y, x]
                if piece == 0 or lowest[piece] < highest[piece]:  # which is known to be open
                    continue
                for beside in (
                    around[z + 1, y + 1, x],
                    around[z + 1, y + 1, x + 2],
                    around[z + 1, y, x + 1],
                    around[z + 1, y + 2, x + 1],
                    around[z, y + 1, x + 1],
                    around[z + 2, y + 1, x + 1],
                ):
                    if beside:
                        lowest[piece] = min(lowest[piece], beside)
                        highest[piece] = max(highest[piece], beside)


@njit(nogil=True, cache=True)
def add_leads(labels: Array, own: Array, other: Array, fine: Int, first: Int, leads: Ints) -> None:
    """Sum up, for each label from `first` on, by how much `own` is ahead of `other`, in parts of `fine`."""
    for v in range(labels.size):
        if labels[v]:
            lead = np.rint(own[v] * fine) - np.rint(other[v] * fine)
            leads[labels[v] - first] += np.int64(lead)


@njit(nogil=True, cache=True)
def nearest_along_rows(mask: Array, costs: Array, nowhere: Int, out: Array) -> None:
    """The cost of the way along x to the nearest voxel of `mask` (row, x); `nowhere` if it is too far.

    `costs[k]` is that of k steps.
    """
    far = costs.size
    for row in range(mask.shape[0]):
        away = far
        for x in range(mask.shape[1]):
            away = 0 if mask[row, x] else min(away + 1, far)
            out[row, x] = costs[away] if away < far else nowhere
        away = far
        for x in range(mask.shape[1] - 1, -1, -1):
            away = 0 if mask[row, x] else min(away + 1, far)
            if away < far:
                out[row, x] = min(out[row, x], costs[away])


@njit(nogil=True, cache=True)
def nearest_labels_along_rows(labels: Array, costs: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """The nearest label along x of every voxel (row, x), with the cost of the way to it added.

    `costs[k]` is that of k steps; `out` is at first what stands for no label within reach.
    """
    far = costs.size
    width = labels.shape[1]
    for row in range(labels.shape[0]):
        for turn in range(2):
            label, away = np.uint64(0), far
            for step in range(width):
                x = step if turn == 0 else width - 1 - step
                away += 1
                if labels[row, x]:
                    label, away = np.uint64(labels[row, x]), 0
                if away < far:
                    out[row, x] = min(out[row, x], label + costs[away])


@njit(nogil=True, cache=True)
def cheapest_across(
    values: Array, costs: Array, outer: tuple[Int, Int], along: tuple[Int, Int], width: Int, out: Array
) -> None:
    """The least of `values` and the cost of the way to it, along one axis, for steps below `costs.size`.

    Args:
        values: flat; rows of `width` values.
        costs: of k steps, at index k.
        outer: length and stride of the axis that is neither `along` nor the rows.
        along: length and stride of the axis to step along.
        width: of a row.
        out: flat; a copy of `values` at first.
    """
    for a in range(outer[0]):
        for b in range(along[0]):
            low = a * outer[1] + b * along[1]
            line = out[low : low + width]
            for other in range(max(0, b - costs.size + 1), min(along[0], b + costs.size)):
                begin, cost = a * outer[1] + other * along[1], costs[abs(other - b)]
                beside = values[begin : begin + width]
                for x in range(width):
                    line[x] = min(line[x], beside[x] + cost)
