"""Work that workers in other processes do in tests: it must lie in a module that they can import."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr  # noqa: F401  (loaded with the work, so that the first block of a worker takes no longer than others)

from organelle.errors import FormatError
from organelle.geometry import Box, Grid
from organelle.volumes import Volume, create_volume, open_volume, write_volume

EDGE = 8
SHAPE = (32, 16, 16)


@dataclass(frozen=True)
class Fill:
    """Squares the values of one zarr volume into another, a chunk of 8³ voxels per block.

    It notes in a log what it is at, a line "reading", "computing" or "writing" with block and process, so
    that a test knows where a kill landed.
    """

    folder: Path
    shape: tuple[int, int, int] = SHAPE
    seconds: float = 0.0
    """Time that each phase takes at least."""
    raises: tuple[int, ...] = ()
    kills: tuple[int, ...] = ()
    hungry: tuple[int, ...] = ()
    sleeps: tuple[int, ...] = ()
    """Blocks that wait for something that never comes, as for a file server."""
    spins: tuple[int, ...] = ()
    """Blocks that compute for ever and let no other thread of Python run."""

    @classmethod
    def drawn(cls, folder: Path, **others: Any) -> Fill:
        """With a drawn source, and an empty volume to fill."""
        work = cls(folder, **others)
        grid = Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), work.shape)
        values = np.random.default_rng(0).integers(0, 200, work.shape).astype(np.uint8)
        write_volume(folder / "source", values, grid)
        create_volume(folder / "filled", grid, np.uint16, chunks=(EDGE,) * 3)
        return work

    @property
    def count(self) -> int:
        return int(np.prod(self._blocks))

    @property
    def made_of(self) -> Mapping[str, Any]:
        return {"edge": EDGE, "shape": self.shape}

    def name(self, index: int) -> str:
        return f"the chunk at {self.box(index).start}"

    def run(self, index: int) -> None:
        box = self.box(index)
        self._note("reading", index)
        values = self._source.read(box).astype(np.uint16)
        self._note("computing", index)
        if index in self.raises:
            raise FormatError("this chunk is bad")
        if index in self.hungry:
            raise MemoryError("no room for 3 GiB")
        if index in self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if index in self.sleeps:
            threading.Event().wait()
        if index in self.spins:
            re.match("(a+)+$", 64 * "a" + "b")
        values *= values
        self._note("writing", index)
        self._filled.write(box, values)
        self._note("written", index)

    def box(self, index: int) -> Box:
        place = np.unravel_index(index, self._blocks)
        return Box(tuple(int(i) * EDGE for i in place), (EDGE,) * 3)

    def files(self) -> dict[str, bytes]:
        """What was filled, to the byte."""
        root = self.folder / "filled"
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    def notes(self) -> list[list[str]]:
        """Phase, block and process of each complete line in the log."""
        log = self.folder / "log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def _blocks(self) -> tuple[int, ...]:
        return tuple(n // EDGE for n in self.shape)

    @cached_property
    def _source(self) -> Volume:
        return open_volume(self.folder / "source")

    @cached_property
    def _filled(self) -> Volume:
        return open_volume(self.folder / "filled", writable=True)

    def _note(self, phase: str, index: int) -> None:
        with (self.folder / "log").open("a") as file:
            file.write(f"{phase} {index} {os.getpid()}\n")
        time.sleep(self.seconds)
