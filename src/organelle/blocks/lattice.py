"""The lattice on which a network sees patches: fixed once, whatever region is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from organelle.errors import GridMismatch
from organelle.geometry import Box, Voxels


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Patches of `shape` that start at every whole multiple (also negative) of `stride`.

    Voxel 0 is the first voxel of the dataset. A region needs every patch that touches it, so that each
    voxel always gets the same patches, in whatever region it is computed; patches may hang over its edge.

    Raises:
        GridMismatch: a stride that is not 1 to the patch's size leaves voxels without a patch.
    """

    shape: Voxels
    stride: Voxels

    def __post_init__(self) -> None:
        if any(not 1 <= s <= n for s, n in zip(self.stride, self.shape, strict=True)):
            raise GridMismatch(
                f"patches of {self.shape} voxels every {self.stride} voxels leave gaps; "
                "each stride must be at least 1 and at most the patch's size"
            )

    def touching(self, region: Box) -> Iterator[Box]:
        """Every patch that shares a voxel with `region`, in z, y, x order; none for an empty region."""
        for layer in self.layers(region):
            yield from layer

    def layers(self, region: Box) -> Iterator[tuple[Box, ...]]:
        """The patches of `touching`, those that start in one plane together."""
        for z in self.starts(region, 0):
            rest = product(self.starts(region, 1), self.starts(region, 2))
            yield tuple(Box((z, y, x), self.shape) for y, x in rest)

    def starts(self, region: Box, axis: int) -> range:
        """First voxels, along one axis, of the patches that touch `region`."""
        if region.is_empty:
            return range(0)
        stride, start, stop = self.stride[axis], region.start[axis], region.stop[axis]
        first = (start - self.shape[axis]) // stride + 1
        return range(first * stride, stop, stride)

    def count(self, region: Box) -> int:
        """Number of patches that touch `region`."""
        return math.prod(len(self.starts(region, axis)) for axis in range(3))

    def hull(self, region: Box) -> Box:
        """The smallest box that holds every patch that touches `region`: what a network looks at."""
        if region.is_empty:
            return region
        ranges = [self.starts(region, axis) for axis in range(3)]
        stop = [r[-1] + n for r, n in zip(ranges, self.shape, strict=True)]
        return Box.between([r[0] for r in ranges], stop)
