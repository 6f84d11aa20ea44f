"""A training crop in memory: EM with a margin, and labels, on the lattice of the model's voxel size."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Crop, label_path, labels_folder
from organelle.classes import Kind, all_classes
from organelle.errors import EMMissing, FileMissing, SettingsError
from organelle.geometry import Box, Grid, Nm, Voxels
from organelle.models import ModelSettings
from organelle.models.context import context_size_nm, context_steps
from organelle.progress import track
from organelle.sampling.affine import exchanges, turnable_axes
from organelle.sampling.bend import MOST
from organelle.sampling.cache import CropCache, Kept, frozen
from organelle.sampling.em import EMBlock, em_source, model_lattice, open_em, read_em
from organelle.sampling.faults import Stack
from organelle.sampling.palette import UNKNOWN, Palette, build_palette
from organelle.sampling.planes import Layer, Shelf, Turned, X, flattened, wants_turned
from organelle.sampling.settings import SamplingSettings
from organelle.stores import Place
from organelle.stores.places import stamps, stamps_below
from organelle.volumes import Multiscale, Volume, open_multiscale, read_encoding, resample


@dataclass(frozen=True, eq=False)
class Surroundings:
    """EM at larger voxels, for one context.

    Voxel `p` of the crop's EM lies at `(p + 1/2) / steps + shift` of `em`, per axis, counted as indices.
    """

    em: NDArray[Any]
    present: NDArray[np.bool_]
    """Bool of the same shape, or empty (size 0) when all EM is there."""
    steps: Voxels
    """Voxels of the model in one voxel of `em`."""
    shift: Nm


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
    context: tuple[Surroundings, ...] = ()
    """EM at larger voxels, one for each that the model wants."""
    turned: Turned | None = None
    """The planes across x once more, when 2D patches are drawn of them."""

    @property
    def shape(self) -> Voxels:
        """Size of the labelled part in voxels: centres of patches are counted in it."""
        z, y, x = self.labels.codes.shape
        return z, y, x

    @property
    def label_box(self) -> Box:
        """The labelled part within `em`."""
        return Box(self.label_start, self.shape)

    @cached_property
    def stack(self) -> Stack:
        """The arrays alone."""
        return Stack(self.em, self.em_present, self.labels.codes, self.label_start, self.ids)

    def shelf(self, across: int, index: int) -> Shelf:
        """Where a plane, at a voxel of `em`, is read from; only if that is of bytes."""
        side = self._turned_shelf if across == X else None
        return side if side and side.has(across, index) else self._shelf

    @cached_property
    def _shelf(self) -> Shelf:
        codes = Layer.of(self.labels.codes, self.label_start)
        return Shelf(Layer.of(self.em, (0, 0, 0)), flattened(self.em_present), codes)

    @cached_property
    def _turned_shelf(self) -> Shelf | None:
        if self.turned is None:
            return None
        em = Layer.turned(self.turned.em, (0, 0, self.label_start[X]))
        codes = Layer.turned(self.turned.codes, self.label_start)
        return Shelf(em, flattened(self.turned.present), codes)


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
    named, turned = tuple(ids_of), wants_turned(model.voxel_size_nm, model.flat_axis, how)
    return tuple(
        load_crop(
            data, crop, model, margin, relations=how.relations, ids_of=named, turned=turned, cache=cache
        )
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
    turned: bool = False,
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
        turned: keep the planes across x once more, which makes 2D patches there cheap; only EM of bytes.
        cache: where it is kept.

    Raises:
        EMMissing, FileMissing, GridMismatch: see `load_crops`.
    """
    wanted = _wanted(data, crop, model, margin_nm, relations, ids_of)
    read = partial(wanted.read, turned=turned)
    kept = read() if cache is None else cache.get(wanted.made_of() | ({"turned": 1} if turned else {}), read)
    start = wanted.labelled.relative_to(wanted.box).start
    grid = wanted.lattice.subgrid(wanted.box)
    context = tuple(
        Surroundings(em, present, place.steps, place.shift(wanted.box))
        for (em, present), place in zip(kept.context, wanted.far, strict=True)
    )
    return TrainingCrop(
        crop, model.classes, grid, kept.em, kept.present, kept.labels, start, kept.ids, context, kept.turned
    )


def crop_stamp(
    data: Place | str,
    crop: Crop,
    model: ModelSettings,
    settings: SamplingSettings | None = None,
    *,
    ids_of: Iterable[str] = (),
) -> str:
    """A hash of how the files that `load_crops` would read of a crop stand: size and time, or ETag.

    As long as it is the same, so is what is read; when it is not, that may still be. Nothing is decoded. The
    arguments and errors are those of `load_crops`.
    """
    how = settings or SamplingSettings()
    margin = patch_margin_nm(model, how)
    wanted = _wanted(data, crop, model, margin, how.relations, tuple(ids_of))
    return hashlib.sha256(json.dumps(wanted.made_of(), sort_keys=True).encode()).hexdigest()


