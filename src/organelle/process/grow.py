"""Objects grow over a mask, each voxel to the nearest object, exactly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from organelle.geometry import Nm, Voxels

_MOST = 2**30  # squared distances stay below, so that three of them and an id fit into 64 bits
_NOWHERE = np.uint64(2**63)


def grow(
    labels: NDArray[np.uint32], allowed: NDArray[np.bool_], distance_nm: float, voxel_size_nm: Nm
) -> NDArray[np.uint32]:
    """`labels` with the unlabelled voxels of `allowed` given to the nearest object within `distance_nm`.

    Distances are Euclidean, between voxel centres, regardless of what lies between; of objects equally
    near the smallest id wins. What a voxel gets depends only on the labels within `distance_nm` of it.

    Args:
        labels: 0 is background; shape z, y, x.
        allowed: where objects may grow.
        distance_nm: how far; 0 changes nothing.
        voxel_size_nm: of both arrays.

    Cost: 2 * reach(distance_nm) + 1 comparisons per voxel along z and y, none along x; 24 bytes per voxel.
    """
    todo = allowed & (labels == 0)
    if distance_nm <= 0 or not todo.any() or not labels.any():
        return labels
    # One number holds squared distance (upper half) and id (lower half), so that the smallest is the
    # nearest object with the smallest id. Squared distances add up over the axes: one sweep along each.
    from organelle.process.kernels import nearest_labels_along_rows

    steps, limit = _squared_units(distance_nm, voxel_size_nm)
    costs = [cost.astype(np.uint64) << np.uint64(32) for cost in _costs(steps, limit, np.uint64)]
    z, y, x = labels.shape
    nearest = np.full((z * y, x), _NOWHERE)
    nearest_labels_along_rows(np.ascontiguousarray(labels).reshape(z * y, x), costs[2], nearest)
    nearest = _sweep_planes(nearest.reshape(labels.shape), costs)
    reached = todo & (nearest >> np.uint64(32) <= limit)
    return np.where(reached, nearest, labels).astype(np.uint32)  # which keeps the lower half


def within(mask: NDArray[np.bool_], distance_nm: float, voxel_size_nm: Nm) -> NDArray[np.bool_]:
    """The voxels within a distance of a voxel of `mask`, between centres: it dilated by a ball.

    Exact, as the distances of `grow` are. Cost: 2 * reach(distance_nm) + 1 comparisons per voxel along z and
    y, none along x; 8 bytes per voxel.
    """
    from organelle.process.kernels import nearest_along_rows

    if distance_nm <= 0 or mask.size == 0:
        return mask
    steps, limit = _squared_units(distance_nm, voxel_size_nm)
    kind = np.dtype(np.uint16 if limit < 2**15 else np.uint32)
    costs = _costs(steps, limit, kind)
    z, y, x = mask.shape
    best = np.empty((z * y, x), kind)
    nearest_along_rows(np.ascontiguousarray(mask).view(np.uint8).reshape(z * y, x), costs[2], limit + 1, best)
    return np.asarray(_sweep_planes(best.reshape(mask.shape), costs) <= limit)


def reach(distance_nm: float, voxel_size_nm: Nm) -> Voxels:
    """The voxels per axis that a distance spans: how far around a block one must look."""
    if distance_nm <= 0:
        return 0, 0, 0
    steps, limit = _squared_units(distance_nm, voxel_size_nm)
    z, y, x = (_furthest(step, limit) for step in steps)
    return z, y, x


def _squared_units(distance_nm: float, voxel_size_nm: Nm) -> tuple[list[float], int]:
    """The squared step along each axis and the squared distance, in one unit that makes both small.

    Voxel sizes count to a thousandth of a nm. The steps are whole numbers, so that equal distances are
    equal whatever steps they are made of, unless the distance is thousands of steps long.
    """
    squares = [round(size * 1000) ** 2 for size in voxel_size_nm]
    unit = max(math.gcd(*squares), (distance_nm * 1000) ** 2 / _MOST)
    limit = math.floor((distance_nm * 1000) ** 2 / unit * (1 + 1e-9))
    return [square // unit if square % unit == 0 else square / unit for square in squares], limit


def _costs(steps: list[float], limit: int, kind: DTypeLike) -> list[NDArray[Any]]:
    """The squared distance of 0, 1, 2, ... voxels along each axis, as far as the limit reaches."""
    return [np.array([round(k * k * s) for k in range(_furthest(s, limit) + 1)], kind) for s in steps]


def _sweep_planes(values: NDArray[Any], costs: list[NDArray[Any]]) -> NDArray[Any]:
    """The smallest of `values` (z, y, x) plus the cost of the way to it along y, then along z."""
    from organelle.process.kernels import cheapest_across

    z, y, x = values.shape
    for cost, outer, along in ((costs[1], (z, y * x), (y, x)), (costs[0], (y, x), (z, y * x))):
        if len(cost) > 1:
            before, values = values, values.copy()
            cheapest_across(before.ravel(), cost, outer, along, x, values.ravel())
    return values


def _furthest(step: float, limit: int) -> int:
    """The largest number of voxels whose squared distance is within `limit`."""
    k = math.floor(math.sqrt(limit / step)) + 1
    while round(k * k * step) > limit:
        k -= 1
    return k
