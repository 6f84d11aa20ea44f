"""Holes and gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from organelle.geometry import Box
from organelle.process.grow import reach, within
from organelle.process.layers import Array, Labels, Layer, Mask
from organelle.process.objects import Joined, Measure, find_pieces
from organelle.process.parts.base import Part
from organelle.process.runs import Runs
from organelle.process.site import Site

SEVERAL = np.uint32(2**32 - 1)


class FillHoles(Part):
    """Each object gets the cavities that it alone encloses.

    A cavity is background connected across faces (6 neighbours) that does not reach the volume's faces. For
    a mask that is `scipy.ndimage.binary_fill_holes`; a cavity that borders on two objects stays open.
    """

    takes = ("mask", "labels")
    part: Literal["fill_holes"] = "fill_holes"

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Label the background, and see what each piece of it borders on."""
        layer = site.settle(layer)

        def look(box: Box) -> tuple[Runs, Measure]:
            runs = layer.runs(box)
            background = replace(runs, values=(runs.values == 0).astype(np.uint8))

            def measure(cavities: Runs, count: int) -> tuple[Array, Array]:
                inner = cavities.draw(Box((0, 0, 0), box.shape), np.uint32)
                return _rims(layer.read(box.grow((1, 1, 1))), inner, count, box, site.cut.box)

            return background, measure

        cavities = find_pieces(look, site, 6, part=self.part, advice="Smooth or drop specks before it")
        holes = cavities.named(lambda: _closed(cavities.joined), layer.dtype)
        filled = Layer(layer.shape, layer.dtype, lambda box: layer.inside(box) + holes.inside(box))
        return replace(filled, count=layer.count)


def _closed(cavities: Joined) -> Array:
    """For each cavity the one label around it, 0 if there are several or it is open."""
    lowest = cavities.gather(np.minimum, SEVERAL, 0)
    highest = cavities.gather(np.maximum, np.uint32(0), 1)
    return np.where(lowest == highest, highest, 0)


def _rims(around: Array, cavities: Labels, count: int, box: Box, volume: Box) -> tuple[Array, Array]:
    """The lowest and the highest label around each cavity of a block; 0 and the highest number if open."""
    from organelle.process.kernels import rims

    lowest, highest = np.full(count + 1, SEVERAL), np.zeros(count + 1, np.uint32)
    for axis in range(3):
        for side, at_face in (
            (0, box.start[axis] == volume.start[axis]),
            (-1, box.stop[axis] == volume.stop[axis]),
        ):
            if at_face:
                open_ = np.unique(np.take(cavities, side, axis))
                lowest[open_], highest[open_] = 0, SEVERAL
    rims(around.view(np.uint8) if around.dtype == bool else around, cavities, lowest, highest)
    return lowest[1:], highest[1:]


class CloseGaps(Part):
    """Gaps narrower than a ball are closed: the mask is dilated by the ball, then eroded by it.

    That is `scipy.ndimage.binary_closing` with the voxels whose centres are within `radius_nm`; what lies
    outside of the volume neither adds nor takes away.
    """

    takes = ("mask",)
    part: Literal["close_gaps"] = "close_gaps"
    radius_nm: float = Field(gt=0, le=1000, json_schema_extra={"tune": {"low": 4, "high": 100, "log": True}})
    """Of the ball."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Look twice the radius around."""
        size = site.voxel_size_nm
        z, y, x = (2 * n for n in reach(self.radius_nm, size))

        def close(mask: Mask) -> Mask:
            return ~within(~within(mask, self.radius_nm, size), self.radius_nm, size)

        return layer.around((z, y, x), close, bool)
