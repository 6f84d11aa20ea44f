"""Objects grow over a mask, each voxel to the nearest object, exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

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

    Cost: 2 * reach(distance_nm) + 1 comparisons per voxel and axis; 24 bytes per voxel.
    """
    todo = allowed & (labels == 0)
    if distance_nm <= 0 or not todo.any() or not labels.any():
        return labels
    # One number holds squared distance (upper half) and id (lower half), so that the smallest is the
    # nearest object with the smallest id. Squared distances add up over the axes: one sweep along each.
    steps, limit = _squared_units(distance_nm, voxel_size_nm)
    nearest = np.where(labels > 0, labels.astype(np.uint64), _NOWHERE)
    for axis, step in enumerate(steps):
        nearest = _sweep(nearest, axis, step, limit)
    reached = todo & (nearest >> np.uint64(32) <= limit)
    return np.where(reached, nearest & np.uint64(0xFFFFFFFF), labels).astype(np.uint32)


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


def _sweep(nearest: NDArray[np.uint64], axis: int, step: float, limit: int) -> NDArray[np.uint64]:
    """The smallest of `nearest` + squared distance along `axis`."""
    best = nearest.copy()
    source, target = np.moveaxis(nearest, axis, 0), np.moveaxis(best, axis, 0)
    for k in range(1, min(_furthest(step, limit), len(source) - 1) + 1):
        cost = np.uint64(round(k * k * step) << 32)
        np.minimum(target[k:], source[:-k] + cost, out=target[k:])
        np.minimum(target[:-k], source[k:] + cost, out=target[:-k])
    return best


def _furthest(step: float, limit: int) -> int:
    """The largest number of voxels whose squared distance is within `limit`."""
    k = math.floor(math.sqrt(limit / step)) + 1
    while round(k * k * step) > limit:
        k -= 1
    return k
