"""Centre-lines drawn as tubes, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Nm
from organelle.process.objects import Labels
from organelle.process.tiled.lines import Line
from organelle.process.tiled.tiles import voxels_of


@dataclass(frozen=True, eq=False)
class TubePieces:
    """All straight pieces of all lines, and the boxes that their tubes fill.

    Attributes:
        radius_nm: of the tubes.
        size: voxel size.
        begin: where a piece begins, (n, 3) in nm.
        end: where it ends.
        ids: the line it is part of, from 1.
        low: its first voxel, (n, 3).
        high: the one behind its last.
    """

    radius_nm: float
    size: NDArray[np.float64]
    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    ids: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def of(cls, lines: Sequence[Line], radius_nm: float, voxel_size_nm: Nm) -> TubePieces:
        """The pieces of some lines."""
        size, none = np.array(voxel_size_nm), [np.empty((0, 3))]
        begin = np.concatenate(none + [line.points_nm[:-1] for line in lines])
        end = np.concatenate(none + [line.points_nm[1:] for line in lines])
        ids = np.repeat(np.arange(1, len(lines) + 1), [len(line.points_nm) - 1 for line in lines])
        margin = voxels_of(radius_nm, voxel_size_nm)
        low = np.floor(np.minimum(begin, end) / size).astype(np.int64) - margin
        high = np.ceil(np.maximum(begin, end) / size).astype(np.int64) + margin + 1
        return cls(radius_nm, size, begin, end, ids.astype(np.int64), low, high)

    def draw(self, box: Box) -> Labels:
        """Every voxel within the radius of a line gets that line's number; the nearest line wins.

        Distances are from the centre of a voxel; of lines equally near (to a thousandth of a nm) the lower
        number wins. Ends are round.
        """
        labels = np.zeros(box.shape, np.uint32)
        nearest = np.full(box.shape, np.inf)
        for piece in self._touching(box):
            part = Box.between(self.low[piece], self.high[piece]).intersect(box)
            place = part.slices(box.start)
            away = self._distance(piece, part)
            nearer = (away <= self.radius_nm + 1e-3) & (away < nearest[place] - 1e-3)
            nearest[place][nearer] = away[nearer]
            labels[place][nearer] = self.ids[piece]
        return labels

    def _touching(self, box: Box) -> Iterator[int]:
        """The pieces near a box, by number."""
        touching = ((self.low < box.stop) & (self.high > box.start)).all(axis=1)
        yield from np.flatnonzero(touching).tolist()

    def _distance(self, piece: int, box: Box) -> NDArray[np.float64]:
        """From the centres of the voxels of a box to a straight piece, in nm."""
        begin, way = self.begin[piece], self.end[piece] - self.begin[piece]
        axes = [
            (np.arange(a, b) * size - start).reshape(tuple(-1 if i == axis else 1 for i in range(3)))
            for axis, (a, b, size, start) in enumerate(
                zip(box.start, box.stop, self.size, begin, strict=True)
            )
        ]
        squared = float(way @ way)
        along = sum(axis * step for axis, step in zip(axes, way, strict=True)) / max(squared, 1e-12)
        along = np.clip(along, 0, 1)
        off = sum((axis - along * step) ** 2 for axis, step in zip(axes, way, strict=True))
        return np.asarray(np.sqrt(off))
