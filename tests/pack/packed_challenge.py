"""A challenge of two crops from two experiments, and processed volumes that answer most of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Crop, processed_path
from organelle.classes import kind_of
from organelle.geometry import Grid
from organelle.volumes import write_multiscale

FINE = Grid((4.0, 4.0, 4.0), (802.0, 1602.0, 2402.0), (40, 33, 50))
FLAT = Grid((50.0, 4.6, 4.6), (0.0, 2318.4, 2428.8), (5, 70, 64))
CHALLENGE = Catalog(
    name="two experiments",
    datasets={},
    train_crops={},
    test_crops={
        7: Crop(7, "jrc_a", FINE, ("mito", "er", "ves"), is_test=True),
        9: Crop(9, "larva", FLAT, ("pm", "cell"), is_test=True),
    },
)


def drawn_ids(grid: Grid, highest: int, dtype: str = "uint32", seed: int = 0) -> np.ndarray:
    """A third of background, else ids up to `highest`, which is there."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, highest + 1, grid.shape) * (rng.random(grid.shape) > 1 / 3)
    ids[0, 0, 0] = highest
    return ids.astype(dtype)


def write_processed(work: Path, crop: int, class_name: str, array: np.ndarray, grid: Grid) -> Path:
    path = processed_path(work, CHALLENGE.crop(crop), class_name)
    write_multiscale(path, array, grid, kind=kind_of(class_name), chunks=(24, 24, 24))
    return path


def write_most(work: Path) -> dict[str, np.ndarray]:
    """All rows but ves and cell; what should stand in the submission, by name."""
    rows = {
        "crop7/mito": drawn_ids(FINE, 70_000),
        "crop7/er": (drawn_ids(FINE, 3, seed=1) > 1).astype("uint8"),
        "crop9/pm": (drawn_ids(FLAT, 3, seed=2) > 1).astype("uint8"),
    }
    write_processed(work, 7, "mito", rows["crop7/mito"], FINE)
    write_processed(work, 7, "er", rows["crop7/er"], FINE)
    write_processed(work, 9, "pm", rows["crop9/pm"], FLAT)
    zeros = {"crop7/ves": np.zeros(FINE.shape, "uint8"), "crop9/cell": np.zeros(FLAT.shape, "uint8")}
    return rows | zeros
