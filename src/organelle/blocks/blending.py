"""Overlapping patches become one volume: a weighted mean, summed in the order of the lattice."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from organelle.blocks.lattice import PatchGrid
from organelle.geometry import Box


class Blending(Enum):
    """How much a voxel counts by its place in the patch: a product of one weight per axis, never zero."""

    GAUSSIAN = "gaussian"
    LINEAR = "linear"

    def weights(self, size: int) -> NDArray[np.float32]:
        """The weights along one axis of a patch, symmetric, largest in the middle, all above zero.

        `gaussian` has a standard deviation of an eighth of the patch, as is usual for sliding windows
        (nnU-Net, MONAI): 1 in the middle, 0.0003 at the rim. `linear` is a roof from 1 / size to 1.
        """
        if self is Blending.GAUSSIAN:
            offset = (np.arange(size) - (size - 1) / 2) / (size / 8)
            return np.asarray(np.exp(-0.5 * offset**2), np.float32)
        up = np.arange(1, size + 1)
        roof = np.minimum(up, up[::-1])
        return np.asarray(roof / roof.max(), np.float32)


class SlabBlender:
    """Adds the patches that touch `region` and hands out its planes as soon as they are final.

    Patches must come in z, y, x order (`PatchGrid.touching`), each once and all of them; then every voxel
    is a sum over the same float32 numbers in the same order for any region. Memory is that of `planes`, or
    of the planes between the last handed out and the end of the newest patch, if these are more.

    Args:
        grid: the lattice of the patches.
        region: the voxels that are wanted; patches are cut at its faces.
        channels: number of values per voxel.
        blending: how overlaps are weighted.
        planes: how many planes to make room for at once.
    """

    def __init__(
        self,
        grid: PatchGrid,
        region: Box,
        channels: int,
        blending: Blending = Blending.GAUSSIAN,
        *,
        planes: int = 0,
    ) -> None:
        self.region = region
        profiles = [blending.weights(n) for n in grid.shape]
        self._weights = _product(*profiles)
        self._totals = [_total(grid, region, axis, profiles[axis]) for axis in range(3)]
        room = (channels, min(planes, region.shape[0]), *region.shape[1:])
        self._sums: NDArray[np.float32] = np.zeros(room, np.float32)
        self._first = region.start[0]

    def add(self, patch: Box, values: NDArray[np.float32]) -> None:
        """Add the `values` (channel, z, y, x) that a network gave for `patch`."""
        seen = patch.intersect(self.region)
        self._reach(seen.stop[0])
        inside = seen.slices(patch.start)
        place = seen.slices((self._first, *self.region.start[1:]))
        self._sums[:, *place] += values[:, *inside] * self._weights[inside]

    def take(self, stop: int) -> tuple[Box, NDArray[np.float32]]:
        """The weighted means of all planes not yet taken before plane `stop`, as (box, channel z y x).

        The caller says by `stop` that no later patch touches these planes; `stop` is clipped to the
        region, and the box is empty when there is nothing new.
        """
        stop = min(max(stop, self._first), self.region.stop[0])
        self._reach(stop)
        box = Box.between((self._first, *self.region.start[1:]), (stop, *self.region.stop[1:]))
        z = slice(box.start[0] - self.region.start[0], stop - self.region.start[0])
        means = self._sums[:, : box.shape[0]] / _product(self._totals[0][z], *self._totals[1:])
        self._forget(box.shape[0])
        return box, means

    def _forget(self, planes: int) -> None:
        """Move the other planes to the front, and make room behind them."""
        self._first += planes
        rest = self._sums.shape[1] - planes
        for channel in self._sums if planes else ():
            channel[:rest] = channel[planes:]
            channel[rest:] = 0

    def _reach(self, stop: int) -> None:
        """Have room for all planes up to `stop`."""
        missing = stop - self._first - self._sums.shape[1]
        if missing > 0:
            self._sums = np.pad(self._sums, ((0, 0), (0, missing), (0, 0), (0, 0)))


def _product(z: NDArray[np.float32], y: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
    return z[:, None, None] * y[:, None] * x


def _total(grid: PatchGrid, region: Box, axis: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Summed weight of each index of `region` along `axis`; the sum over patches is a product of these."""
    total = np.zeros(region.shape[axis], np.float32)
    for start in grid.starts(region, axis):
        low = max(start, region.start[axis])
        high = min(start + len(weights), region.stop[axis])
        total[low - region.start[axis] : high - region.start[axis]] += weights[low - start : high - start]
    return total
