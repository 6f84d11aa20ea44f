"""Layers that many processes write and read: every block is a file of a folder that all of them see."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from organelle.errors import FileMissing
from organelle.geometry import Box, Voxels
from organelle.process.kept import replacing
from organelle.process.runs import Runs
from organelle.process.scratch import Array, Cut, Plain, Scratch, Store


class SharedScratch(Scratch):
    """Makes places for blocks below `folder`, the same ones in each process that asks in the same order.

    Nothing is removed: that is for whoever knows that all are done.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._shared = folder

    def store(self, cut: Cut, dtype: DTypeLike) -> Store:
        """The next place."""
        return SharedStore(self, cut, np.dtype(dtype), self._shared / f"layer{next(self._numbers)}")


class SharedStore(Store):
    """The blocks of one layer, each whole or not there. All are written before any is read."""

    def __init__(self, scratch: Scratch, cut: Cut, dtype: np.dtype[Any], folder: Path) -> None:
        super().__init__(scratch, cut, dtype, "")
        self._shared = folder

    def put(self, block: Box, kept: Runs | Plain) -> Runs | Plain:
        """Keep what is already in the form in which it is kept."""
        with replacing(self._path(block.start)) as part:
            kept.save(part)
        return kept

    def fill(self, blocks: Iterable[tuple[Box, Array]]) -> None:
        """Keep the values of some blocks; the others are written as 0."""
        given = set()
        for block, values in blocks:
            self.write(block, values)
            given.add(block.start)
        for block in self.cut:
            if block.start not in given:
                self.write(block, np.zeros(block.shape, self.dtype))

    def block(self, start: Voxels) -> Runs | Plain:
        """What was kept of the block that begins at `start`; `FileMissing` if it is gone."""
        try:
            return self._kind.load(self._path(start))
        except FileNotFoundError:
            raise FileMissing(
                f"{self._path(start)} is gone: somebody finished the work, or removed it; start again"
            ) from None

    def _path(self, start: Voxels) -> Path:
        z, y, x = start
        return self._shared / str(z) / f"{y}_{x}"
