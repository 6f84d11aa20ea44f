"""Distances within a reach, compiled; all release the interpreter, which `edt` does not.

Squared distances come together axis by axis: the nearest source of a voxel is found among the nearest ones
of the voxels on one line through it (Saito and Toriwaki 1994). As only distances up to a reach are wanted,
each voxel looks a few voxels along the line, which for the reaches of targets beats the methods whose
cost does not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

BLOCK = 1024
"""Numbers of a row that are worked on together, so that a window of rows stays in the cache."""


@njit(nogil=True, cache=True)
def spread_in_rows(there: NDArray[np.bool_], step: float, most: float, squares: NDArray[np.float32]) -> None:
    """Squared distance to the nearest voxel along the row that is `there`; `most` where that is nearer.

    Args:
        there: [row, x].
        step: distance of neighbours.
        most: largest squared distance.
        squares: [row, x], receives the result.
    """
    rows, n = there.shape
    for row in range(rows):
        since = np.inf
        for x in range(n):
            since = 0.0 if there[row, x] else since + step
            squares[row, x] = min(since * since, most)
        since = np.inf
        for x in range(n - 1, -1, -1):
            since = 0.0 if there[row, x] else since + step
            squares[row, x] = min(np.float32(since * since), squares[row, x])


@njit(nogil=True, cache=True)
def spread_across(squares: NDArray[np.float32], step: float, reach: int, result: NDArray[np.float32]) -> None:
    """Let squared distances spread along the middle axis, up to `reach` voxels.

    Args:
        squares: [a, n, b].
        step: distance of neighbours along n.
        reach: voxels to look each way.
        result: [a, n, b].
    """
    outer, n, inner = squares.shape
    for i in range(outer):
        for start in range(0, inner, BLOCK):
            stop = min(inner, start + BLOCK)
            for j in range(n):
                nearest = result[i, j, start:stop]
                nearest[:] = squares[i, j, start:stop]
                for k in range(max(0, j - reach), min(n, j + reach + 1)):
                    if k != j:
                        _take_nearer(nearest, squares[i, k, start:stop], np.float32(((j - k) * step) ** 2))


@njit(nogil=True, cache=True, inline="always")
def _take_nearer(nearest: NDArray[np.float32], other: NDArray[np.float32], more: np.float32) -> None:
    for x in range(nearest.size):
        square = other[x] + more
        nearest[x] = square if square < nearest[x] else nearest[x]


@njit(nogil=True, cache=True)
def spread_changes(
    labels: NDArray[Any],
    squares: NDArray[np.float32],
    step: float,
    reach: int,
    result: NDArray[np.float32],
) -> None:
    """Squared distance to the nearest voxel of another label, with one more axis, the middle one, looked at.

    Beyond a voxel of another label nothing is nearer than that one, so each look ends there.

    Args:
        labels: [a, n, b]; nothing is done where 0.
        squares: [a, n, b], squared distances without this axis; the largest that is wanted where none.
        step: distance of neighbours along n.
        reach: voxels to look each way.
        result: [a, n, b].
    """
    outer, n, inner = labels.shape
    for i in range(outer):
        for j in range(n):
            for x in range(inner):
                label = labels[i, j, x]
                nearest = squares[i, j, x]
                if label == 0:
                    result[i, j, x] = nearest
                    continue
                for way in (-1, 1):
                    for away in range(1, reach + 1):
                        k = j + way * away
                        more = np.float32((away * step) ** 2)
                        if not 0 <= k < n or more >= nearest:
                            break
                        if labels[i, k, x] != label:
                            nearest = more
                            break
                        nearest = min(nearest, squares[i, k, x] + more)
                result[i, j, x] = nearest
