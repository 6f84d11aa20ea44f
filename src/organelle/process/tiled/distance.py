"""How deep inside of a mask a voxel lies, exactly, up to a limit; and where it is deepest."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from organelle.errors import require_module
from organelle.geometry import Box, Nm, Voxels
from organelle.process.objects import Mask
from organelle.process.tiled.tiles import voxels_of

STEPS = 1023
"""Depths are told in this many steps up to the limit."""


def inside_levels(
    read_mask: Callable[[Box], Mask], box: Box, whole: Box, limit_nm: float, voxel_size_nm: Nm
) -> NDArray[np.uint16]:
    """The depth of the voxels of `box` in the mask: 0 outside, 1023 from `limit_nm` on.

    Depth is the Euclidean distance to the nearest voxel outside of the mask, between centres. What lies
    outside of the volume `whole` does not count as outside of the mask.

    The mask is read as far around the box as the limit reaches, which makes the depth independent of boxes.
    """
    edt = require_module("edt", "process")
    around = box.grow(voxels_of(limit_nm, voxel_size_nm)).intersect(whole)
    mask = np.ascontiguousarray(read_mask(around))
    unit = min(voxel_size_nm)
    # In units of the smallest step: squared distances are then whole numbers and exact, for most voxels.
    steps = tuple(size / unit for size in voxel_size_nm)
    squares = edt.edtsq(mask.view(np.uint8), anisotropy=steps, black_border=False)
    inside = squares[box.slices(around.start)]
    limit = limit_nm / unit
    depth = np.sqrt(np.minimum(inside, np.float32(limit**2)), dtype=np.float64)
    return np.asarray(np.rint(depth * (STEPS / limit)), np.uint16)


def peaks(read_levels: Callable[[Box], NDArray[np.uint16]], box: Box, whole: Box, window: Voxels) -> Mask:
    """The voxels of `box` that lie as deep as any within `window` voxels along the axes, and not outside.

    A plateau is marked as a whole.
    """
    from scipy.ndimage import maximum_filter

    around = box.grow(window).intersect(whole)
    levels = read_levels(around)
    # Levels are at least 0, so that what is outside of the volume never wins.
    highest = maximum_filter(levels, size=[2 * n + 1 for n in window], mode="constant", cval=0)
    inside = box.slices(around.start)
    return np.asarray((levels[inside] > 0) & (levels[inside] == highest[inside]))


def reach_of(window_nm: float, voxel_size_nm: Nm) -> Voxels:
    """The window of `peaks` for a distance: at least one voxel per axis, at most the distance."""
    z, y, x = (max(1, math.floor(window_nm / size + 1e-9)) for size in voxel_size_nm)
    return z, y, x
