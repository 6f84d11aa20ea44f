"""Foreground: what is probable enough."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from organelle.blocks import Connectivity
from organelle.geometry import Box
from organelle.process.layers import Array, Layer
from organelle.process.objects import Measure, find_pieces
from organelle.process.parts.base import Part
from organelle.process.runs import Runs
from organelle.process.site import Site


class Threshold(Part):
    """A voxel belongs to the class from a probability on."""

    takes = ("probabilities",)
    gives = "mask"
    part: Literal["threshold"] = "threshold"
    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """The probability; 0.5 is where a sigmoid changes its mind."""

    def apply(self, layer: Layer, site: Site) -> Layer:  # noqa: ARG002
        """Compare, voxel by voxel."""
        return layer.at_least(self.threshold)


class Hysteresis(Part):
    """Connected pieces of what is above `low` that reach `high` somewhere."""

    takes = ("probabilities",)
    gives = "mask"
    part: Literal["hysteresis"] = "hysteresis"
    low: float = Field(
        default=0.4, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.7, "log": False}}
    )
    """A voxel may belong to the class from this probability on."""
    high: float = Field(
        default=0.7, gt=0, le=1, json_schema_extra={"tune": {"low": 0.4, "high": 0.99, "log": False}}
    )
    """A piece counts when one of its voxels is as probable as this; not below `low`."""
    connectivity: Connectivity = 26
    """Neighbours that make one piece: 6 across faces, 26 across edges and corners too."""

    @model_validator(mode="after")
    def _ordered(self) -> Hysteresis:
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) must not be below low ({self.low})")
        return self

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Pieces of `low`, across blocks, of which one voxel reaches `high`."""

        def look(box: Box) -> tuple[Array, Measure]:
            values = layer.read(box)
            low, high = values >= self.low, values >= self.high
            return low, lambda pieces, count: _touched(pieces, high, count)

        pieces = find_pieces(
            look, site, self.connectivity, part=self.part, advice="Raise low, or smooth before it"
        )
        return pieces.named(lambda: pieces.joined.gather(np.logical_or, False), bool)


def _touched(pieces: Runs, mask: Array, count: int) -> tuple[Array]:
    """For each of the pieces 1..count whether it shares a voxel with the mask."""
    touched = np.zeros(count + 1, bool)
    touched[pieces.draw(Box((0, 0, 0), pieces.shape), np.uint32)[mask]] = True
    return (touched[1:],)
