"""Objects as the metric sees them: connected voxels of one value."""

from __future__ import annotations

from typing import Any

import numpy as np

from organelle.errors import require_module

Array = np.ndarray[Any, np.dtype[Any]]


def connected_components(labels: Array) -> tuple[Array, int]:
    """Number the 26-connected pieces of every value but 0.

    Touching voxels of different values stay apart; one value in two pieces becomes two components; every
    NaN is a component of its own. Components are numbered from 1 in the order of their first voxel, x
    fastest, whatever the memory order of `labels`: equal costs in `match_objects` depend on that.

    Args:
        labels: z, y, x; any integer type, bool, float32 or float64.

    Returns:
        The components in the smallest unsigned type that cc3d chose, and how many there are.
    """
    if labels.size == 0:
        return np.zeros(labels.shape, np.uint16), 0
    cc3d = require_module("cc3d", "score")
    native = np.ascontiguousarray(labels, dtype=labels.dtype.newbyteorder("="))
    if not native.flags.writeable:  # cc3d refuses read-only arrays
        native = native.copy()
    if native.dtype == bool:  # cc3d 4.1.1 fails on dense bool arrays of a few voxels' thickness
        native = native.view(np.uint8)
    components, count = cc3d.connected_components(native, return_N=True)
    return components, int(count)
