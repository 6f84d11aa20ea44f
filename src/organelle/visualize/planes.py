"""Three planes through a crop: where they lie best, and what is seen in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from organelle.catalog import Crop
from organelle.classes import Kind
from organelle.geometry import Grid, Nm
from organelle.visualize.levels import Array
from organelle.visualize.opened import OpenImage
from organelle.volumes import resample

SCANNED_VOXELS = 64
"""Length of the longest axis that is enough to find the slices with most to see."""

LIKELY = 0.5
"""From this probability on a prediction is drawn."""


@dataclass(frozen=True)
class Plane:
    """One voxel thin, across `axis`, as a grid of square pixels."""

    axis: int
    grid: Grid

    @property
    def name(self) -> str:
        """Its rows and columns in the order of the picture: columns first."""
        return {0: "x y", 1: "x z", 2: "z y"}[self.axis]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        z, y, x = self.grid.shape
        return {0: (y, x), 1: (z, x), 2: (y, z)}[self.axis]

    def upright(self, voxels: np.ndarray) -> np.ndarray:
        """A slice (z, y, x) as rows and columns: y downwards, or z where there is no y."""
        flat: np.ndarray = voxels.squeeze(self.axis)
        return flat.T if self.axis == 2 else flat


def three_planes(crop: Crop, position_nm: Nm, pixels: int) -> tuple[Plane, Plane, Plane]:
    """The planes across z, x and y through `position_nm`; the crop's longest side is `pixels` long."""
    pixel = max(crop.extent.shape_nm) / pixels
    z, x, y = (_plane(crop, axis, position_nm, pixel) for axis in (0, 2, 1))
    return z, x, y


def busiest_position(crop: Crop, images: Iterable[OpenImage]) -> Nm:
    """Where the three planes show most: each class counts alike, by its share of voxels per slice.

    Returns:
        The middle of a voxel of the crop; its centre voxel, when no class is present.
    """
    shares = [np.zeros(n) for n in crop.grid.shape]
    for image in images:
        level = _coarse(image.levels)
        there = present_in(image, level, level.grid)
        if total := np.count_nonzero(there):
            for axis, share in enumerate(shares):
                counts = there.sum(axis=tuple(a for a in range(3) if a != axis)) / total
                share += _along(crop.grid, axis, level.grid, counts)
    index = [int(s.argmax()) if s.any() else n // 2 for s, n in zip(shares, crop.grid.shape, strict=True)]
    return crop.grid.to_nm(index)


def labels_in(image: OpenImage, plane: Plane) -> np.ndarray:
    """Ids (or 1) in the rows and columns of a plane; 0 where the class is absent, unknown or unlikely."""
    return plane.upright(_labels(image, _fine(image.levels, plane), plane.grid))


def grey_in(image: OpenImage, plane: Plane) -> np.ndarray:
    """Grey values in the rows and columns of a plane; 0 outside of the EM."""
    return plane.upright(_sample(_fine(image.levels, plane), plane.grid, Kind.IMAGE))


def stored_in(image: OpenImage, plane: Plane) -> np.ndarray:
    """Whether grey values are stored, in the rows and columns of a plane; False outside of the EM."""
    level = _fine(image.levels, plane)
    wanted = level.grid.box_of(plane.grid.extent, snap="outer").intersect(level.grid.box)
    if wanted.is_empty:
        return np.zeros(plane.shape, bool)
    stored = level.present(wanted)
    return plane.upright(resample(stored, level.grid.subgrid(wanted), plane.grid, Kind.SEMANTIC))


def present_in(image: OpenImage, level: Array, grid: Grid) -> np.ndarray:
    """Whether the class is present, for each voxel of `grid`."""
    return np.asarray(_labels(image, level, grid) != 0)


def _labels(image: OpenImage, level: Array, grid: Grid) -> np.ndarray:
    if image.encoding is None:
        values = _sample(level, grid, Kind.IMAGE)
        return np.asarray(values >= LIKELY * image.certain).astype(np.uint8)
    values = _sample(level, grid, Kind.SEMANTIC)
    there: np.ndarray = values != image.encoding.absent
    if image.unknown is not None:
        there &= values != image.unknown
    if image.encoding.kind is Kind.SEMANTIC:
        return np.asarray(there.astype(np.uint8))
    return np.asarray(np.where(there, values, 0))


def _sample(level: Array, grid: Grid, kind: Kind) -> np.ndarray:
    wanted = level.grid.box_of(grid.extent, snap="outer").grow((1, 1, 1)).intersect(level.grid.box)
    if wanted.is_empty:
        return np.zeros(grid.shape, level.dtype)
    return resample(level.read(wanted), level.grid.subgrid(wanted), grid, kind)


def _plane(crop: Crop, axis: int, position_nm: Nm, pixel: float) -> Plane:
    shape = [max(1, round(n / pixel)) for n in crop.extent.shape_nm]
    size = [length / n for length, n in zip(crop.extent.shape_nm, shape, strict=True)]
    first = [a + v / 2 for a, v in zip(crop.extent.start_nm, size, strict=True)]
    shape[axis], size[axis], first[axis] = 1, crop.voxel_size_nm[axis], position_nm[axis]
    (nz, ny, nx), (vz, vy, vx), (oz, oy, ox) = shape, size, first
    return Plane(axis, Grid((vz, vy, vx), (oz, oy, ox), (nz, ny, nx)))


def _coarse(levels: Sequence[Array]) -> Array:
    """The coarsest level that is long enough."""
    return next((v for v in reversed(levels) if max(v.grid.shape) >= SCANNED_VOXELS), levels[0])


def _fine(levels: Sequence[Array], plane: Plane) -> Array:
    """The coarsest level that is not coarser than the pixels of a plane, else the finest."""
    sides = [axis for axis in range(3) if axis != plane.axis]
    pixel = plane.grid.voxel_size_nm
    good = [v for v in levels if all(v.grid.voxel_size_nm[a] <= pixel[a] * 1.01 for a in sides)]
    return good[-1] if good else levels[0]


def _along(crop: Grid, axis: int, level: Grid, counts: np.ndarray) -> np.ndarray:
    """Counts per slice of a level, at the slices of the crop; 0 outside of the level."""
    at = level.origin_nm[axis] + np.arange(level.shape[axis]) * level.voxel_size_nm[axis]
    wanted = crop.origin_nm[axis] + np.arange(crop.shape[axis]) * crop.voxel_size_nm[axis]
    return np.asarray(np.interp(wanted, at, counts, left=0, right=0))
