"""Objects grow over a mask, each voxel to the nearest object, exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm, Voxels

_RADIUS = 2**30  # the squared distance of the furthest voxel that may be reached, in the units used here
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
    nearest = np.where(labels > 0, labels.astype(np.uint64), _NOWHERE)
    for axis, size in enumerate(voxel_size_nm):
        nearest = _sweep(nearest, axis, size / distance_nm)
    reached = todo & (nearest >> np.uint64(32) <= _RADIUS + 2)  # 2: rounding of three summands
    return np.where(reached, nearest & np.uint64(0xFFFFFFFF), labels).astype(np.uint32)


def reach(distance_nm: float, voxel_size_nm: Nm) -> Voxels:
    """The voxels per axis that a distance spans: how far around a block one must look."""
    z, y, x = (math.floor(distance_nm / size + 1e-6) for size in voxel_size_nm)
    return z, y, x


def _sweep(nearest: NDArray[np.uint64], axis: int, step: float) -> NDArray[np.uint64]:
    """The smallest of `nearest` + squared distance along `axis`; `step` is a voxel's size per radius."""
    best = nearest.copy()
    source, target = np.moveaxis(nearest, axis, 0), np.moveaxis(best, axis, 0)
    for k in range(1, min(math.floor(1 / step + 1e-6), len(source) - 1) + 1):
        cost = np.uint64(round((k * step) ** 2 * _RADIUS) << 32)
        np.minimum(target[k:], source[:-k] + cost, out=target[k:])
        np.minimum(target[:-k], source[k:] + cost, out=target[:-k])
    return best
