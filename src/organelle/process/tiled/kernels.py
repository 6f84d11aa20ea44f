"""Flooding from seeds, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

CLOSED = 65535
"""The level of voxels that nothing floods."""


@njit(nogil=True, cache=True)
def flood_levels(
    levels: NDArray[np.uint16], labels: NDArray[np.uint32], steps: NDArray[np.int64], count: Any
) -> None:
    """Meyer's flooding with one queue per level; `labels` (seeds at first) are completed in place.

    Lower levels first, within a level first come, first served: a plateau is shared by distance. The water
    never sinks again, so that a basin without a seed is filled evenly from its lowest rim.

    Args:
        levels: flat, below `count`, or `CLOSED`; the outermost voxels of the volume must be `CLOSED`.
        labels: flat; 0 where no seed is, and where `levels` is closed.
        steps: from a voxel to its neighbours in the flat arrays.
        count: number of levels.
    """
    first = np.full(count, -1, np.int32)
    last = np.full(count, -1, np.int32)
    following = np.full(levels.size, -1, np.int32)
    for v in range(labels.size):
        if labels[v]:
            _append(first, last, following, levels[v], v)
    for level in range(count):
        v = first[level]
        while v >= 0:
            for step in steps:
                w = v + step
                if labels[w] == 0 and levels[w] != CLOSED:
                    labels[w] = labels[v]
                    _append(first, last, following, max(level, np.int64(levels[w])), w)
            v = following[v]


@njit(nogil=True, cache=True, inline="always")
def _append(
    first: NDArray[np.int32], last: NDArray[np.int32], following: NDArray[np.int32], level: Any, voxel: Any
) -> None:
    if first[level] < 0:
        first[level] = voxel
    else:
        following[last[level]] = voxel
    last[level] = voxel
