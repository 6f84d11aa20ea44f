"""How far the outlines of two objects are apart: Hausdorff distances between sets of voxel centres, in nm.

Only voxels that lie in one set and not in the other can be away from the other set, and the nearest voxel of
the other set always has a face neighbour outside of it. The distance to a set changes by no more than the way
walked, so most voxels of a large difference are ruled out by one distance per block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from organelle.errors import require_module
from organelle.geometry import Nm

Array = np.ndarray[Any, np.dtype[Any]]

BLOCK_EDGES = (16, 4, 1)
"""Edges, in voxels, of the blocks in which far voxels are searched; each divides the one before."""

FEW_VOXELS = 4096
"""So few are asked one by one."""


def hausdorff_distances(
    truth: Array, prediction: Array, ids: Sequence[int] | Array, voxel_size_nm: Nm, cap_nm: float
) -> Array:
    """The distance between `truth == id` and `prediction == id` for every one of `ids`, in nm.

    Args:
        truth: z, y, x ids, not negative; every one of `ids` occurs.
        prediction: ids of the same shape.
        ids: what to compare.
        voxel_size_nm: z, y, x.
        cap_nm: the largest distance there is; also that of an id without a voxel in `prediction`.

    Returns:
        float64, one per id.
    """
    if len(ids) == 0:
        return np.zeros(0)
    find_objects = require_module("scipy.ndimage", "score").find_objects
    most = int(max(ids))
    in_truth, in_prediction = find_objects(truth, most), find_objects(prediction, most)
    distances = np.full(len(ids), float(cap_nm))
    for i, label in enumerate(int(label) for label in ids):
        if in_prediction[label - 1] is not None:
            box = _union(in_truth[label - 1], in_prediction[label - 1])
            distances[i] = hausdorff_distance(
                truth[box] == label, prediction[box] == label, voxel_size_nm, cap_nm
            )
    return distances


def hausdorff_distance(first: Array, second: Array, voxel_size_nm: Nm, cap_nm: float = np.inf) -> float:
    """The larger of the two directed maxima between two sets of voxels, in nm, never more than `cap_nm`.

    Args:
        first: bool z, y, x.
        second: bool of the same shape.
        voxel_size_nm: z, y, x.
        cap_nm: upper bound, and the answer when exactly one set is empty. Two empty sets are 0 apart.
    """
    forth = _farthest(first, second, voxel_size_nm, 0.0, cap_nm)
    return _farthest(second, first, voxel_size_nm, forth, cap_nm)


def _farthest(start: Array, goal: Array, voxel_size_nm: Nm, at_least: float, cap_nm: float) -> float:
    """The largest distance of a voxel of `start` to its nearest in `goal`, from `at_least` to `cap_nm`."""
    away = _indices(start > goal)
    if len(away) == 0 or at_least >= cap_nm:
        return at_least
    outline = _indices(_outline(goal))
    if len(outline) == 0:
        return cap_nm
    kd_tree = require_module("scipy.spatial", "score").cKDTree
    size = np.asarray(voxel_size_nm)
    tree = kd_tree(outline * size, compact_nodes=False, balanced_tree=False)
    farthest = at_least
    for edge in BLOCK_EDGES if len(away) > FEW_VOXELS else (1,):
        scouts, block = _scouts(away, edge)
        nearest, _ = tree.query(away[scouts] * size, distance_upper_bound=cap_nm)
        farthest = max(farthest, float(nearest.max(initial=0)))
        if farthest >= cap_nm:
            return cap_nm
        reach = float(np.linalg.norm((edge - 1) * size)) * (1 + 1e-9)
        away = away[(nearest + reach > farthest)[block]]
    return farthest


def _scouts(voxels: Array, edge: int) -> tuple[Array, Array]:
    """One voxel (its index) per occupied block of `edge` voxels, and the block of every voxel."""
    if edge == 1:
        everyone = np.arange(len(voxels))
        return everyone, everyone
    z, y, x = (voxels // edge).T
    key = (z * (y.max(initial=0) + 1) + y) * (x.max(initial=0) + 1) + x
    _, scouts, block = np.unique(key, return_index=True, return_inverse=True)
    return scouts, block


def _outline(voxels: Array) -> Array:
    """The voxels of a set that have a face neighbour, inside the array, that is not in the set."""
    inside = voxels.copy()
    inside[1:] &= voxels[:-1]
    inside[:-1] &= voxels[1:]
    inside[:, 1:] &= voxels[:, :-1]
    inside[:, :-1] &= voxels[:, 1:]
    inside[:, :, 1:] &= voxels[:, :, :-1]
    inside[:, :, :-1] &= voxels[:, :, 1:]
    return voxels > inside


def _indices(voxels: Array) -> Array:
    """Where a set lies: n rows of z, y, x (as `np.argwhere`, several times faster on sparse sets)."""
    return np.stack(np.unravel_index(np.flatnonzero(voxels), voxels.shape), axis=1)


def _union(a: tuple[slice, ...], b: tuple[slice, ...]) -> tuple[slice, ...]:
    """The smallest box around two boxes."""
    return tuple(slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
