"""What parts keep between two passes: labels and masks as runs, other numbers as they are.

Blocks stay in memory up to a limit; those beyond it go to files of a folder that vanish with their layer.
"""

from __future__ import annotations

import itertools
import math
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from organelle.geometry import Box, Voxels
from organelle.process.runs import Runs

Array = NDArray[Any]
Name = Callable[[Array], Array]
"""What becomes of ids; 0 stays 0."""
NameIn = Callable[[Voxels], Name]
"""The same for the block that begins there."""
MEMORY = 256 * 2**20
"""Bytes of blocks that are held in memory."""


@dataclass(frozen=True)
class Cut:
    """A volume and the blocks in which it is worked on."""

    shape: Voxels
    block_shape: Voxels
    anchor: Voxels = (0, 0, 0)
    """Where a block begins, also outside of the volume; the others lie around it without gaps."""

    @property
    def box(self) -> Box:
        """The whole volume."""
        return Box((0, 0, 0), self.shape)

    def __iter__(self) -> Iterator[Box]:
        return self.touching(self.box)

    def __len__(self) -> int:
        return math.prod(self._counts)

    def __getitem__(self, number: int) -> Box:
        """A block by its number in z, y, x order."""
        cell = np.unravel_index(number, self._counts)
        start = [(a + int(i)) * n for a, i, n in zip(self._first, cell, self.block_shape, strict=True)]
        return Box((start[0], start[1], start[2]), self.block_shape).shift(self.anchor).intersect(self.box)

    def number(self, start: Voxels) -> int:
        """The number of the block that begins at `start`."""
        cell = [
            (a - b) // n - f
            for a, b, n, f in zip(start, self.anchor, self.block_shape, self._first, strict=True)
        ]
        return int(np.ravel_multi_index(cell, self._counts))

    @property
    def _first(self) -> Voxels:
        """The first block that touches the volume, in blocks from the one at the anchor."""
        z, y, x = (-b // n for b, n in zip(self.anchor, self.block_shape, strict=True))
        return z, y, x

    @property
    def _counts(self) -> Voxels:
        """Blocks along each axis."""
        z, y, x = (
            -(-(n - b) // s) - f if n else 0
            for n, b, s, f in zip(self.shape, self.anchor, self.block_shape, self._first, strict=True)
        )
        return z, y, x

    def touching(self, box: Box) -> Iterator[Box]:
        """The blocks that share voxels with `box`, in z, y, x order."""
        for tile in box.intersect(self.box).relative_to(Box(self.anchor, (0, 0, 0))).tiles(self.block_shape):
            yield tile.snap(self.block_shape).shift(self.anchor).intersect(self.box)


@dataclass(frozen=True, eq=False)
class Plain:
    """Numbers of a block that are no labels."""

    array: Array

    @property
    def nbytes(self) -> int:
        """Memory."""
        return self.array.nbytes

    def draw(self, box: Box, dtype: DTypeLike, name: Name | None = None) -> Array:
        """The values in a box of the block."""
        values = self.array[box.slices()]
        return np.asarray(values if name is None else name(values), dtype)

    def save(self, path: Path) -> None:
        """To a file."""
        with path.open("wb") as file:
            np.save(file, self.array, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote; only what is looked at is read."""
        return cls(np.load(path, mmap_mode="r", allow_pickle=False))


class Scratch:
    """Makes places for blocks.

    Args:
        folder: for blocks beyond `memory`; None: everything stays in memory.
        memory: bytes, over all that is kept at a time.
    """

    def __init__(self, folder: Path | None = None, memory: int = MEMORY) -> None:
        self.folder = folder
        self.memory = memory
        self.used = 0
        self._numbers = itertools.count()

    def store(self, cut: Cut, dtype: DTypeLike) -> Store:
        """An empty place for the blocks of one layer, which reads as 0."""
        return Store(self, cut, np.dtype(dtype), f"layer{next(self._numbers)}")


class Store:
    """The blocks of one layer. Threads may write different blocks at a time."""

    def __init__(self, scratch: Scratch, cut: Cut, dtype: np.dtype[Any], name: str) -> None:
        self.cut = cut
        self.dtype = dtype
        self._kind: type[Runs] | type[Plain] = Runs if dtype.kind in "bu" else Plain
        self._scratch = scratch
        self._blocks: dict[Voxels, Runs | Plain] = {}
        self._folder = scratch.folder / name if scratch.folder else None
        if self._folder:
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def __del__(self) -> None:
        self._scratch.used -= sum(block.nbytes for block in self._blocks.values())

    def write(self, block: Box, values: Array) -> Runs | Plain:
        """Keep the values of one block of the cut."""
        typed = values.astype(self.dtype, copy=False)
        return self.put(block, Runs.of(typed) if self._kind is Runs else Plain(typed.copy()))

    def put(self, block: Box, kept: Runs | Plain) -> Runs | Plain:
        """Keep what is already in the form in which it is kept."""
        if self._folder and self._scratch.used + kept.nbytes > self._scratch.memory:
            self._folder.mkdir(parents=True, exist_ok=True)
            kept.save(self._path(block.start))
        else:
            self._scratch.used += kept.nbytes
            self._blocks[block.start] = kept
        return kept

    def fill(self, blocks: Iterable[tuple[Box, Array]]) -> None:
        """Keep the values of some blocks; the others read as 0."""
        for block, values in blocks:
            self.write(block, values)

    def block(self, start: Voxels) -> Runs | Plain | None:
        """What was kept of the block that begins at `start`; None if nothing was."""
        if start in self._blocks:
            return self._blocks[start]
        if self._folder and self._path(start).exists():
            return self._kind.load(self._path(start))
        return None

    def read(self, box: Box, dtype: DTypeLike | None = None, name_in: NameIn | None = None) -> Array:
        """The values of a box within the volume, each replaced by what the name of its block makes of it."""
        dtype = dtype or self.dtype
        result: Array | None = None
        for block in self.cut.touching(box):
            if (kept := self.block(block.start)) is None:
                continue
            within = box.intersect(block)
            part = kept.draw(within.relative_to(block), dtype, name_in(block.start) if name_in else None)
            if within == box:
                return part
            result = np.zeros(box.shape, dtype) if result is None else result
            result[within.slices(box.start)] = part
        return np.zeros(box.shape, dtype) if result is None else result

    def _path(self, start: Voxels) -> Path:
        assert self._folder
        return self._folder / "_".join(map(str, start))
