"""Objects from affinities."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from organelle.geometry import Box, Voxels
from organelle.process.layers import Layer
from organelle.process.parts.base import ClassName
from organelle.process.parts.tiled import TiledPart, name_objects
from organelle.process.scratch import Name, Store
from organelle.process.site import Site, StoredLabels
from organelle.process.tiled import (
    Affinities,
    JoinedTiles,
    MutexTiles,
    TileSeen,
    add_fragments,
    join_tiles,
    measure_fragments,
)


class MutexWatershed(TiledPart):
    """What belongs together by affinities: steps of one voxel join, longer ones keep apart, the surest first.

    The affinities are the channels `CLASS/affinity_Z_Y_X` that a network learned by `[[model.targets]]` of
    kind `affinities`. Tiles are joined where both see the same within their halos.
    """

    takes = ("mask",)
    gives = "labels"
    part: Literal["mutex_watershed"] = "mutex_watershed"
    of: ClassName
    """The class whose affinities were learned."""
    offsets: tuple[Voxels, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    """Those of the target: steps z, y, x in voxels."""
    bias: float = Field(
        default=0.5, gt=0, lt=1, json_schema_extra={"tune": {"low": 0.2, "high": 0.8, "log": False}}
    )
    """Pairs with a higher affinity belong together; more keeps more apart."""
    join: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.3, "high": 0.9, "log": False}}
    )
    """Intersection over union, within the halos, from which on pieces of two tiles are one object."""
    tile: Voxels = (128, 128, 128)
    """Voxels of a tile; each takes about 16 bytes and offset of memory, with the halo."""
    halo_nm: float = Field(default=128, gt=0, le=5000)
    """How far around a tile is looked at."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The channels of the affinities."""
        return tuple(f"{self.of}/affinity_" + "_".join(map(str, offset)) for offset in self.offsets)

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Watershed over tiles, sizes over blocks."""
        layer = site.settle(layer)
        channels = [site.probability(name) for name in self.reads]

        def read(box: Box) -> NDArray[np.float32]:
            return np.stack([channel.read(box) for channel in channels])

        tiles = self.tiles(site)
        watershed = MutexTiles(Affinities(read, self.offsets, self.bias), layer.read, tiles)
        store = site.store(np.uint32, tiles.cut)

        def cut(core: Box) -> TileSeen:
            labels, seen = watershed.cut(core)
            store.write(core, labels)
            return seen

        found = site.each(cut, tiles.cut)
        joined = site.once(lambda: join_tiles(found, tiles.cut, self.join))
        pieces = _numbered_through(store, joined)
        nothing = measure_fragments(pieces.read, lambda box: np.zeros(box.shape, np.uint16), layer.box)
        measured = site.each(nothing)
        return name_objects(pieces, site, lambda: (add_fragments(measured, joined.count), joined.groups))


def _numbered_through(store: Store, joined: JoinedTiles) -> Layer:
    """The pieces of all tiles, each with a number of its own."""

    def name_in(tile: Voxels) -> Name:
        first = np.uint32(joined.offsets[store.cut.number(tile)])
        return lambda values: np.where(values > 0, values + first, 0)

    return StoredLabels.make(store, name_in)
