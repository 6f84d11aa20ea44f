"""Work at a coarse scale: cells of several voxels on the dataset's lattice, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Nm, Voxels
from organelle.process.objects import Cut, Labels, Mask


@dataclass(frozen=True)
class Coarse:
    """A volume in cells of `factor` voxels that start at multiples of it on the dataset's lattice.

    Cells at the rim may reach outside of the volume; what is outside does not count.
    """

    shape: Voxels
    """Of the volume, in voxels."""
    factor: Voxels
    first_voxel: Voxels = (0, 0, 0)
    """The volume's first voxel on the dataset's lattice."""

    @classmethod
    def near(cls, scale_nm: float, shape: Voxels, voxel_size_nm: Nm, first_voxel: Voxels) -> Coarse:
        """The cells whose sides are nearest to `scale_nm`, of one voxel at least."""
        z, y, x = (max(1, math.floor(scale_nm / size + 0.5)) for size in voxel_size_nm)
        return cls(shape, (z, y, x), first_voxel)

    @property
    def cells(self) -> Box:
        """All cells, counted from the volume's first."""
        volume = Box(self.first_voxel, self.shape).snap(self.factor)
        z, y, x = (n // f for n, f in zip(volume.shape, self.factor, strict=True))
        return Box((0, 0, 0), (z, y, x))

    def voxels(self, cells: Box) -> Box:
        """The voxels of some cells, counted from the volume's first voxel; may reach outside."""
        shift = self._before
        start = [a * f - s for a, f, s in zip(cells.start, self.factor, shift, strict=True)]
        stop = [b * f - s for b, f, s in zip(cells.stop, self.factor, shift, strict=True)]
        return Box.between(start, stop)

    def around(self, voxels: Box) -> Box:
        """The cells that hold some voxels."""
        lattice = voxels.shift(self._before).snap(self.factor)
        start = [a // f for a, f in zip(lattice.start, self.factor, strict=True)]
        return Box.between(start, [b // f for b, f in zip(lattice.stop, self.factor, strict=True)])

    @property
    def _before(self) -> Voxels:
        """Voxels of the first cell that lie before the volume."""
        z, y, x = (a % f for a, f in zip(self.first_voxel, self.factor, strict=True))
        return z, y, x


def coarsen(read_mask: Callable[[Box], Mask], coarse: Coarse) -> Callable[[Box], Mask]:
    """Read cells: those of whose voxels inside of the volume at least half are in the mask."""
    whole = Box((0, 0, 0), coarse.shape)

    def read(cells: Box) -> Mask:
        voxels = coarse.voxels(cells)
        inside = voxels.intersect(whole)
        mask, known = np.zeros(voxels.shape, bool), np.zeros(voxels.shape, bool)
        if not inside.is_empty:
            mask[inside.slices(voxels.start)] = read_mask(inside)
            known[inside.slices(voxels.start)] = True
        many = _summed(known, coarse.factor)
        return np.asarray((many > 0) & (2 * _summed(mask, coarse.factor) >= many))

    return read


def refine(
    read_cells: Callable[[Box], Labels], read_mask: Callable[[Box], Mask], coarse: Coarse, box: Box
) -> Labels:
    """The objects of cells on the voxels of `box` that are in the mask or in the inside of an object.

    A voxel has the object of its cell, or of a neighbouring cell (26) if its own has none: the largest id
    of those. The inside of an object are its cells whose 6 neighbours belong to it too.
    """
    from scipy.ndimage import generate_binary_structure, maximum_filter, minimum_filter

    cells = coarse.around(box)
    around = cells.grow((1, 1, 1))
    seen = around.intersect(coarse.cells)
    labels = np.pad(
        read_cells(seen),
        [(a - b, c - d) for a, b, c, d in zip(seen.start, around.start, around.stop, seen.stop, strict=True)],
        mode="edge",
    )
    highest = maximum_filter(labels, 3)
    cross = generate_binary_structure(3, 1)
    lowest = minimum_filter(labels, footprint=cross)
    inner = (lowest == maximum_filter(labels, footprint=cross)) & (lowest > 0)
    near = np.where(labels > 0, labels, highest)
    core = (slice(1, -1),) * 3
    place = box.slices(coarse.voxels(cells).start)
    ids = _spread(near[core], coarse.factor)[place]
    filled = _spread(inner[core], coarse.factor)[place]
    return np.where(read_mask(box) | filled, ids, 0).astype(np.uint32)


def cut_of(coarse: Coarse, block_shape: Voxels) -> Cut:
    """The cells in blocks of `block_shape` cells."""
    return Cut(coarse.cells.shape, block_shape)


def _summed(mask: Mask, factor: Voxels) -> NDArray[np.int64]:
    """How many voxels of each cell."""
    z, y, x = (n // f for n, f in zip(mask.shape, factor, strict=True))
    a, b, c = factor
    return np.asarray(mask.reshape(z, a, y, b, x, c).sum(axis=(1, 3, 5), dtype=np.int64))


def _spread(cells: NDArray[Any], factor: Voxels) -> NDArray[Any]:
    for axis, n in enumerate(factor):
        cells = np.repeat(cells, n, axis=axis)
    return cells
