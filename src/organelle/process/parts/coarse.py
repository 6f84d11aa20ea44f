"""Large objects that come in parts, joined at a coarse scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from organelle.process.layers import Layer
from organelle.process.parts.base import Part
from organelle.process.parts.holes import CloseGaps, FillHoles
from organelle.process.parts.pieces import Components, MinVolume
from organelle.process.scratch import Cut
from organelle.process.site import Site
from organelle.process.tiled import Coarse, coarsen, refine


class JoinParts(Part):
    """Parts of a mask that are near to each other become one object, filled: `nuc` from patches.

    Done on cells of about `scale_nm` on the dataset's lattice: gaps up to twice `gap_nm` are closed, holes
    filled, small pieces dropped; back at the fine grid the rim of each object is that of the mask.
    """

    takes = ("mask",)
    gives = "labels"
    part: Literal["join_parts"] = "join_parts"
    scale_nm: float = Field(
        default=64, gt=0, le=2000, json_schema_extra={"tune": {"low": 16, "high": 256, "log": True}}
    )
    """Side of a cell; a cell belongs to the mask when half of its voxels do."""
    gap_nm: float = Field(
        default=64, ge=0, le=5000, json_schema_extra={"tune": {"low": 16, "high": 512, "log": True}}
    )
    """Radius of the ball by which gaps are closed; 0 closes none."""
    min_volume_nm3: float = Field(
        default=0, ge=0, json_schema_extra={"tune": {"low": 1e6, "high": 1e10, "log": True}}
    )
    """Smaller objects, measured in cells, are dropped."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """The exact parts on cells, then voxels by their cells."""
        layer = site.settle(layer)
        coarse = Coarse.near(self.scale_nm, layer.shape, site.voxel_size_nm, site.first_voxel)
        above = self._site_of(coarse, site)
        cells = above.keep(Layer(above.cut.shape, np.dtype(bool), coarsen(layer.read, coarse)))
        if self.gap_nm >= min(above.voxel_size_nm):
            cells = above.keep(CloseGaps(radius_nm=self.gap_nm).apply(cells, above))
        objects = Components().apply(FillHoles().apply(cells, above), above)
        objects = MinVolume(volume_nm3=self.min_volume_nm3).apply(objects, above)
        return Layer(
            layer.shape, np.dtype(np.uint32), lambda box: refine(objects.read, layer.read, coarse, box), True
        )

    def _site_of(self, coarse: Coarse, site: Site) -> Site:
        z, y, x = (n * f for n, f in zip(site.voxel_size_nm, coarse.factor, strict=True))
        a, b, c = (max(1, n // f) for n, f in zip(site.cut.block_shape, coarse.factor, strict=True))
        return replace(site, cut=Cut(coarse.cells.shape, (a, b, c)), voxel_size_nm=(z, y, x))
