"""Loops over the voxels of a patch, compiled; all release the interpreter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit


@njit(nogil=True, cache=True)
def measure_objects(
    labels: NDArray[Any], known: NDArray[np.bool_], sums: NDArray[np.float64], cut: NDArray[np.bool_]
) -> None:
    """Add up voxels and their indices per label, and mark labels that may go on where nobody can see.

    Args:
        labels: [z, y, x], 0 for none, else up to the length of the rows below.
        known: the same shape.
        sums: [label, 4], zeros; receives the number of voxels and the sums of z, y, x.
        cut: [label], False; set for labels at a side of the array (along axes longer than 1) or beside
            an unknown voxel, corners included.
    """
    nz, ny, nx = labels.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if not known[z, y, x]:
                    _mark_around(labels, z, y, x, cut)
                    continue
                label = labels[z, y, x]
                if label == 0:
                    continue
                sums[label, 0] += 1
                sums[label, 1] += z
                sums[label, 2] += y
                sums[label, 3] += x
                at_side = nz > 1 and (z == 0 or z == nz - 1)
                at_side = at_side or (ny > 1 and (y == 0 or y == ny - 1))
                if at_side or (nx > 1 and (x == 0 or x == nx - 1)):
                    cut[label] = True


@njit(nogil=True, cache=True)
def _mark_around(labels: NDArray[Any], z: int, y: int, x: int, cut: NDArray[np.bool_]) -> None:
    """Set `cut` for all labels among the 26 neighbours of a voxel; label 0 as well, which means nothing."""
    nz, ny, nx = labels.shape
    for a in range(max(0, z - 1), min(nz, z + 2)):
        for b in range(max(0, y - 1), min(ny, y + 2)):
            for c in range(max(0, x - 1), min(nx, x + 2)):
                cut[labels[a, b, c]] = True


@njit(nogil=True, cache=True)
def draw_centres(
    labels: NDArray[Any],
    centres: NDArray[np.float64],
    steps: NDArray[np.float64],
    values: NDArray[np.float32],
) -> None:
    """exp(-r^2 / 2) in each object, with r the distance from its centre; voxels of label 0 are left alone.

    Args:
        labels: [z, y, x].
        centres: [label, 3] in voxels.
        steps: [3], voxel sizes in units of r.
        values: [z, y, x], receives the result.
    """
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                if label:
                    dz = (z - centres[label, 0]) * steps[0]
                    dy = (y - centres[label, 1]) * steps[1]
                    dx = (x - centres[label, 2]) * steps[2]
                    values[z, y, x] = math.exp(-0.5 * (dz * dz + dy * dy + dx * dx))
