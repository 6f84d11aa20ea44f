"""Labels of a block as runs: small, quickly read in part, and renamed without touching voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from organelle.geometry import Box, Voxels

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Runs:
    """The stretches of one value in the rows (along x) of a block.

    Attributes:
        shape: z, y, x of the block.
        rows: index of each row's first run, rows in z, y order; the number of runs last.
        ends: where in its row each run ends.
        values: the value of each run.
    """

    shape: Voxels
    rows: NDArray[np.int64]
    ends: NDArray[np.int32]
    values: Array

    @classmethod
    def of(cls, block: Array) -> Runs:
        """The runs of an array that is not empty."""
        from organelle.process.kernels import find_runs

        z, y, x = block.shape
        volume = np.ascontiguousarray(block).reshape(z * y, x)
        volume = volume.view(np.uint8) if volume.dtype == bool else volume
        rows = np.empty(z * y + 1, np.int64)
        ends, values = np.empty(block.size, np.int32), np.empty(block.size, volume.dtype)
        n = find_runs(volume, rows, ends, values)
        return cls((z, y, x), rows, ends[:n].copy(), values[:n].copy())

    @property
    def nbytes(self) -> int:
        """Memory."""
        return self.rows.nbytes + self.ends.nbytes + self.values.nbytes

    def draw(self, box: Box, dtype: DTypeLike, name: Callable[[Array], Array] | None = None) -> Array:
        """The values in a box of the block, each replaced by what `name` makes of it."""
        from organelle.process.kernels import fill_runs

        out = np.zeros(box.shape, dtype)
        values = self.values if name is None else name(self.values)
        plain = out.view(np.uint8) if out.dtype == bool else out
        fill_runs(plain, self.rows, self.ends, values.astype(plain.dtype), self.shape[1], box.start)
        return out

    def label(self, connectivity: Literal[6, 26]) -> tuple[Runs, int]:
        """The connected pieces of each value but 0, numbered from 1 by their first voxel; how many."""
        from organelle.process.kernels import label_runs

        pieces = np.empty(len(self.values), np.uint32)
        count = label_runs(self.rows, self.ends, self.values, self.shape[1], int(connectivity == 26), pieces)
        return replace(self, values=pieces), count

    def count(self, pieces: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Voxels, and flat index of the first voxel, of the values 1..pieces; index 0 is value 1."""
        from organelle.process.kernels import count_runs

        sizes, first = np.zeros(pieces, np.int64), np.full(pieces, -1, np.int64)
        count_runs(self.rows, self.ends, self.values, self.shape[2], sizes, first)
        return sizes, first

    def tally(self) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
        """The distinct values but 0, in order, with the voxels and the flat first voxel of each."""
        names, index = np.unique(np.append(self.values, self.values.dtype.type(0)), return_inverse=True)
        inner = Runs(self.shape, self.rows, self.ends, index[:-1].astype(np.uint32))
        return names[1:], *inner.count(len(names) - 1)

    def save(self, path: Path) -> None:
        """To a file."""
        with path.open("wb") as file:
            for array in (np.array(self.shape), self.rows, self.ends, self.values):
                np.save(file, array, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Runs:
        """What `save` wrote."""
        with path.open("rb") as file:
            shape, rows, ends, values = (np.load(file, allow_pickle=False) for _ in range(4))
        z, y, x = (int(n) for n in shape)
        return cls((z, y, x), rows, ends, values)
