"""How thick things are: the diameter of the balls that fill a mask from inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm

ROUNDS = 7
"""Halvings of the interval in which the thickness lies: to a hundredth of the thickest place."""


def median_thickness(mask: NDArray[np.bool_], voxel_size_nm: Nm) -> float:
    """The diameter in nm of the largest balls that still fill half of a mask; 0 for an empty one.

    This is the median over its voxels of the local thickness of Hildebrand and Rüegsegger (1997): for a
    sheet its thickness, for a tube its diameter. A voxel lies in a ball of radius r within the mask when it
    is nearer than r to a voxel whose depth is r or more, so two distance transforms answer for each r.
    It is exact to half a voxel for sheets, to about one for balls. What the array cuts goes on outside, as
    far as anyone knows; nothing counts as thicker than the array's shortest side.
    """
    import edt

    total = int(mask.sum())
    shortest = min(n * v for n, v in zip(mask.shape, voxel_size_nm, strict=True))
    if not total or mask.all():
        return float(shortest) if total else 0.0
    depth = np.minimum(edt.edt(mask, anisotropy=voxel_size_nm), shortest / 2)

    def fills_half(radius: float) -> bool:
        near = edt.edt(depth < radius, anisotropy=voxel_size_nm) < radius
        return bool(2 * np.count_nonzero(near & mask) >= total)

    low, high = 0.0, float(depth.max())
    if fills_half(high):
        low = high
    for _ in range(ROUNDS if low < high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if fills_half(middle) else (low, middle)
    return min(2 * low - min(voxel_size_nm) / 2, float(shortest))


def weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The value below and above which lies half of the weight; of one value, that value."""
    order = np.argsort(values)
    sums = np.cumsum(np.asarray(weights, float)[order])
    return float(np.asarray(values)[order][np.searchsorted(sums, sums[-1] / 2)])
