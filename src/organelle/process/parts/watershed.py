"""Objects around their lumina."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from organelle.geometry import Box
from organelle.process.layers import Array, Layer
from organelle.process.objects import tally
from organelle.process.parts.base import ClassName
from organelle.process.parts.others import clear
from organelle.process.parts.pieces import pieces_of, renumber
from organelle.process.parts.tiled import TiledPart
from organelle.process.site import Site
from organelle.process.tiled import seeded, unseeded, watershed


class Watershed(TiledPart):
    """Each connected piece of another class within the mask, a lumen, becomes an object of its own.

    The mask is flooded from the lumina, where they are most probable first, or where `border` is least.
    """

    takes = ("mask",)
    gives = "labels"
    part: Literal["watershed"] = "watershed"
    seeds: ClassName
    """The class whose pieces are the seeds: `ves_lum` for `ves`."""
    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.2, "high": 0.95, "log": False}}
    )
    """The probability from which on the seeds' class is there; more keeps more apart."""
    min_volume_nm3: float = Field(
        default=0, ge=0, json_schema_extra={"tune": {"low": 1e2, "high": 1e7, "log": True}}
    )
    """Smaller seeds do not count."""
    border: ClassName | None = None
    """The class that separates objects, `ves_mem` for `ves`: flooded last where it is probable."""
    unseeded: bool = True
    """Pieces of the mask in which there is no seed stay as they are; else they vanish."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The classes of seeds and borders."""
        return (self.seeds, self.border) if self.border else (self.seeds,)

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Seeds over blocks, watershed over tiles."""
        layer = site.settle(layer)
        lumen = site.probability(self.seeds)
        outside = layer.map(np.logical_not, bool)
        seeds = self._seeds(clear(lumen.at_least(self.threshold), outside), site)
        if self.unseeded:
            seeds = self._and_unseeded(layer, seeds, site)

        def height(box: Box) -> NDArray[np.float32]:
            high = site.probability(self.border).read(box) if self.border else 1 - lumen.read(box)
            return np.asarray(high, np.float32)

        tiles = self.tiles(site)
        labels = site.draw(watershed(height, seeds.read, layer.read, tiles), np.uint32, tiles.cut)
        return renumber(*tally(labels, site), site)

    def _seeds(self, mask: Layer, site: Site) -> Layer:
        pieces = pieces_of(mask, site, 26, self.part)
        fewest = self.min_volume_nm3 / site.voxel_volume_nm3
        return pieces.chosen(lambda: pieces.joined.sizes >= fewest)

    def _and_unseeded(self, layer: Layer, seeds: Layer, site: Site) -> Layer:
        """Pieces without a seed become seeds themselves, numbered after the others."""
        pieces = pieces_of(layer, site, 26, self.part)
        numbers = pieces.named(lambda: np.arange(pieces.count + 1))
        found = site.each(seeded(numbers.read, seeds.read))

        def name() -> Array:
            alone = unseeded(found, pieces.count)
            return np.where(alone, np.cumsum(alone) + (seeds.count or 0), 0)

        more = pieces.named(name)
        return Layer(seeds.shape, seeds.dtype, lambda box: seeds.inside(box) + more.inside(box))
