"""From one lattice to another: linear for images, nearest for labels."""

from __future__ import annotations

import math

import numpy as np

from organelle.classes import Kind
from organelle.errors import GridMismatch
from organelle.geometry import TOLERANCE_VOXELS, Grid

EASE = 1e-6
"""Fractions of a voxel below which two places are the same: sizes such as 1.62 nm are not exact in binary."""


def resample(array: np.ndarray, source: Grid, target: Grid, kind: Kind, *, fill: float = 0) -> np.ndarray:
    """The values of `array`, which lies on `source`, at the voxels of `target`; the type stays.

    Images are interpolated linearly along each axis. Where the target is more than twice as coarse on an
    axis, several points spread over the target voxel are averaged, so that no source voxel is passed over:
    for even ratios of nested lattices that is the exact mean. Whole-number types are rounded half to even.
    Labels take the source voxel that holds the target's centre, the lower one when it lies on a face.
    Targets whose centre is outside of the source's extent become `fill`. On an axis where the lattices
    coincide voxels are only cropped and padded, exactly.

    Raises:
        GridMismatch: the array has another shape than `source`.
    """
    if array.shape != source.shape:
        raise GridMismatch(f"the array has {array.shape} voxels, its grid {source.shape}")
    result = np.full(target.shape, fill, dtype=array.dtype)
    axes = [_Axis(source, target, axis) for axis in range(3)]
    if any(axis.inside.start >= axis.inside.stop for axis in axes):
        return result
    values: np.ndarray = array[axes[0].needed, axes[1].needed, axes[2].needed]
    for axis in axes:
        values = axis.interpolate(values) if kind.interpolatable else axis.nearest(values)
    if array.dtype.kind in "biu" and values.dtype.kind == "f":
        values = np.rint(values)
    result[axes[0].inside, axes[1].inside, axes[2].inside] = values.astype(array.dtype, copy=False)
    return result


class _Axis:
    """Which source voxels one axis of the target needs, and with what weights."""

    def __init__(self, source: Grid, target: Grid, axis: int) -> None:
        self.axis = axis
        self.ratio = target.voxel_size_nm[axis] / source.voxel_size_nm[axis]
        first = (target.origin_nm[axis] - source.origin_nm[axis]) / source.voxel_size_nm[axis]
        count = source.shape[axis]
        if math.isclose(self.ratio, 1, rel_tol=1e-4) and abs(first - round(first)) <= TOLERANCE_VOXELS:
            self.ratio, first = 1.0, float(round(first))
        places = first + self.ratio * np.arange(target.shape[axis])
        held = np.flatnonzero((places >= -0.5 - EASE) & (places <= count - 0.5 + EASE))
        self.inside = slice(int(held[0]), int(held[-1]) + 1) if count and held.size else slice(0, 0)
        self.places: np.ndarray = places[self.inside]
        self.needed = self._needed(count)

    def _needed(self, count: int) -> slice:
        """The source voxels to work on; the places are then counted from the first of them."""
        if not len(self.places):
            return slice(0, 0)
        reach = self.ratio / 2
        start = max(0, math.floor(self.places[0] - reach))
        stop = min(count, math.ceil(self.places[-1] + reach) + 1)
        self.places = self.places - start
        return slice(start, stop)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        index = np.ceil(self.places - 0.5 - EASE).astype(np.intp)
        taken: np.ndarray = values.take(index.clip(0, values.shape[self.axis] - 1), axis=self.axis)
        return taken

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        points = max(1, math.ceil(self.ratio / 2 - EASE))
        offsets = self.ratio * ((np.arange(points) + 0.5) / points - 0.5)
        if points == 1 and (abs(self.places - np.rint(self.places)) < EASE).all():
            return self.nearest(values)
        real = np.float32 if values.dtype.itemsize < 4 or values.dtype == np.float32 else np.float64
        total = sum(self._linear(values, self.places + offset, real) for offset in offsets)
        return np.asarray(total / points, dtype=real)

    def _linear(self, values: np.ndarray, places: np.ndarray, real: type[np.floating]) -> np.ndarray:
        """Values between voxels; beyond the outermost centres those of the outermost voxels."""
        last = values.shape[self.axis] - 1
        places = places.clip(0, last)
        low = np.floor(places + EASE).astype(np.intp)
        shape = [1, 1, 1]
        shape[self.axis] = len(places)
        weight = (places - low).clip(0, 1).astype(real).reshape(shape)
        below = values.take(low, axis=self.axis).astype(real, copy=False)
        above = values.take((low + 1).clip(0, last), axis=self.axis).astype(real, copy=False)
        between: np.ndarray = below + weight * (above - below)
        return between
