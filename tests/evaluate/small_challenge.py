"""A challenge of two small crops that tests draw, store and hand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Crop, Dataset
from organelle.evaluate import Result, evaluate
from organelle.geometry import Grid
from organelle.volumes import write_volume

GRIDS = {
    11: Grid((8.0, 8.0, 8.0), (804.0, 1604.0, 2404.0), (20, 24, 28)),
    12: Grid((50.0, 4.6, 4.6), (0.0, 2318.4, 2428.8), (10, 24, 20)),
}


def cubes(shape: tuple[int, int, int], size: int = 5, gap: int = 3) -> np.ndarray:
    """Cubes on a lattice, numbered from 1."""
    labels = np.zeros(shape, np.uint16)
    starts = [range(1, n - size, size + gap) for n in shape]
    corners = [(z, y, x) for z in starts[0] for y in starts[1] for x in starts[2]]
    for number, corner in enumerate(corners, 1):
        labels[tuple(slice(a, a + size) for a in corner)] = number
    return labels


@dataclass
class Challenge:
    """Folders of one truth and one submission, and the catalog that they belong to."""

    root: Path
    classes: Mapping[int, tuple[str, ...]] = field(
        default_factory=lambda: {11: ("er", "mito"), 12: ("mito",)}
    )

    @property
    def catalog(self) -> Catalog:
        crops = {n: Crop(n, "fly", GRIDS[n], names, is_test=True) for n, names in self.classes.items()}
        return Catalog("small", {"fly": Dataset("fly")}, {}, crops)

    @property
    def truth(self) -> Path:
        return self.root / "truth.zarr"

    @property
    def submission(self) -> Path:
        return self.root / "submission.zarr"

    def add_truth(self, crop: int, name: str, array: np.ndarray, grid: Grid | None = None) -> Path:
        return write_volume(self.truth / f"crop{crop}" / name, array, grid or GRIDS[crop]).path

    def hand_in(self, crop: int, name: str, array: np.ndarray, grid: Grid | None = None) -> Path:
        return write_volume(self.submission / f"crop{crop}" / name, array, grid or GRIDS[crop]).path

    def fill(self) -> Challenge:
        """The same cubes as truth and submission of every row."""
        for crop, names in self.classes.items():
            labels = cubes(GRIDS[crop].shape)
            for name in names:
                array = labels if name == "mito" else (labels > 0).astype(np.uint8)
                self.add_truth(crop, name, array)
                self.hand_in(crop, name, array)
        return self

    def evaluate(self, **options) -> Result:
        options = {"workers": 0} | options  # children take a second to start
        return evaluate(self.submission, self.truth, self.catalog, **options)

    def row(self, place: str, **options):
        """The scored row called `crop11/mito`."""
        return next(row for row in self.evaluate(**options).rows if row.place == place)
