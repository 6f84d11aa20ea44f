"""2D patches that lie in a plane of a crop's voxels, as all do that are neither bent nor faulty.

Voxels of a plane across z or y stand in rows in memory; of a plane across x each stands alone, and reading it
costs as much as reading a row. So crops of which such planes are drawn hold them a second time, x outermost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm, Voxels
from organelle.sampling.affine import Rows, exchanges
from organelle.sampling.settings import SamplingSettings

if TYPE_CHECKING:
    from organelle.sampling.plane_kernels import Source

X = 2
OTHERS = ((1, 2), (0, 2), (0, 1))
"""The axes beside each."""
Lines = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Where a patch begins on the two axes of a plane, each with its steps along the axes of the patch."""


@dataclass(frozen=True, eq=False)
class Layer:
    """An array in memory, whatever the order of its axes; all tuples are z, y, x."""

    flat: NDArray[Any]
    shape: Voxels
    steps: Voxels
    """From a voxel to the next on each axis."""
    start: Voxels
    """Voxel of the crop's EM at which it begins."""

    @classmethod
    def of(cls, array: NDArray[Any], start: Voxels) -> Layer:
        """Of a contiguous array [z, y, x]."""
        z, y, x = array.shape
        return cls(flattened(array), (z, y, x), (y * x, x, 1), start)

    @classmethod
    def turned(cls, array: NDArray[Any], start: Voxels) -> Layer:
        """Of a contiguous array [x, z, y]."""
        x, z, y = array.shape
        return cls(flattened(array), (z, y, x), (y, 1, z * y), start)

    def source(self, across: int, index: int, lines: Lines) -> Source:
        """The plane across an axis at voxel `index` of the crop's EM, with the way of a patch in it."""
        here, (a, b) = index - self.start[across], OTHERS[across]
        rows = self.shape[a] if 0 <= here < self.shape[across] else 0
        plane = here * self.steps[across], rows, self.shape[b], self.steps[a], self.steps[b]
        (p, p_down, p_right), (q, q_down, q_right) = lines
        p, q = p - self.start[a], q - self.start[b]
        return self.flat, plane, ((p, p_down, p_right), (q, q_down, q_right))


@dataclass(frozen=True, eq=False)
class Turned:
    """Planes across x, where they are labelled: arrays [x, z, y]; `present` is empty when all EM is there."""

    em: NDArray[np.uint8]
    present: NDArray[np.bool_]
    codes: NDArray[Any]

    @classmethod
    def of(cls, em: NDArray[np.uint8], present: NDArray[np.bool_], codes: NDArray[Any], first: int) -> Turned:
        """Copies of arrays [z, y, x]; labels begin at `first` on the x axis of the EM."""
        labelled = slice(first, first + codes.shape[X])
        there = present[:, :, labelled] if present.size else present
        em, there, codes = (
            np.ascontiguousarray(array.transpose(2, 0, 1)) for array in (em[:, :, labelled], there, codes)
        )
        return cls(em, there, codes)


@dataclass(frozen=True, eq=False)
class Shelf:
    """What planes are read from."""

    em: Layer
    present: NDArray[np.bool_]
    codes: Layer

    def has(self, axis: int, index: int) -> bool:
        """Whether the EM of a plane is here."""
        return 0 <= index - self.em.start[axis] < self.em.shape[axis]


def flattened(array: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written to, as arrays in files cannot: loops are compiled for each of both."""
    flat = array.reshape(-1)
    flat.flags.writeable = False
    return flat


def wants_turned(voxel_size_nm: Nm, flat_axis: int | None, settings: SamplingSettings) -> bool:
    """Whether planes across x are drawn."""
    return flat_axis is not None and any(
        axes[flat_axis] == X for axes in exchanges(voxel_size_nm, flat_axis, settings)
    )


def plane_across(matrix: Rows, shown: tuple[int, int]) -> int | None:
    """The axis of the data that a patch which shows two axes lies across; None if it is tilted."""
    i, j = shown
    return next((axis for axis, row in enumerate(matrix) if row[i] == 0 == row[j]), None)


def lines_of(matrix: Rows, across: int, shown: tuple[int, int], place: Voxels, shape: Voxels) -> Lines:
    """How a patch, which shows voxel `place` of the data in its middle, lies in the plane there.

    `shown` are the axes of the patch that are not flat.
    """
    (i, j), (a, b) = shown, OTHERS[across]
    row, column = matrix[a], matrix[b]
    m, n = shape[i] // 2, shape[j] // 2
    return (
        (place[a] - (row[i] * m + row[j] * n), row[i], row[j]),
        (place[b] - (column[i] * m + column[j] * n), column[i], column[j]),
    )
