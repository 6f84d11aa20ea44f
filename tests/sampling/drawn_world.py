"""Small crops to draw patches from: in memory, or written below a folder like the challenge's bucket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Crop, em_path, label_path
from organelle.classes import Kind
from organelle.geometry import Grid, Nm, Voxels
from organelle.models import ModelSpec, Normalisation
from organelle.sampling import TrainingCrop, build_palette
from organelle.sampling.crop import filled
from organelle.volumes import write_labels, write_multiscale

UNIT = Normalisation(mean=0, std=1)


def make_spec(
    patch: Voxels,
    classes: tuple[str, ...] = ("mito",),
    size: Nm = (8.0, 8.0, 8.0),
    normalisation: Normalisation = UNIT,
) -> ModelSpec:
    """A spec whose network may have any patch size."""
    return ModelSpec(
        network="own.module:Net",
        classes=classes,
        voxel_size_nm=size,
        patch_shape=patch,
        stride=patch,
        normalisation=normalisation,
    )


def crop_in_memory(
    em: NDArray[Any],
    labels: Mapping[str, NDArray[Any]],
    *,
    start: Voxels = (0, 0, 0),
    size: Nm = (8.0, 8.0, 8.0),
    imaged: NDArray[np.bool_] | None = None,
    wanted: tuple[str, ...] | None = None,
    infer: bool = False,
    number: int = 1,
) -> TrainingCrop:
    """A crop whose labels (0, 1, 2 = unknown) begin at voxel `start` of the EM."""
    shape = next(iter(labels.values())).shape
    grid = Grid(size, (0.0, 0.0, 0.0), em.shape)
    crop = Crop(number, "drawn", Grid(size, grid.to_nm(start), shape), tuple(labels))
    here = np.zeros((0, 0, 0), bool) if imaged is None else imaged
    inner = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    names = wanted or tuple(labels)
    layers = [(name, array.astype(np.uint8)) for name, array in labels.items()]
    without = None if imaged is None else ~imaged[inner]
    palette = build_palette(layers, shape, names, without, infer=infer)
    return TrainingCrop(crop, names, grid, filled(em, here), here, palette, start)


def write_world(
    data: Path,
    em: NDArray[Any],
    labels: Mapping[str, NDArray[Any]],
    *,
    em_size: Nm = (8.0, 8.0, 8.0),
    label_size: Nm = (8.0, 8.0, 8.0),
    label_corner_nm: Nm = (0.0, 0.0, 0.0),
    em_levels: int = 1,
    label_levels: int = 1,
    chunks: Voxels = (16, 16, 16),
    number: int = 7,
) -> Crop:
    """Write EM and one crop; the EM's corner is at 0 nm, the labels' at `label_corner_nm`."""
    em_origin = (em_size[0] / 2, em_size[1] / 2, em_size[2] / 2)
    em_grid = Grid(em_size, em_origin, em.shape)
    write_multiscale(em_path(data, "drawn"), em, em_grid, kind=Kind.IMAGE, levels=em_levels, chunks=chunks)
    z, y, x = (c + v / 2 for c, v in zip(label_corner_nm, label_size, strict=True))
    grid = Grid(label_size, (z, y, x), next(iter(labels.values())).shape)
    crop = Crop(number, "drawn", grid, tuple(labels))
    for name, array in labels.items():
        write_labels(label_path(data, crop, name), array, grid, name, levels=label_levels, chunks=chunks)
    return crop


def noise(shape: Voxels, seed: int = 0) -> NDArray[np.uint8]:
    """Grey noise without zeros, so that every chunk is stored."""
    return np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)


def mask(shape: Voxels, seed: int = 1) -> NDArray[np.uint8]:
    """Random 0 and 1."""
    return np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)
