"""How far it is: to other voxels, and to what nobody knows. All up to a given reach, in nm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import require_module
from organelle.geometry import Nm

ROUNDING = 1e-5
"""Two ways of adding up the same distance may differ by this share of it."""

Distances = NDArray[np.float32]


def distance_to(there: NDArray[np.bool_], size_nm: Nm, most_nm: float) -> Distances:
    """Distance from each voxel to the nearest one that is `there`, centre to centre; at most `most_nm`.

    Nothing is assumed beyond the array, so axes of size 1 do not count.
    """
    if not there.any():
        return np.full(there.shape, most_nm, np.float32)
    require_module("numba", "score")
    from organelle.sampling.targets.distance_kernels import spread_across, spread_in_rows

    z, y, x = there.shape
    squares, spread = np.empty(there.shape, np.float32), np.empty(there.shape, np.float32)
    rows = np.ascontiguousarray(there).reshape(-1, x)
    spread_in_rows(rows, size_nm[2], most_nm**2, squares.reshape(-1, x))
    spread_across(squares, size_nm[1], _steps(most_nm, size_nm[1]), spread)
    planes = (1, z, y * x)
    spread_across(spread.reshape(planes), size_nm[0], _steps(most_nm, size_nm[0]), squares.reshape(planes))
    return np.sqrt(squares, out=squares)


def distance_to_change(labels: NDArray[Any], size_nm: Nm, most_nm: float) -> Distances:
    """Distance from each voxel above 0 to the nearest one of another value, 0 included; at most `most_nm`.

    Of no meaning at voxels of value 0. Nothing is assumed beyond the array.
    """
    require_module("numba", "score")
    from organelle.sampling.targets.distance_kernels import spread_changes

    z, y, x = labels.shape
    labels = np.ascontiguousarray(labels)
    found = np.full(labels.shape, most_nm**2, np.float32)
    spread = np.empty_like(found)
    for axis, shape in enumerate([(1, z, y * x), (z, y, x), (z * y, x, 1)]):
        views = [part.reshape(shape) for part in (labels, found, spread)]
        spread_changes(views[0], views[1], size_nm[axis], _steps(most_nm, size_nm[axis]), views[2])
        found, spread = spread, found
    return np.sqrt(found, out=found)


def distance_to_outside(shape: tuple[int, ...], size_nm: Nm) -> Distances:
    """Distance to the nearest voxel beyond the array, along axes longer than 1; infinite without any."""
    nearest = np.full(shape, np.inf, np.float32)
    for axis, n in enumerate(shape):
        if n > 1:
            steps = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)).astype(np.float32) * size_nm[axis]
            line = steps.reshape([-1 if a == axis else 1 for a in range(len(shape))])
            np.minimum(nearest, line, out=nearest)
    return nearest


def distance_to_unknown(known: NDArray[np.bool_], size_nm: Nm, most_nm: float) -> Distances:
    """Distance to the nearest voxel that is unknown or beyond the array; at most `most_nm`."""
    return np.minimum(distance_to_outside(known.shape, size_nm), distance_to(~known, size_nm, most_nm))


def _steps(distance_nm: float, step_nm: float) -> int:
    """Whole steps that may matter within a distance."""
    return int(distance_nm / step_nm * (1 + ROUNDING)) + 1
