"""EM on the lattice of a model's voxel size, and where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Crop, em_path
from organelle.classes import Kind
from organelle.errors import EMMissing, FileMissing, GridMismatch
from organelle.geometry import Box, Grid, Nm
from organelle.stores import Place
from organelle.volumes import Multiscale, Volume, open_multiscale, resample

FINEST = 4.0
"""EM voxels are cut into at most this many along an axis: beyond that a network would mostly be trained on
what the interpolation made up."""


@dataclass(frozen=True)
class EMBlock:
    """Grey values of a box, and for each voxel whether they were really imaged and stored."""

    values: NDArray[Any]
    """Shape z, y, x, in the type of the stored EM; arbitrary where not `present`."""
    present: NDArray[np.bool_]
    """False outside of the imaged volume and where chunks were not fetched: not black tissue."""


def open_em(data: Place | str, crop: Crop) -> Multiscale:
    """The EM image that `crop` lies in; `EMMissing` when it is not below `data`."""
    path = em_path(data, crop.dataset)
    try:
        return open_multiscale(path)
    except FileMissing as error:
        raise EMMissing(
            f"crop {crop.id}: no EM of {crop.dataset} at {path}; "
            f"get it with: csc fetch-data --crops {crop.id}"
        ) from error


def model_lattice(image: Multiscale, voxel_size_nm: Nm) -> Grid:
    """The lattice of a model on a dataset: its voxel size, from the corner of the EM's extent on.

    Training, prediction and the patch grid all count voxels on it.

    Raises:
        GridMismatch: the EM is so much coarser that its voxels would have to be cut into many.
    """
    finest = image.levels[0].grid
    if any(e / v > FINEST for e, v in zip(finest.voxel_size_nm, voxel_size_nm, strict=True)):
        raise GridMismatch(
            f"{image.path}: EM voxels of {finest.voxel_size_nm} nm cannot serve a model of "
            f"{voxel_size_nm} nm: an axis would be stretched more than {FINEST:g} times; "
            "choose a voxel size near the EM's"
        )
    return finest.rescaled(voxel_size_nm)


def read_em(image: Multiscale, lattice: Grid, box: Box) -> EMBlock:
    """The EM in `box`, counted on `lattice`; what is read does not depend on how a region is cut.

    A stored level of the lattice's voxel size is taken as it is. Otherwise the nearest finer level is
    resampled; a voxel then counts as present when all that it is made of is.
    """
    level = em_source(image, lattice)
    if level.grid.shares_lattice(lattice):
        here = box.shift(level.grid.shift_to(lattice))
        return EMBlock(*_stored(level, here))
    return _resampled(level, lattice.subgrid(box))


def em_source(image: Multiscale, lattice: Grid) -> Volume:
    """The stored level that EM on `lattice` is read from."""
    level = image.level(lattice.voxel_size_nm)
    if level is not None and level.grid.shares_lattice(lattice):
        return level
    return image.nearest_level(lattice.voxel_size_nm)


def _stored(level: Volume, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values and presence; values that are not finite count as not imaged."""
    values, present = level.read(box), level.present(box)
    if values.dtype.kind == "f":
        broken = ~np.isfinite(values)
        values[broken] = 0
        present &= ~broken
    return values, present


def _resampled(level: Volume, target: Grid) -> EMBlock:
    reach = [v + s for v, s in zip(target.voxel_size_nm, level.grid.voxel_size_nm, strict=True)]
    box = level.grid.box_of(target.extent.grow(reach), snap="outer").intersect(level.grid.box)
    source = level.grid.subgrid(box)
    stored, present = _stored(level, box)
    values = resample(stored, source, target, Kind.IMAGE)
    whole = resample(present.astype(np.float32), source, target, Kind.IMAGE)
    return EMBlock(values, whole > 0.999)
