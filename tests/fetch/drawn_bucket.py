"""The challenge of these tests: one dataset with EM in three levels, and three crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from organelle.catalog import Catalog, Crop, Dataset
from organelle.geometry import Box, Grid, Nm

Csc = Callable[..., tuple[int, str, str]]

EM = Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), (64, 64, 64))


def crop(number: int, size: float, box: Box, *, is_test: bool = False, classes: str = "mito er") -> Crop:
    corner = EM.extent_of(box).start_nm
    shape = [round(n * 8 / size) for n in box.shape]
    origin: Nm = (corner[0] + size / 2, corner[1] + size / 2, corner[2] + size / 2)
    grid = Grid((size, size, size), origin, (shape[0], shape[1], shape[2]))
    return Crop(number, "d1", grid, tuple(classes.split()), is_test)


CROPS = {
    1: crop(1, 4.0, Box((0, 0, 0), (10, 10, 10))),
    2: crop(2, 16.0, Box((32, 32, 32), (16, 16, 16))),
    3: crop(3, 8.0, Box((8, 8, 8), (16, 8, 8)), is_test=True),
}
CATALOG = Catalog("drawn", {"d1": Dataset("d1")}, {1: CROPS[1], 2: CROPS[2]}, {3: CROPS[3]})


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(".organelle-fetch")
    }