def _wanted(
    data: Place | str,
    crop: Crop,
    model: ModelSettings,
    margin_nm: Nm,
    relations: bool,
    ids_of: tuple[str, ...],
) -> _Wanted:
    image = open_em(data, crop)
    lattice = model_lattice(image, model.voxel_size_nm)
    labelled = lattice.box_of(crop.extent, snap="outer")
    margin = [math.ceil(m / v) for m, v in zip(margin_nm, lattice.voxel_size_nm, strict=True)]
    box = labelled.grow(margin).intersect(lattice.box).union(labelled)
    far = tuple(
        _far(image, lattice.subgrid(labelled), model.voxel_size_nm, n, margin_nm) for n in model.context
    )
    return _Wanted(data, crop, image, lattice, labelled, box, model.classes, relations, ids_of, far)


@dataclass(frozen=True)
class _Far:
    """Where the EM of a context is read."""

    lattice: Grid
    box: Box
    steps: Voxels

    def shift(self, near: Box) -> Nm:
        """See `Surroundings`, for a crop whose EM begins where `near` does, on the model's lattice."""
        z, y, x = (a / n - 0.5 - b for a, n, b in zip(near.start, self.steps, self.box.start, strict=True))
        return z, y, x


def _far(image: Multiscale, labelled: Grid, voxel_size_nm: Nm, times: int, margin_nm: Nm) -> _Far:
    """The surroundings of the labelled part, as far as there is any EM."""
    lattice, steps = (
        model_lattice(image, context_size_nm(voxel_size_nm, times)),
        context_steps(voxel_size_nm, times),
    )
    inner = lattice.box_of(labelled.extent, snap="outer")
    margin = [math.ceil(m / v) + 1 for m, v in zip(margin_nm, voxel_size_nm, strict=True)]
    return _Far(lattice, inner.grow(margin).intersect(lattice.box).union(inner), steps)


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
    far: tuple[_Far, ...] = ()

    def read(self, *, turned: bool) -> Kept:
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
        em, present = _compact(block)
        context = tuple(self._surroundings(place) for place in self.far)
        ids = {name: _read_ids(self.data, self.crop, name, grid) for name in self.ids_of}
        first = inner[X].start
        aside = Turned.of(em, present, labels.codes, first) if turned and em.dtype == np.uint8 else None
        frozen(em, present, labels.codes, *ids.values(), *(array for pair in context for array in pair))
        return Kept(em, present, labels, ids, context, aside)

    def _surroundings(self, place: _Far) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        block = read_em(self.image, place.lattice, place.box)
        inner = place.lattice.box_of(self.lattice.subgrid(self.labelled).extent, snap="outer")
        if not block.present[inner.slices(place.box.start)].any():
            size = " x ".join(f"{v:g}" for v in place.lattice.voxel_size_nm)
            raise EMMissing(
                f"crop {self.crop.id}: {self.image.path} holds no EM around the crop to show as context, at "
                f"{size} nm; get it with: csc fetch-data --crops {self.crop.id}"
            )
        return _compact(block)

    def made_of(self) -> dict[str, Any]:
        """All that decides what is read, as plain JSON values; nothing is decoded."""
        context = [self._em_stamp(far.lattice, far.box) for far in self.far]
        return ({"context": context} if context else {}) | {
            "crop": [self.crop.id, self.crop.dataset, list(self.crop.classes)],
            "em": self._em_stamp(self.lattice, self.box),
            "labels": stamps_below(labels_folder(self.data, self.crop)),
            "lattice": [list(self.lattice.voxel_size_nm), list(self.lattice.origin_nm)],
            "boxes": [[list(b.start), list(b.shape)] for b in (self.labelled, self.box)],
            "classes": list(self.classes),
            "relations": self.relations,
            "ids_of": list(self.ids_of),
        }

    def _em_stamp(self, lattice: Grid, box: Box) -> list[Any]:
        """What EM in `box` of `lattice` is read from."""
        level = em_source(self.image, lattice)
        near = level.grid.box_of(lattice.subgrid(box).extent, snap="outer").grow((1, 1, 1))
        return [str(self.image.path), level.name, stamps(level.files(near.intersect(level.grid.box)))]


def _compact(block: EMBlock) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Grey values as uint8 or float32, going on for a voxel where they are missing, and where they are."""
    em = block.values if block.values.dtype == np.uint8 else block.values.astype(np.float32)
    present = np.zeros((0, 0, 0), bool) if block.present.all() else block.present
    return filled(em, present), present


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
