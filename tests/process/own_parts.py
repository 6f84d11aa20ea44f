"""Parts that somebody wrote for a recipe."""

from __future__ import annotations

import time

import numpy as np
import zarr  # noqa: F401  (see below)

from organelle.geometry import Box
from organelle.process import Layer, Site
from organelle.process.runs import Runs
from organelle.settings import Settings

# Libraries and kernels come with the recipe: the first block of a child takes no longer than the others.
Runs.of(np.zeros((1, 1, 8), bool))


class Sharpen(Settings):
    """Probabilities away from the middle; reads another class."""

    power: float = 2.0
    unlike: str = "pm"

    @property
    def reads(self) -> tuple[str, ...]:
        """The class that it reads."""
        return (self.unlike,)

    def apply(self, layer: Layer, site: Site) -> Layer:
        """The class's probability to a power, less the other's."""
        other = site.probability(self.unlike)
        return Layer(
            layer.shape,
            layer.dtype,
            lambda box: np.maximum(layer.inside(box) ** self.power - other.inside(box), 0),
        )


class EverySecond:
    """Only even ids, which leaves gaps."""

    def __init__(self, rest: int = 0) -> None:
        self.rest = rest

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Drop the others."""
        return layer.renamed(lambda ids: np.where(ids % 2 == self.rest, ids, 0))


class Smaller:
    """Gives something of another shape."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """A mistake."""
        return Layer.of(layer.read(layer.box)[1:])


def no_part(**options: int) -> object:
    """Makes something that cannot be applied."""
    return options


NUMBER = 3


class WaitsForEver:
    """Hangs."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Wait for nothing."""
        while True:
            time.sleep(3600)


class Gathered:
    """Halves ids, block after block, as somebody does who knows only one worker."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Count in one pass, write in another."""
        highest = max(int(values.max()) for _, values in site.each(layer.read))
        blocks = ((box, layer.read(box) * (layer.read(box) <= highest // 2)) for box in site.cut)
        return site.gather(blocks, np.uint32)


class HangsAtOneBlock:
    """Keeps the layer, and never comes to an end with one of its blocks."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Wait for nothing there."""

        def look(box: Box) -> np.ndarray:
            while box.start == (0, 24, 40):
                time.sleep(3600)
            return layer.read(box)

        return site.draw(look, bool)
