"""A dataset with two crops: a sheet 8 nm thick, a ball of 160 nm, a class that is annotated but absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Crop, Dataset, em_path, label_path
from organelle.classes import Kind
from organelle.geometry import Grid, Nm
from organelle.volumes import write_labels, write_multiscale

SIDE = 64
CORNERS = {1: 0, 2: 80}


@dataclass(frozen=True)
class Drawn:
    """Where it lies and what its tables say."""

    data: Path
    catalog: Catalog


def draw_dataset(
    data: Path,
    voxel_size_nm: Nm = (4.0, 4.0, 4.0),
    classes: Sequence[str] = ("pm", "mito", "ld"),
    name: str = "drawn",
    numbers: Sequence[int] = (1, 2),
    levels: int = 3,
) -> Drawn:
    """Write EM and labels at the same voxel size."""
    grey = np.random.default_rng(0).integers(60, 200, (SIDE, SIDE, 2 * SIDE + 16), dtype=np.uint8)
    middle = (voxel_size_nm[0] / 2, voxel_size_nm[1] / 2, voxel_size_nm[2] / 2)
    whole = Grid(voxel_size_nm, middle, grey.shape)
    write_multiscale(em_path(data, name), grey, whole, kind=Kind.IMAGE, levels=levels, chunks=(32, 32, 32))
    crops = {}
    for number, corner in zip(numbers, CORNERS.values(), strict=False):
        grid = Grid(voxel_size_nm, whole.to_nm((0, 0, corner)), (SIDE,) * 3)
        crops[number] = Crop(number, name, grid, tuple(classes))
        for class_name in classes:
            labels = _labels(class_name, voxel_size_nm)
            path = label_path(data, crops[number], class_name)
            write_labels(path, labels, grid, class_name, levels=levels, chunks=(32, 32, 32))
    return Drawn(data, Catalog("drawn", {name: Dataset(name)}, crops, {}))


def _labels(class_name: str, size: Nm) -> np.ndarray:
    labels = np.zeros((SIDE,) * 3, np.uint8)
    places = np.indices(labels.shape) - SIDE / 2
    if class_name == "pm":  # a sheet across x, two voxels of 4 nm
        labels[:, :, 20 : 20 + round(8 / size[2])] = 1
    elif class_name in ("mito", "cell"):
        labels[sum((p * v) ** 2 for p, v in zip(places, size, strict=True)) < 80**2] = 1
    elif class_name == "ecs":  # nobody knows
        labels[:] = 255
    return labels
