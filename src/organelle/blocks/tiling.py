"""A region cut into blocks that are numbered, so that millions of them need no list."""

from __future__ import annotations

import math
from dataclasses import dataclass

from organelle.blocks.lattice import PatchGrid
from organelle.geometry import Box, Voxels


@dataclass(frozen=True, slots=True)
class Tiling:
    """The blocks of `shape` that `region` is cut into from its start on, x fastest; the last are smaller.

    `len(tiling)` is their number, `tiling[i]` the box of one.
    """

    region: Box
    shape: Voxels

    @property
    def counts(self) -> Voxels:
        """Blocks along each axis; 0 for an empty region."""
        z, y, x = (-(-n // s) for n, s in zip(self.region.shape, self.shape, strict=True))
        return (z, y, x) if not self.region.is_empty else (0, 0, 0)

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __getitem__(self, index: int) -> Box:
        if not 0 <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        _, ny, nx = self.counts
        place = (index // (ny * nx), index // nx % ny, index % nx)
        start = [a + i * s for a, i, s in zip(self.region.start, place, self.shape, strict=True)]
        stop = [a + s for a, s in zip(start, self.shape, strict=True)]
        return Box.between(start, stop).intersect(self.region)

    def patches(self, grid: PatchGrid) -> int:
        """Patches that all blocks need, each by itself: those at the faces of blocks count more than once."""
        return math.prod(self._along(grid, axis) for axis in range(3))

    def _along(self, grid: PatchGrid, axis: int) -> int:
        start, stop, step = self.region.start[axis], self.region.stop[axis], self.shape[axis]
        found = 0
        for a in range(start, stop, step):
            low, high = [0, 0, 0], [1, 1, 1]
            low[axis], high[axis] = a, min(a + step, stop)
            found += len(grid.starts(Box.between(low, high), axis))
        return found
