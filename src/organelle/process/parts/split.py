"""Objects that touch, cut at their necks."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from organelle.errors import SettingsError
from organelle.geometry import Box
from organelle.process.layers import Layer
from organelle.process.parts.base import ClassName
from organelle.process.parts.others import clear
from organelle.process.parts.pieces import pieces_of
from organelle.process.parts.tiled import TiledPart, name_objects
from organelle.process.site import Site
from organelle.process.tiled import (
    Fragments,
    add_fragments,
    inside_levels,
    measure_fragments,
    merge_necks,
    peaks,
    reach_of,
    watershed,
)
from organelle.process.tiled.distance import STEPS


class Split(TiledPart):
    """Objects grow from the deepest places of a mask; where a neck is between two, they are apart.

    Depth is the distance to what is not in the mask. Every deepest place within `window_nm` is a seed of a
    watershed on depth; then pieces are joined whose common pass is at least `neck` times as deep as the
    shallower of the two.
    """

    takes = ("mask",)
    gives = "labels"
    part: Literal["split"] = "split"
    neck: float = Field(
        default=0.7, gt=0, le=1, json_schema_extra={"tune": {"low": 0.3, "high": 0.95, "log": False}}
    )
    """Cut where the neck is thinner than this share of the thinner object; more cuts more."""
    limit_nm: float = Field(
        default=200, gt=0, le=1000, json_schema_extra={"tune": {"low": 40, "high": 400, "log": True}}
    )
    """Depths beyond it count as equal: necks thicker than twice this are never cut."""
    window_nm: float = Field(
        default=24, gt=0, le=500, json_schema_extra={"tune": {"low": 8, "high": 100, "log": True}}
    )
    """Of several deep places within this distance one is a seed."""
    without: tuple[ClassName, ...] = ()
    """Classes that do not count as inside for the depth, `pm` for `cell`; objects grow over them at last."""
    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """The probability from which on a class of `without` is there."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The classes that do not count as inside."""
        return self.without

    def check(self, class_name: str) -> None:
        """Without itself a class has no inside."""
        if class_name in self.without:
            raise SettingsError(f"{class_name} has no inside without {class_name}")

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Seeds over blocks, watershed over tiles, contacts over blocks."""
        layer = inner = site.settle(layer)
        for name in self.without:
            inner = clear(inner, site.probability(name).at_least(self.threshold))
        whole, size = layer.box, site.voxel_size_nm

        def depth(box: Box) -> NDArray[np.uint16]:
            return inside_levels(inner.read, box, whole, self.limit_nm, size)

        def height(around: Box) -> NDArray[np.float32]:
            # As deep as it looks from the tile and its halo, so that nothing beyond is read.
            levels = inside_levels(inner.read, around, around, self.limit_nm, size)
            return np.float32(1) - levels.astype(np.float32) / np.float32(STEPS)

        window = reach_of(self.window_nm, size)
        deepest = Layer(layer.shape, np.dtype(bool), lambda box: peaks(depth, box, whole, window))
        seeds = pieces_of(deepest, site, 26, self.part)
        named, tiles = seeds.chosen(), self.tiles(site)
        pieces = site.draw(watershed(height, named.read, layer.read, tiles), np.uint32, tiles.cut)
        measured = site.each(measure_fragments(pieces.read, depth, whole))

        def join() -> tuple[Fragments, NDArray[np.int64]]:
            fragments = add_fragments(measured, seeds.count)
            return fragments, merge_necks(fragments, self.neck)

        return name_objects(pieces, site, join)
