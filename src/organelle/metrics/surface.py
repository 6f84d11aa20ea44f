"""How far the outlines of two objects are apart: Hausdorff distances between sets of voxel centres, in nm.

Only voxels that lie in one set and not in the other can be away from the other set. Most of them are near
it, and found by looking around. For the others the blocks are searched in which the set lies, nearest
first; and since a distance changes by no more than the way walked, one answer rules out most voxels around.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from organelle.errors import require_module
from organelle.geometry import Nm
from organelle.metrics.overlap import overlap_table

Array = np.ndarray[Any, np.dtype[Any]]

REACH = 5
"""How far around a voxel that strayed the other side is looked for voxel by voxel, in the finest voxels."""

BLOCK = 8
"""Edge of the blocks by which objects that are farther are found, in the finest voxels."""

LIST_BYTES = 256_000_000
"""Memory for lists of voxels that lie in one set only; a single object may need more: 4 bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Two ways to label a volume, and the objects to be compared.

    Attributes:
        truth: ids, z, y, x, C-contiguous, of an unsigned type.
        components: numbers, the same shape.
        new: the id that each component stands for; 0 for none.
        ids: the objects that have a voxel on both sides, ascending.
        strays: [2, id] voxels in truth alone, and in the prediction alone.
    """

    truth: Array
    components: Array
    new: Array
    ids: Array
    strays: Array


def squared_distances(sides: Sides, voxel_size_nm: Nm, cap_nm: float) -> Array:
    """The squared Hausdorff distance in nm^2 of every one of `sides.ids`, at most `cap_nm` squared.

    Args:
        sides: what to compare.
        voxel_size_nm: z, y, x.
        cap_nm: beyond this, nothing is told apart.

    Returns:
        float64, one per id.
    """
    size = np.asarray(voxel_size_nm, np.float64)
    squares = np.zeros(len(sides.ids))
    for batch in _batches(sides):
        squares[batch] = _of_batch(sides, sides.ids[batch], size, cap_nm**2)
    return squares


def hausdorff_distances(
    truth: Array, prediction: Array, ids: Array | list[int], voxel_size_nm: Nm, cap_nm: float
) -> Array:
    """The distance between `truth == id` and `prediction == id` for every one of `ids`, in nm.

    Args:
        truth: z, y, x ids of an unsigned type; every one of `ids` occurs.
        prediction: ids of the same shape.
        ids: what to compare, ascending.
        voxel_size_nm: z, y, x.
        cap_nm: the largest distance there is; also that of an id without a voxel in `prediction`.

    Returns:
        float64, one per id.
    """
    wanted = np.asarray(ids, np.int64)
    most = int(max(truth.max(initial=0), prediction.max(initial=0)))
    table = overlap_table(truth, prediction, int(prediction.max(initial=0)))
    sizes, common = np.zeros((2, most + 1), np.int64), np.zeros(most + 1, np.int64)
    sizes[0, : len(table.truth_sizes)] = table.truth_sizes
    sizes[1, : len(table.component_sizes)] = table.component_sizes
    same = table.truth == table.component
    common[table.truth[same]] = table.voxels[same]
    both = (sizes[:, wanted] > 0).all(axis=0)
    new = np.arange(most + 1, dtype=np.uint32)
    distances = np.full(len(wanted), float(cap_nm))
    sides = Sides(truth, prediction, new, wanted[both], sizes - common)
    distances[both] = np.sqrt(squared_distances(sides, voxel_size_nm, cap_nm))
    return distances


def hausdorff_distance(first: Array, second: Array, voxel_size_nm: Nm, cap_nm: float = np.inf) -> float:
    """The larger of the two directed maxima between two sets of voxels, in nm, never more than `cap_nm`.

    Args:
        first: bool z, y, x.
        second: bool of the same shape.
        voxel_size_nm: z, y, x.
        cap_nm: upper bound, and the answer when exactly one set is empty. Two empty sets are 0 apart.
    """
    if not (first.any() and second.any()):
        return float(cap_nm) if first.any() or second.any() else 0.0
    one, other = (np.ascontiguousarray(side).view(np.uint8) for side in (first, second))
    return float(hausdorff_distances(one, other, [1], voxel_size_nm, cap_nm)[0])


def _batches(sides: Sides) -> list[slice]:
    """Stretches of `ids` whose lists fit into `LIST_BYTES`, or that are one object."""
    needed = np.cumsum(sides.strays[:, sides.ids].sum(axis=0)) * _places_type(sides.truth.size).itemsize
    batches, start = [], 0
    while start < len(sides.ids):
        before = needed[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(needed, before + LIST_BYTES, side="right")))
        batches.append(slice(start, stop))
        start = stop
    return batches


def _of_batch(sides: Sides, ids: Array, size: Array, cap: float) -> Array:
    """Squared distances of some ids: list their stray voxels, then ask how far they are."""
    require_module("numba", "score")
    from organelle.metrics.kernels import list_blocks, list_strays
    from organelle.metrics.searching import far_squares, near_squares

    squares = np.zeros(len(ids))
    lengths = sides.strays[:, ids]
    ends = np.cumsum(lengths.ravel()).reshape(lengths.shape)
    if not lengths.any():
        return squares
    places = np.empty(int(ends[-1, -1]), _places_type(sides.truth.size))
    cursors = np.full((2, sides.strays.shape[1]), -1, np.int64)
    cursors[:, ids] = ends - lengths
    list_strays(sides.truth.ravel(), sides.components.ravel(), sides.new, cursors[0], cursors[1], places)
    shape = np.array(sides.truth.shape)
    steps, ring_squares = _ring((float(size[0]), float(size[1]), float(size[2])))
    jumps = (steps[:, 0] * shape[1] + steps[:, 1]) * shape[2] + steps[:, 2]
    ring = size, steps, jumps, np.abs(steps).max(axis=0), ring_squares
    edges = np.maximum(1, np.rint(BLOCK * size.min() / size)).astype(np.int64)
    grid = -(-shape // edges)
    same = np.arange(sides.strays.shape[1], dtype=np.uint32)
    for side, goal, meaning in ((0, sides.components, sides.new), (1, sides.truth, same)):
        lists = goal.ravel(), shape, meaning, ids, places, ends[side] - lengths[side]
        far = near_squares(*lists, ends[side], *ring, cap, squares)
        if far.any():
            wanted = np.zeros(sides.strays.shape[1], bool)
            wanted[ids[far > 0]] = True
            blocks = list_blocks(goal, meaning, wanted, edges, grid)
            far_squares(*lists, far, *ring, *blocks, edges, grid, cap, squares)
    return squares


def _places_type(n_voxels: int) -> np.dtype[Any]:
    """The type of indices of flat voxels."""
    return np.dtype(np.uint32 if n_voxels < 1 << 32 else np.int64)


@lru_cache(maxsize=16)
def _ring(size: Nm) -> tuple[Array, Array]:
    """All offsets (z, y, x) up to `REACH`, nearest first, and their squared distances."""
    limit = (REACH * min(size)) ** 2
    reach = [int(REACH * min(size) / s) for s in size]
    offsets = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1).reshape(-1, 3)
    squares = np.square(offsets * np.asarray(size)).sum(axis=1)
    order = np.argsort(squares, kind="stable")[1:]
    kept = order[squares[order] <= limit]
    return offsets[kept].astype(np.int64), squares[kept]
