"""Claim: a crop of 1000^3 voxels with 16-bit ids is scored in 12 GB, by the command that organisers type."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from measuring.process_tree import ProcessTree
from organelle.catalog import Catalog, Crop, Dataset, write_tables
from organelle.geometry import Box, Grid
from organelle.volumes import create_volume

TILE = 250
SPACING = 31
VOXEL_SIZE_NM = (8.0, 8.0, 8.0)
CSC = Path(sys.executable).with_name("csc")


def tile(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Balls of 7 to 13 voxels radius as truth; as prediction a voxel aside, every tenth missing."""
    truth, prediction = np.zeros((2, TILE, TILE, TILE), np.uint16)
    offsets = np.stack(np.indices((27, 27, 27)), -1).reshape(-1, 3) - 13
    squares = (offsets**2).sum(1)
    starts = np.arange(15, TILE - 15, SPACING)
    for number, centre in enumerate(np.stack(np.meshgrid(starts, starts, starts), -1).reshape(-1, 3), 1):
        inside = offsets[squares <= rng.integers(7, 14) ** 2] + centre
        truth[tuple(inside.T)] = number
        if number % 10:
            prediction[tuple((inside + 1).T)] = number
    return truth, prediction


def write(folder: Path, edge: int) -> int:
    """A challenge of one crop below `folder`; returns how many objects it has."""
    tiles = tile(np.random.default_rng(0))
    grid = Grid(VOXEL_SIZE_NM, (0.0, 0.0, 0.0), (edge,) * 3)
    crop = Crop(1, "drawn", grid, ("ves",), is_test=True)
    write_tables(Catalog("large", {"drawn": Dataset("drawn")}, {}, {1: crop}), folder / "tables")
    names = "truth.zarr", "submission.zarr"
    volumes = [create_volume(folder / name / "crop1" / "ves", grid, np.dtype(np.uint16)) for name in names]
    most = int(tiles[0].max())
    places = list(grid.box.tiles((TILE,) * 3))
    for number, place in enumerate(places):
        for volume, labels in zip(volumes, tiles, strict=True):
            own = labels[Box((0, 0, 0), place.shape).slices()]
            volume.write(place, np.where(own, own + np.uint16(number * most), 0).astype(np.uint16))
    return most * len(places)


def main() -> None:
    """Print one row: what scoring the crop took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=500, help="of the crop, in voxels")
    edge = parser.parse_args().edge
    with TemporaryDirectory() as place:
        folder = Path(place)
        objects = write(folder, edge)
        tree, start = ProcessTree(), time.monotonic()
        command = [
            CSC,
            "evaluate",
            "--catalog",
            "tables",
            "-t",
            "truth.zarr",
            "-s",
            "submission.zarr",
            "-w",
            "1",
        ]
        used = tree.watch(subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL))
        wall = time.monotonic() - start
    table = Table("crop", "objects", "CPU, s", "wall, s", "largest process, GB", "bytes a voxel in all")
    peak = used.peak_process_bytes
    numbers = f"{used.cpu_seconds:.0f}", f"{wall:.0f}", f"{peak / 1e9:.1f}", f"{peak / math.pow(edge, 3):.1f}"
    table.add_row(f"{edge}^3", f"{objects:,}", *numbers)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
