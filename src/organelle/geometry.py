"""Where things are: voxels and nanometres, and the one place where they meet.

Everything is ordered z, y, x. A `Box` counts voxels, an `Extent` measures nanometres, and a `Grid` knows
both: its voxel size and **the centre of its first voxel** (the convention of the challenge's metadata).
The first voxel of a grid therefore reaches half a voxel before its origin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from organelle.errors import GridMismatch

Voxels = tuple[int, int, int]
Nm = tuple[float, float, float]

TOLERANCE_VOXELS = 0.05
"""How far from a whole voxel a place may lie and still be on the lattice: tables round to 0.01 nm."""


@dataclass(frozen=True, slots=True)
class Box:
    """The voxels `start <= index < start + shape`; `start` may be negative, `shape` may not."""

    start: Voxels
    shape: Voxels

    def __post_init__(self) -> None:
        if len(self.start) != 3 or len(self.shape) != 3 or min(self.shape) < 0:
            raise GridMismatch(f"a box needs 3 starts and 3 sizes >= 0, not {self.start}, {self.shape}")

    @classmethod
    def between(cls, start: Sequence[int], stop: Sequence[int]) -> Box:
        """The box from `start` up to, not including, `stop`; empty where `stop <= start`."""
        begin = _voxels(start)
        return cls(begin, _voxels([max(0, b - a) for a, b in zip(begin, stop, strict=True)]))

    @property
    def stop(self) -> Voxels:
        """The first index after the box, per axis."""
        return _voxels([a + n for a, n in zip(self.start, self.shape, strict=True)])

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def is_empty(self) -> bool:
        """Whether the box holds no voxel."""
        return self.size == 0

    def intersect(self, other: Box) -> Box:
        """The voxels in both; empty (but placed) when they do not meet."""
        start = [max(a, b) for a, b in zip(self.start, other.start, strict=True)]
        return Box.between(start, [min(a, b) for a, b in zip(self.stop, other.stop, strict=True)])

    def union(self, other: Box) -> Box:
        """The smallest box that holds the voxels of both; an empty box adds nothing."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        start = [min(a, b) for a, b in zip(self.start, other.start, strict=True)]
        return Box.between(start, [max(a, b) for a, b in zip(self.stop, other.stop, strict=True)])

    def contains(self, other: Box) -> bool:
        """Whether every voxel of `other` lies in this box; an empty box lies in every box."""
        return other.is_empty or self.intersect(other) == other

    def shift(self, by: Sequence[int]) -> Box:
        """The same box moved by whole voxels."""
        return Box(_voxels([a + d for a, d in zip(self.start, by, strict=True)]), self.shape)

    def relative_to(self, other: Box) -> Box:
        """The same voxels counted from the first voxel of `other`."""
        return self.shift([-a for a in other.start])

    def grow(self, before: Sequence[int], after: Sequence[int] | None = None) -> Box:
        """Reach further by `before` voxels at the low side and `after` (default: the same) at the high."""
        end = before if after is None else after
        start = [a - g for a, g in zip(self.start, before, strict=True)]
        return Box.between(start, [b + g for b, g in zip(self.stop, end, strict=True)])

    def snap(self, step: Sequence[int]) -> Box:
        """The smallest box around this one whose faces are multiples of `step`."""
        start = [a // s * s for a, s in zip(self.start, step, strict=True)]
        return Box.between(start, [-(-b // s) * s for b, s in zip(self.stop, step, strict=True)])

    def tiles(self, shape: Sequence[int]) -> Iterator[Box]:
        """Cut into boxes of `shape` on the lattice of multiples of `shape`, in z, y, x order.

        Tiles at the rim are clipped, so that together they hold every voxel of the box exactly once.
        """
        if self.is_empty:
            return
        outer = self.snap(shape)
        ranges = [range(a, b, n) for a, b, n in zip(outer.start, outer.stop, shape, strict=True)]
        for start in product(*ranges):
            yield Box(_voxels(start), _voxels(shape)).intersect(self)

    def slices(self, origin: Sequence[int] = (0, 0, 0)) -> tuple[slice, slice, slice]:
        """Index expression for an array whose first voxel is `origin`; the box may not start before it."""
        start = [a - o for a, o in zip(self.start, origin, strict=True)]
        if min(start) < 0 and not self.is_empty:
            raise GridMismatch(f"{self} starts before the array's first voxel {tuple(origin)}")
        z, y, x = (slice(a, a + n) for a, n in zip(start, self.shape, strict=True))
        return z, y, x


@dataclass(frozen=True, slots=True)
class Extent:
    """A cuboid in nanometres, from corner to corner."""

    start_nm: Nm
    shape_nm: Nm

    @property
    def stop_nm(self) -> Nm:
        """The far corner."""
        return _nm([a + n for a, n in zip(self.start_nm, self.shape_nm, strict=True)])

    @property
    def centre_nm(self) -> Nm:
        """The middle."""
        return _nm([a + n / 2 for a, n in zip(self.start_nm, self.shape_nm, strict=True)])

    def intersect(self, other: Extent) -> Extent:
        """What lies in both; a size of 0 nm on the axes where they do not meet."""
        start = [max(a, b) for a, b in zip(self.start_nm, other.start_nm, strict=True)]
        stop = [min(a, b) for a, b in zip(self.stop_nm, other.stop_nm, strict=True)]
        return Extent(_nm(start), _nm([max(0.0, b - a) for a, b in zip(start, stop, strict=True)]))

    def overlaps(self, other: Extent) -> bool:
        """Whether the two share volume; faces that touch (to a millionth of a nm) do not count."""
        return min(self.intersect(other).shape_nm) > 1e-6

    def grow(self, by_nm: Sequence[float]) -> Extent:
        """Reach further by `by_nm` on both sides of each axis."""
        start = [a - g for a, g in zip(self.start_nm, by_nm, strict=True)]
        return Extent(_nm(start), _nm([n + 2 * g for n, g in zip(self.shape_nm, by_nm, strict=True)]))


@dataclass(frozen=True, slots=True)
class Grid:
    """A lattice of voxels in space: voxel size, centre of the first voxel, number of voxels (z, y, x)."""

    voxel_size_nm: Nm
    origin_nm: Nm
    shape: Voxels

    def __post_init__(self) -> None:
        numbers = (*self.voxel_size_nm, *self.origin_nm)
        if len(numbers) != 6 or not all(math.isfinite(n) for n in numbers):
            raise GridMismatch(f"voxel size and origin must be three finite numbers each, not {numbers}")
        if min(self.voxel_size_nm) <= 0:
            raise GridMismatch(f"voxel sizes must be positive, not {self.voxel_size_nm} nm")
        if len(self.shape) != 3 or min(self.shape) < 0:
            raise GridMismatch(f"a grid needs three sizes >= 0, not {self.shape}")

    @classmethod
    def covering(cls, extent: Extent, voxel_size_nm: Sequence[float]) -> Grid:
        """The grid whose first voxel starts at the extent's corner and that holds all of it."""
        size = _nm(voxel_size_nm)
        shape = [math.ceil(n / v - TOLERANCE_VOXELS) for n, v in zip(extent.shape_nm, size, strict=True)]
        origin = [a + v / 2 for a, v in zip(extent.start_nm, size, strict=True)]
        return cls(size, _nm(origin), _voxels(shape))

    @property
    def box(self) -> Box:
        """All voxels of the grid, counted from its first."""
        return Box((0, 0, 0), self.shape)

    @property
    def extent(self) -> Extent:
        """From the outer corner of the first voxel to that of the last."""
        return self.extent_of(self.box)

    @property
    def voxel_volume_nm3(self) -> float:
        """Volume of one voxel."""
        return math.prod(self.voxel_size_nm)

    def to_nm(self, index: Sequence[float]) -> Nm:
        """Place of a (fractional) voxel index; a whole index is the centre of that voxel."""
        return _nm([o + i * v for o, i, v in zip(self.origin_nm, index, self.voxel_size_nm, strict=True)])

    def to_index(self, nm: Sequence[float]) -> Nm:
        """Fractional voxel index of a place; the inverse of `to_nm`."""
        return _nm([(p - o) / v for p, o, v in zip(nm, self.origin_nm, self.voxel_size_nm, strict=True)])

    def extent_of(self, box: Box) -> Extent:
        """The cuboid that the voxels of `box` fill; `box` may reach outside of the grid."""
        start = self.to_nm([a - 0.5 for a in box.start])
        return Extent(start, _nm([n * v for n, v in zip(box.shape, self.voxel_size_nm, strict=True)]))

    def box_of(self, extent: Extent, *, snap: Literal["exact", "outer", "inner"] = "exact") -> Box:
        """The voxels of an extent, counted on this lattice; it may reach outside of the grid.

        `exact` demands that the faces lie between voxels (to 0.05 voxel), `outer` takes every voxel that
        the extent touches, `inner` only those that it holds completely.

        Raises:
            GridMismatch: `exact`, and a face cuts through voxels.
        """
        low = [i + 0.5 for i in self.to_index(extent.start_nm)]
        high = [i + 0.5 for i in self.to_index(extent.stop_nm)]
        if snap == "exact":
            if any(abs(i - round(i)) > TOLERANCE_VOXELS for i in (*low, *high)):
                raise GridMismatch(
                    f"an extent from {extent.start_nm} to {extent.stop_nm} nm cuts through voxels of "
                    f"{self.voxel_size_nm} nm whose first centre is {self.origin_nm} nm"
                )
            return Box.between([round(i) for i in low], [round(i) for i in high])
        ease = TOLERANCE_VOXELS if snap == "outer" else -TOLERANCE_VOXELS
        down, up = (math.floor, math.ceil) if snap == "outer" else (math.ceil, math.floor)
        return Box.between([down(i + ease) for i in low], [up(i - ease) for i in high])

    def subgrid(self, box: Box) -> Grid:
        """The same lattice over the voxels of `box`, which may reach outside of the grid."""
        return Grid(self.voxel_size_nm, self.to_nm(box.start), box.shape)

    def rescaled(self, voxel_size_nm: Sequence[float]) -> Grid:
        """The grid of another voxel size that starts at the same corner and holds the same extent."""
        return Grid.covering(self.extent, voxel_size_nm)

    def downsampled(self, factor: Sequence[int] = (2, 2, 2)) -> Grid:
        """The pyramid level whose voxels gather `factor` voxels of this one; the rim's may be partial."""
        size = [v * f for v, f in zip(self.voxel_size_nm, factor, strict=True)]
        origin = self.to_nm([(f - 1) / 2 for f in factor])
        return Grid(_nm(size), origin, _voxels([-(-n // f) for n, f in zip(self.shape, factor, strict=True)]))

    def same_voxel_size(self, other: Grid) -> bool:
        """Whether the voxel sizes agree to one part in ten thousand."""
        pairs = zip(self.voxel_size_nm, other.voxel_size_nm, strict=True)
        return all(math.isclose(a, b, rel_tol=1e-4) for a, b in pairs)

    def shift_to(self, other: Grid) -> Voxels:
        """The index, on this lattice, of the first voxel of `other`: always whole.

        Raises:
            GridMismatch: the voxel sizes differ, or the lattices lie between each other.
        """
        if not self.same_voxel_size(other):
            raise GridMismatch(
                f"voxel sizes {self.voxel_size_nm} and {other.voxel_size_nm} nm differ; resample one of them"
            )
        index = self.to_index(other.origin_nm)
        if any(abs(i - round(i)) > TOLERANCE_VOXELS for i in index):
            raise GridMismatch(
                f"first voxels at {self.origin_nm} and {other.origin_nm} nm are {index} voxels apart, "
                "not a whole number"
            )
        return _voxels([round(i) for i in index])

    def shares_lattice(self, other: Grid) -> bool:
        """Whether `shift_to` has an answer."""
        try:
            self.shift_to(other)
        except GridMismatch:
            return False
        return True


def _voxels(numbers: Sequence[int]) -> Voxels:
    z, y, x = numbers
    return int(z), int(y), int(x)


def _nm(numbers: Sequence[float]) -> Nm:
    z, y, x = numbers
    return float(z), float(y), float(x)
