"""Microtubules: centre-lines, linked and drawn again."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from organelle.geometry import Box, Nm, Voxels
from organelle.process.layers import Layer
from organelle.process.parts.base import Part
from organelle.process.parts.pieces import pieces_of
from organelle.process.site import Site
from organelle.process.tiled import (
    TubeCells,
    TubePieces,
    find_lines,
    gather_cells,
    inside_levels,
    link_lines,
    tube_cells,
)
from organelle.process.tiled.distance import STEPS
from organelle.process.tiled.lines import Line

OUTER = 0.4
"""Part of a voxel by which the centre of an outermost voxel seems to lie too deep (seen on drawn tubes)."""
THICKEST = 8
"""Depths of more radii than this are of something else, and count as this."""


class Tubes(Part):
    """Each centre-line of a mask becomes a tube of one thickness; lines that go on after a gap become one.

    Where pieces cross or touch, each long way through is a line of its own. Only small records of the
    pieces meet in memory: the result does not depend on blocks.
    """

    takes = ("mask", "labels")
    gives = "labels"
    part: Literal["tubes"] = "tubes"
    radius_nm: float = Field(
        default=12.5, gt=0, le=200, json_schema_extra={"tune": {"low": 8, "high": 40, "log": False}}
    )
    """Of the tubes that are drawn; a microtubule is 25 nm thick."""
    as_thick: bool = Field(default=False, json_schema_extra={"tune": {"choices": [False, True]}})
    """Draw tubes as thick as the mask is on average, where that is thicker than `radius_nm`: at coarse voxels
    a microtubule is hardly ever annotated, or predicted, as thin as it is."""
    gap_nm: float = Field(
        default=60, ge=0, le=500, json_schema_extra={"tune": {"low": 0, "high": 200, "log": False}}
    )
    """Ends at most this far apart are linked, if the lines go on in that direction; 0 links nothing."""
    angle_degrees: float = Field(
        default=30, gt=0, le=90, json_schema_extra={"tune": {"low": 10, "high": 60, "log": False}}
    )
    """By how much a line may turn at a link."""
    min_length_nm: float = Field(
        default=50, ge=0, json_schema_extra={"tune": {"low": 20, "high": 300, "log": True}}
    )
    """Shorter lines are dropped, after linking."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Gather cells over blocks, link lines, draw over blocks."""
        layer = site.settle(layer)
        pieces = pieces_of(layer, site, 26, self.part)
        size = site.voxel_size_nm
        radius = self._radius(layer, site)
        found = site.each(tube_cells(pieces.chosen().read, _cell(radius, size), site.first_voxel))
        tubes = site.once(lambda: TubePieces.of(self._lines(gather_cells(found, size), radius), radius, size))
        return site.draw(tubes.draw, np.uint32)

    def _lines(self, cells: TubeCells, radius_nm: float) -> tuple[Line, ...]:
        lines: tuple[Line, ...] = find_lines(cells, radius_nm)
        if self.gap_nm:
            lines = link_lines(lines, self.gap_nm, self.angle_degrees)
        return tuple(line for line in lines if line.length_nm >= self.min_length_nm)

    def _radius(self, layer: Layer, site: Site) -> float:
        """That of the settings, or of the mask: three times its mean depth, as in a long cylinder."""
        if not self.as_thick:
            return self.radius_nm
        size, limit = site.voxel_size_nm, THICKEST * self.radius_nm
        mask = layer.map(lambda values: values > 0, bool)

        def depths(box: Box) -> tuple[int, int]:
            levels = inside_levels(mask.read, box, mask.box, limit, size)
            return int(levels.sum(dtype=np.int64)), int(np.count_nonzero(levels))

        found = site.each(depths)

        def mean_depth() -> float:
            total, voxels = (sum(column) for column in zip(*(sums for _, sums in found), strict=True))
            return float(total / max(1, voxels) * limit / STEPS)

        depth = site.once(mean_depth)
        return float(max(self.radius_nm, 3 * (depth - OUTER * site.voxel_volume_nm3 ** (1 / 3))))


def _cell(radius_nm: float, voxel_size_nm: Nm) -> Voxels:
    """Cells of about the radius: fine enough for a line, few enough to be held in memory."""
    z, y, x = (max(1, round(radius_nm / size)) for size in voxel_size_nm)
    return z, y, x
