"""Where watershed-like steps work: tiles on the dataset's lattice, each seen with a halo."""

from __future__ import annotations

import math
from dataclasses import dataclass

from organelle.errors import GridMismatch
from organelle.geometry import Box, Nm, Voxels
from organelle.process.scratch import Cut


@dataclass(frozen=True)
class Tiles:
    """Tiles that start at every multiple of `tile` on the dataset's lattice.

    A tile's result depends only on the voxels within `halo` of it, so that it is the same whatever blocks
    the work is cut into, and for every region that holds the tile and its halo.

    Attributes:
        shape: voxels of the volume.
        tile: voxels of a tile.
        halo: voxels that are looked at around it, on each side.
        first_voxel: the volume's first voxel on the dataset's lattice.
    """

    shape: Voxels
    tile: Voxels
    halo: Voxels
    first_voxel: Voxels = (0, 0, 0)

    def __post_init__(self) -> None:
        if min(self.tile) < 1 or min(self.halo) < 0:
            raise GridMismatch(f"tiles need sizes >= 1 and a halo >= 0, not {self.tile} and {self.halo}")

    @property
    def box(self) -> Box:
        """The whole volume, counted from its own first voxel."""
        return Box((0, 0, 0), self.shape)

    @property
    def cut(self) -> Cut:
        """The tiles, clipped to the volume, in z, y, x order; together they hold each voxel once."""
        z, y, x = (-a for a in self.first_voxel)
        return Cut(self.shape, self.tile, (z, y, x))

    def around(self, core: Box) -> Box:
        """What is looked at for a tile: its halo too, as far as the volume goes."""
        return core.grow(self.halo).intersect(self.box)


def voxels_of(distance_nm: float, voxel_size_nm: Nm) -> Voxels:
    """The voxels per axis that hold a distance; 0 nm are 0 voxels."""
    z, y, x = (math.ceil(distance_nm / size - 1e-9) for size in voxel_size_nm)
    return z, y, x
