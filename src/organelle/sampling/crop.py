"""A training crop in memory: EM with a margin, and labels, on the lattice of the model's voxel size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Crop, label_path, labels_folder
from organelle.classes import Kind, all_classes
from organelle.errors import EMMissing, FileMissing, SettingsError
from organelle.geometry import Box, Grid, Nm, Voxels
from organelle.models import ModelSettings
from organelle.progress import track
from organelle.sampling.affine import exchanges, turnable_axes
from organelle.sampling.bend import MOST
from organelle.sampling.cache import CropCache, Kept, frozen
from organelle.sampling.em import em_source, model_lattice, open_em, read_em
from organelle.sampling.palette import UNKNOWN, Palette, build_palette
from organelle.sampling.settings import SamplingSettings
from organelle.stores import Place
from organelle.stores.places import stamps, stamps_below
from organelle.volumes import Multiscale, Volume, open_multiscale, read_encoding, resample


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
    ids: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    """Objects of some classes, numbered from 1, in the shape of the labels; 0 elsewhere."""

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
    *,
    ids_of: Iterable[str] = (),
    cache: CropCache | None = None,
) -> tuple[TrainingCrop, ...]:
    """Load crops for training or validation, one after the other, each with the margin that patches need.

    Args:
        data: folder or address in the bucket's layout.
        crops: which.
        model: classes and voxel size.
        settings: how patches will be drawn, which decides the margin.
        ids_of: classes whose objects are told apart, too.
        cache: where crops are kept between runs and shared by processes; without one they fill memory.

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
    named = tuple(ids_of)
    return tuple(
        load_crop(data, crop, model, margin, relations=how.relations, ids_of=named, cache=cache)
        for crop in track(wanted, "loading crops")
    )


def load_crop(
    data: Place | str,
    crop: Crop,
    model: ModelSettings,
    margin_nm: Nm,
    *,
    relations: bool = True,
    ids_of: tuple[str, ...] = (),
    cache: CropCache | None = None,
) -> TrainingCrop:
    """Load one crop.

    Args:
        data: folder or address in the bucket's layout.
        crop: which.
        model: classes and voxel size.
        margin_nm: how far beyond the crop EM is kept, as far as there is any.
        relations: let all annotated classes of the crop say what they can about the model's classes.
        ids_of: classes whose objects are told apart, too.
        cache: where it is kept.

    Raises:
        EMMissing, FileMissing, GridMismatch: see `load_crops`.
    """
    image = open_em(data, crop)
    lattice = model_lattice(image, model.voxel_size_nm)
    labelled = lattice.box_of(crop.extent, snap="outer")
    margin = [math.ceil(m / v) for m, v in zip(margin_nm, lattice.voxel_size_nm, strict=True)]
    box = labelled.grow(margin).intersect(lattice.box).union(labelled)
    wanted = _Wanted(data, crop, image, lattice, labelled, box, model.classes, relations, ids_of)
    kept = wanted.read() if cache is None else cache.get(wanted.made_of(), wanted.read)
    start = labelled.relative_to(box).start
    grid = lattice.subgrid(box)
    return TrainingCrop(crop, model.classes, grid, kept.em, kept.present, kept.labels, start, kept.ids)


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What is read of one crop."""

    data: Place | str
    crop: Crop
    image: Multiscale
    lattice: Grid
    labelled: Box
    box: Box
    classes: tuple[str, ...]
    relations: bool
    ids_of: tuple[str, ...]

    def read(self) -> Kept:
        block = read_em(self.image, self.lattice, self.box)
        inner = self.labelled.slices(self.box.start)
        if not block.present[inner].any():
            raise EMMissing(
                f"crop {self.crop.id}: {self.image.path} is here, but none of its chunks around the crop; "
                f"get them with: csc fetch-data --crops {self.crop.id}"
            )
        grid = self.lattice.subgrid(self.labelled)
        layers = _layers(self.data, self.crop, grid, self.classes, relations=self.relations)
        without_em = ~block.present[inner]
        labels = build_palette(layers, grid.shape, self.classes, without_em, infer=self.relations)
        em = block.values if block.values.dtype == np.uint8 else block.values.astype(np.float32)
        present = np.zeros((0, 0, 0), bool) if block.present.all() else block.present
        ids = {name: _read_ids(self.data, self.crop, name, grid) for name in self.ids_of}
        kept = Kept(filled(em, present), present, labels, ids)
        frozen(kept.em, present, labels.codes, *ids.values())
        return kept

    def made_of(self) -> dict[str, Any]:
        """All that decides what is read, as plain JSON values; nothing is decoded."""
        level = em_source(self.image, self.lattice)
        near = level.grid.box_of(self.lattice.subgrid(self.box).extent, snap="outer").grow((1, 1, 1))
        chunks = level.files(near.intersect(level.grid.box))
        return {
            "crop": [self.crop.id, self.crop.dataset, list(self.crop.classes)],
            "em": [str(self.image.path), level.name, stamps(chunks)],
            "labels": stamps_below(labels_folder(self.data, self.crop)),
            "lattice": [list(self.lattice.voxel_size_nm), list(self.lattice.origin_nm)],
            "boxes": [[list(b.start), list(b.shape)] for b in (self.labelled, self.box)],
            "classes": list(self.classes),
            "relations": self.relations,
            "ids_of": list(self.ids_of),
        }


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


def _read_ids(data: Place | str, crop: Crop, name: str, grid: Grid) -> NDArray[np.uint32]:
    """Ids of objects on `grid`, 0 where there is none or nothing is known; large ones are numbered anew."""
    if name not in crop.classes and not label_path(data, crop, name).is_dir():
        return np.zeros(grid.shape, np.uint32)
    image, level = _open_labels(data, crop, name, grid)
    labels = level.read()
    labels[~read_encoding(image, level, name).present(labels)] = 0
    if (
        labels.dtype.kind == "f"
        or labels.max(initial=0) > np.iinfo(np.uint32).max
        or labels.min(initial=0) < 0
    ):
        found, labels = np.unique(labels, return_inverse=True)
        labels = labels.reshape(level.shape) + (0 if 0 in found else 1)
    return resample(labels.astype(np.uint32), level.grid, grid, Kind.INSTANCE, fill=0)


def _open_labels(data: Place | str, crop: Crop, name: str, grid: Grid) -> tuple[Multiscale, Volume]:
    """The image of a class, and its stored level that is nearest to `grid`."""
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
    return image, level


def _read_states(data: Place | str, crop: Crop, name: str, grid: Grid) -> NDArray[np.uint8]:
    """Absent, present or unknown for each voxel of `grid`, from the stored level that is nearest to it."""
    image, level = _open_labels(data, crop, name, grid)
    labels = level.read()
    encoding = read_encoding(image, level, name)
    states = encoding.present(labels).astype(np.uint8)
    states[~encoding.known(labels)] = UNKNOWN
    return resample(states, level.grid, grid, Kind.SEMANTIC, fill=UNKNOWN)
