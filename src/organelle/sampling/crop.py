"""A training crop in memory: EM with a margin, and labels, on the lattice of the model's voxel size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Crop, label_path
from organelle.classes import Kind, all_classes
from organelle.errors import EMMissing, FileMissing, SettingsError
from organelle.geometry import Box, Grid, Nm, Voxels
from organelle.models import ModelSettings
from organelle.progress import track
from organelle.sampling.affine import exchanges, turnable_axes
from organelle.sampling.bend import MOST
from organelle.sampling.em import model_lattice, open_em, read_em
from organelle.sampling.palette import UNKNOWN, Palette, build_palette
from organelle.sampling.settings import SamplingSettings
from organelle.stores import Place
from organelle.volumes import open_multiscale, read_encoding, resample


@dataclass(frozen=True, eq=False)
class TrainingCrop:
    """What patches are drawn from."""

    crop: Crop
    classes: tuple[str, ...]
    grid: Grid
    """Of `em`: part of the model's lattice on the dataset."""
    em: NDArray[Any]
    """Grey values, uint8 as stored or float32."""
    em_present: NDArray[np.bool_]
    """Bool of the same shape, or empty (size 0) when all EM is there."""
    labels: Palette
    label_start: Voxels
    """Voxel of `em` at which the labels begin."""

    @property
    def shape(self) -> Voxels:
        """Size of the labelled part in voxels: centres of patches are counted in it."""
        z, y, x = self.labels.codes.shape
        return z, y, x

    @property
    def label_box(self) -> Box:
        """The labelled part within `em`."""
        return Box(self.label_start, self.shape)


def load_crops(
    data: Place | str,
    crops: Iterable[Crop],
    model: ModelSettings,
    settings: SamplingSettings | None = None,
) -> tuple[TrainingCrop, ...]:
    """Load crops for training or validation, one after the other, each with the margin that patches need.

    Raises:
        SettingsError: no crops.
        EMMissing: a crop has no EM.
        FileMissing: a class that the table lists for a crop is not here.
        GridMismatch: the EM is far too coarse for the model's voxel size.
    """
    wanted = tuple(crops)
    if not wanted:
        raise SettingsError("no crops to draw patches from; name some, or check the data split")
    how = settings or SamplingSettings()
    margin = patch_margin_nm(model, how)
    return tuple(
        load_crop(data, crop, model, margin, relations=how.relations)
        for crop in track(wanted, "loading crops")
    )


def load_crop(
    data: Place | str, crop: Crop, model: ModelSettings, margin_nm: Nm, *, relations: bool = True
) -> TrainingCrop:
    """Load one crop.

    Args:
        data: folder in the bucket's layout.
        crop: which.
        model: classes and voxel size.
        margin_nm: how far beyond the crop EM is kept, as far as there is any.
        relations: let all annotated classes of the crop say what they can about the model's classes.

    Raises:
        EMMissing, FileMissing, GridMismatch: see `load_crops`.
    """
    image = open_em(data, crop)
    lattice = model_lattice(image, model.voxel_size_nm)
    labelled = lattice.box_of(crop.extent, snap="outer")
    margin = [math.ceil(m / v) for m, v in zip(margin_nm, lattice.voxel_size_nm, strict=True)]
    box = labelled.grow(margin).intersect(lattice.box).union(labelled)
    block = read_em(image, lattice, box)
    inner = labelled.slices(box.start)
    if not block.present[inner].any():
        raise EMMissing(
            f"crop {crop.id}: {image.path} is here, but none of its chunks around the crop; "
            f"get them with: csc fetch-data --crops {crop.id}"
        )
    palette = build_palette(
        _layers(data, crop, lattice.subgrid(labelled), model.classes, relations=relations),
        labelled.shape,
        model.classes,
        ~block.present[inner],
        infer=relations,
    )
    em = block.values if block.values.dtype == np.uint8 else block.values.astype(np.float32)
    present = np.zeros((0, 0, 0), bool) if block.present.all() else block.present
    em = filled(em, present)
    start = labelled.relative_to(box).start
    return TrainingCrop(crop, model.classes, lattice.subgrid(box), em, present, palette, start)


def filled(em: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """EM whose values go on for a voxel where they are not present; `present` is empty where all are."""
    from organelle.sampling.kernels import fill_rim

    if not present.size:
        return em
    em = em.copy()
    fill_rim(em, present)
    return em


def patch_margin_nm(model: ModelSettings, settings: SamplingSettings) -> Nm:
    """How far from its centre a patch can reach on each axis, over all maps that `settings` allow."""
    size = model.voxel_size_nm
    half = np.array([(n // 2 + 1) * v for n, v in zip(model.patch_shape, size, strict=True)])
    axes = turnable_axes(size, model.flat_axis) if settings.rotate > 0 else []
    half[axes] = np.sqrt(np.square(half[axes]).sum())
    reach = np.zeros(3)
    for order in exchanges(size, model.flat_axis, settings):
        reach[list(order)] = np.maximum(reach[list(order)], half)
    bent = MOST * settings.elastic_nm if settings.elastic else 0.0
    return float(reach[0]) + bent, float(reach[1]) + bent, float(reach[2]) + bent


def _layers(
    data: Place | str, crop: Crop, grid: Grid, wanted: tuple[str, ...], *, relations: bool
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """States of the annotated classes on `grid`: the wanted ones, then others if they can add anything."""
    complete = True
    for name in wanted:
        if name not in crop.classes and not label_path(data, crop, name).is_dir():
            complete = False
            continue
        states = _read_states(data, crop, name, grid)
        complete = complete and not (states == UNKNOWN).any()
        yield name, states
    if complete or not relations:
        return
    for other in all_classes():
        if other.name not in wanted and label_path(data, crop, other.name).is_dir():
            yield other.name, _read_states(data, crop, other.name, grid)


def _read_states(data: Place | str, crop: Crop, name: str, grid: Grid) -> NDArray[np.uint8]:
    """Absent, present or unknown for each voxel of `grid`, from the stored level that is nearest to it."""
    path = label_path(data, crop, name)
    try:
        image = open_multiscale(path)
    except FileMissing as error:
        raise FileMissing(
            f"the table says that crop {crop.id} is annotated with {name}, but {path} is not here; "
            f"get it with: csc fetch-data --crops {crop.id}, or correct the table"
        ) from error
    level = image.level(grid.voxel_size_nm)
    if level is None or not level.grid.shares_lattice(grid):
        level = image.nearest_level([v / 2 for v in grid.voxel_size_nm])
    labels = level.read()
    encoding = read_encoding(image, level, name)
    states = encoding.present(labels).astype(np.uint8)
    states[~encoding.known(labels)] = UNKNOWN
    return resample(states, level.grid, grid, Kind.SEMANTIC, fill=UNKNOWN)
