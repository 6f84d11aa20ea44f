"""Lazy volumes: what a part of a recipe takes and gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from organelle.geometry import Box, Voxels
from organelle.process.runs import Runs

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint32]
ReadBox = Callable[[Box], Array]


@dataclass(frozen=True, eq=False)
class Layer:
    """A volume whose values are computed when a box is read: probabilities (float32), mask or labels.

    Attributes:
        shape: voxels of the volume, z, y, x.
        dtype: float32 for probabilities, bool for a mask, uint32 for labels (0 is background).
        inside: the values of a box that is not empty and lies within the volume.
        costly: whether reading computes so much that a part which reads twice should keep it first.
        sizes: voxels of each id, by id (0 at index 0), if they are known.
        count: N, if the ids are known to be 1..N.
    """

    shape: Voxels
    dtype: np.dtype[Any]
    inside: ReadBox
    costly: bool = False
    sizes: NDArray[np.int64] | None = None
    count: int | None = None

    @classmethod
    def of(cls, array: Array) -> Layer:
        """An array in memory."""
        z, y, x = array.shape
        return cls((z, y, x), array.dtype, lambda box: array[box.slices()])

    @property
    def box(self) -> Box:
        """The whole volume."""
        return Box((0, 0, 0), self.shape)

    @property
    def is_mask(self) -> bool:
        """Whether its values are true and false."""
        return self.dtype.kind == "b"

    @property
    def is_labels(self) -> bool:
        """Whether its values are ids."""
        return self.dtype.kind == "u"

    def read(self, box: Box) -> Array:
        """The values in any box, as an array of its shape: 0 outside of the volume. Do not change it."""
        within = box.intersect(self.box)
        if within == box and not box.is_empty:
            return self.inside(box)
        result = np.zeros(box.shape, self.dtype)
        if not within.is_empty:
            result[within.slices(box.start)] = self.inside(within)
        return result

    def runs(self, box: Box) -> Runs:
        """A mask or labels in a box that is not empty and lies within the volume, as runs."""
        return Runs.of(self.inside(box))

    def map(self, function: Callable[[Array], Array], dtype: DTypeLike) -> Layer:
        """Every voxel by itself: `function` of the values of any box."""
        return Layer(self.shape, np.dtype(dtype), lambda box: function(self.inside(box)), self.costly)

    def around(self, margin: Voxels, function: Callable[[Array], Array], dtype: DTypeLike) -> Layer:
        """Every voxel by what lies within `margin` of it, as far as that is in the volume.

        `function` keeps the shape of what it is given; of its result the margin is cut off.
        """

        def inside(box: Box) -> Array:
            wide = box.grow(margin).intersect(self.box)
            return function(self.inside(wide))[box.slices(wide.start)]

        return Layer(self.shape, np.dtype(dtype), inside, costly=True)

    def at_least(self, probability: float) -> Layer:
        """The mask of what reaches a probability."""
        return self.map(lambda values: values >= probability, bool)

    def renamed(self, name: Callable[[Array], Array], dtype: DTypeLike = np.uint32) -> Layer:
        """Labels with every id replaced; `name` takes an array of ids of any shape and leaves 0 as it is."""
        return self.map(lambda values: np.asarray(name(values), dtype), dtype)

    def with_sizes(self, sizes: NDArray[np.int64]) -> Layer:
        """The same labels, whose ids are known to be 1..N and to have so many voxels (index 0: 0)."""
        return replace(self, sizes=sizes, count=len(sizes) - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaledLayer(Layer):
    """Probabilities that are stored as other numbers.

    Attributes:
        stored: the stored numbers of a box within the volume.
        scale: the number that means probability 1.
        whole: whether the stored numbers are whole.
    """

    stored: ReadBox
    scale: float
    whole: bool

    @classmethod
    def make(cls, shape: Voxels, dtype: np.dtype[Any], stored: ReadBox, scale: float) -> ScaledLayer:
        """Probabilities (float32) of numbers of another type."""

        def inside(box: Box) -> Array:
            return np.asarray(stored(box), np.float32) / np.float32(scale)

        whole = dtype.kind in "biu"
        kind = np.dtype(np.float32)
        return cls(shape, kind, inside, stored=stored, scale=scale, whole=whole)

    def at_least(self, probability: float) -> Layer:
        """The mask of what reaches a probability: the stored numbers are compared."""
        limit = probability * self.scale
        if self.whole:
            limit = math.ceil(limit - 1e-6)
        return Layer(self.shape, np.dtype(bool), lambda box: np.asarray(self.stored(box) >= limit))
