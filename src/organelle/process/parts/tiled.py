"""What parts have in common that work on tiles fixed by the recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from organelle.geometry import Voxels
from organelle.process.layers import Layer
from organelle.process.objects import Labels
from organelle.process.parts.base import Part
from organelle.process.site import Site
from organelle.process.tiled import Fragments, Tiles
from organelle.process.tiled.tiles import voxels_of


class TiledPart(Part):
    """A part whose result depends on tiles: they belong to the recipe, and lie on the dataset's lattice."""

    tile: Voxels = (192, 192, 192)
    """Voxels of a tile (z, y, x). Unlike `block_shape` they are part of the result, if only a little."""
    halo_nm: float = Field(default=320, gt=0, le=5000)
    """How far around a tile is looked at. With a halo as wide as an object tiles hardly show."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if min(self.tile) < 1:
            raise ValueError("a tile has three sizes >= 1, in the order z, y, x")
        return self

    def tiles(self, site: Site) -> Tiles:
        """The tiles of a volume."""
        halo = voxels_of(self.halo_nm, site.voxel_size_nm)
        return Tiles(site.cut.shape, self.tile, halo, site.first_voxel)


def name_objects(labels: Layer, site: Site, join: Callable[[], tuple[Fragments, NDArray[np.int64]]]) -> Layer:
    """Fragments with equal groups as one object; objects by their first voxel."""

    def name() -> tuple[Labels, NDArray[np.int64]]:
        fragments, groups = join()
        table = fragments.number(groups)
        sizes = np.zeros(int(table.max()) + 1, np.int64)
        np.add.at(sizes, table, fragments.sizes)
        sizes[0] = 0
        return table, sizes

    table, sizes = site.once(name)
    return labels.renamed(lambda values: table[values]).with_sizes(sizes)
