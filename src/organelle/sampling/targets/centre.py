"""Where objects have their centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import require_module
from organelle.sampling.targets.records import TargetInput, TargetValues


def centre(truth: TargetInput, sigma_nm: float = 100.0) -> TargetValues:
    """exp(-r^2 / 2 sigma^2) in each object, with r the distance from the mean of its voxels; 0 in background.

    An object that reaches a side of the patch, or touches an unknown voxel (corners count), may go on there,
    and its centre is anybody's guess: its voxels are unknown.

    Args:
        truth: of one class; without ids each of its connected parts (corners count) is an object.
            An id is taken to be one connected object.
        sigma_nm: width of the Gaussian.
    """
    require_module("numba", "score")
    from organelle.sampling.targets.kernels import draw_centres, measure_objects

    labels, count = _numbered(truth)
    sums, cut = np.zeros((count + 1, 4)), np.zeros(count + 1, bool)
    measure_objects(labels, truth.known, sums, cut)
    values = np.zeros(labels.shape, np.float32)
    steps = np.array(truth.voxel_size_nm, np.float64) / sigma_nm
    draw_centres(labels, sums[:, 1:] / np.maximum(sums[:, :1], 1), steps, values)
    cut[0] = False
    return TargetValues(values[None], (truth.known & ~cut[labels])[None])


def _numbered(truth: TargetInput) -> tuple[NDArray[Any], int]:
    """Objects of known voxels as labels 1, 2, ..., and how many there are."""
    objects = truth.objects()
    if truth.ids is None:
        cc3d = require_module("cc3d", "score")
        labels, count = cc3d.connected_components(objects, connectivity=26, return_N=True)
        return labels, count
    labels, numbers = require_module("fastremap", "score").renumber(objects, preserve_zero=True)
    return labels, max(numbers.values(), default=0)
