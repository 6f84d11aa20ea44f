"""A user's own EM as a dataset of a folder catalog: rows in its tables, and a link in the data folder."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING

from organelle.catalog.layout import em_folder, em_link, em_path, label_path
from organelle.catalog.records import Catalog, Crop, Dataset
from organelle.catalog.tables import TABLES, load_catalog, write_tables
from organelle.classes import Kind, all_classes, class_named, scored_classes, sort_classes
from organelle.errors import CatalogError, FileMissing, FormatError, OutputExists, require_folder
from organelle.files import whole
from organelle.geometry import Box, Extent, Grid, Nm
from organelle.stores import Place, as_place

if TYPE_CHECKING:
    from organelle.volumes import Multiscale

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
FINEST = 64
"""So many times finer than the EM crops may be; beyond, somebody wrote micrometres."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What was registered.

    Attributes:
        dataset: its row.
        em: the place that the stages read.
        added: crops that are new in the tables: test crops, and the training crop of own labels.
        kept: crops that stood there already.
        notes: what should be known.
    """

    dataset: Dataset
    em: Place
    added: tuple[Crop, ...]
    kept: tuple[Crop, ...]
    notes: tuple[str, ...]


def register(
    name: str,
    volume: Place | str,
    *,
    catalog: Path | str,
    data: Path | str,
    boxes: Sequence[Box | Extent] = (),
    classes: Iterable[str] | None = None,
    voxel_size_nm: Nm | None = None,
    labels: Path | str | None = None,
    overwrite: bool = False,
) -> Registration:
    """Make an EM image a dataset of the catalog in a folder, with crops to predict.

    The tables are made if they are not there. The image stays where it is: a text file
    `{data}/{name}/{name}.zarr/recon-1/em/fibsem-uint8.link` names it, unless it stands in that place. Crops
    that are there already are kept, so that the same call changes nothing.

    Args:
        name: of the dataset.
        volume: the EM: an OME-NGFF image or an array with a voxel size, here or remote.
        catalog: folder of the tables.
        data: data folder, in the bucket's layout.
        boxes: what to predict: voxels of the finest level, or nm. Default: the whole volume. Extents grow
            to whole voxels.
        classes: what to predict. Default: all scored classes.
        voxel_size_nm: of the crops, and so of the submission. Default: that of the finest level.
        labels: folder that holds an image per class, named like the class. They are copied into the data
            folder as a training crop.
        overwrite: whether a dataset of this name may get another image; its crops are then replaced.

    Raises:
        FileMissing: no such image, or no labels in the folder.
        FormatError: the image is not EM that can be used.
        CatalogError: an unusable name, boxes outside of the image, labels that do not fit together.
        OutputExists: the name belongs to another image and `overwrite` is false.
    """
    if not NAME.fullmatch(name):
        raise CatalogError(f"{name!r} is no name of a dataset; use letters, digits, '_', '-' and '.'")
    place = _absolute(as_place(volume))
    image = _open_em(place)
    finest = image.levels[0].grid
    wanted = _classes(classes)
    grids = [_crop_grid(box, finest, voxel_size_nm or finest.voxel_size_nm) for box in boxes or [finest.box]]
    known = _tables(Path(catalog))
    replaces = _check_link(name, place, Path(data), known, overwrite=overwrite)
    before = _without(known, name) if replaces else known
    crops = [Crop(0, name, grid, wanted, is_test=True) for grid in grids]
    if labels is not None:
        crops.append(_labelled(name, Path(labels), finest))
    added, kept = _numbered(crops, before)
    dataset = before.datasets.get(name) or _dataset(name, finest)
    _link(name, place, Path(data))
    _copy_labels(added, labels, Path(data))
    write_tables(_with(before, dataset, added), catalog, overwrite=True)
    return Registration(dataset, em_path(Path(data), name), added, kept, _notes(image))


def one_line(crop: Crop) -> str:
    """A crop in words."""
    shape, size = (" x ".join(f"{n:g}" for n in numbers) for numbers in (crop.grid.shape, crop.voxel_size_nm))
    classes = ", ".join(crop.classes) if len(crop.classes) < 6 else f"{len(crop.classes)} classes"
    purpose = "to predict" if crop.is_test else "to learn from"
    return f"crop {crop.id}, {purpose}: {shape} voxels of {size} nm, {classes}"


def _absolute(place: Place) -> Place:
    return place.resolve() if isinstance(place, Path) else place


def _open_em(place: Place) -> Multiscale:
    from organelle.volumes import open_multiscale

    image = open_multiscale(place)
    record = image.attributes.get("organelle")
    kind = record.get("kind") if isinstance(record, dict) else None
    if "cellmap" in image.attributes or kind in (Kind.SEMANTIC.value, Kind.INSTANCE.value):
        raise FormatError(f"{place} holds labels, not EM; name the EM, and the labels with --labels")
    if image.levels[0].dtype.kind == "b":
        raise FormatError(f"{place} holds bool, which is no grey value")
    if image.levels[0].grid.box.is_empty:
        raise FormatError(f"{place} holds no voxel")
    return image


def _classes(names: Iterable[str] | None) -> tuple[str, ...]:
    chosen = [c.name for c in scored_classes()] if names is None else [class_named(n).name for n in names]
    if not chosen:
        raise CatalogError("no class was named; leave --classes out for all scored classes")
    return sort_classes(chosen)


def _crop_grid(box: Box | Extent, finest: Grid, size: Nm) -> Grid:
    """A box on the lattice of voxels of `size` that a model of this voxel size counts on."""
    voxels = box if isinstance(box, Box) else finest.box_of(box, snap="outer")
    if voxels.is_empty or not finest.box.contains(voxels):
        raise CatalogError(
            f"a crop from {voxels.start} to {voxels.stop} does not lie in the EM, which has {finest.shape} "
            f"voxels of {finest.voxel_size_nm} nm (z, y, x)"
        )
    if any(FINEST * n < here for n, here in zip(size, finest.voxel_size_nm, strict=True)):
        raise CatalogError(
            f"voxels of {size} nm are more than {FINEST} times finer than those of the EM, "
            f"{finest.voxel_size_nm} nm (z, y, x); is that in nm?"
        )
    lattice = finest.rescaled(size)
    return lattice.subgrid(lattice.box_of(finest.extent_of(voxels), snap="outer").intersect(lattice.box))


def _tables(folder: Path) -> Catalog:
    """The catalog of a folder; an empty one if there is none."""
    there = [name for name in TABLES if (folder / name).is_file()]
    for name in there:
        with (folder / name).open(newline="", encoding="utf-8-sig") as stream:
            header = next(csv.reader(stream), [])
        if more := [column for column in header if column not in TABLES[name]]:
            raise CatalogError(
                f"{folder / name} has columns that would be lost: {', '.join(more)}; add the dataset by hand"
            )
    if not set(there) - {"datasets.csv"}:
        if there:
            raise CatalogError(f"{folder} has datasets.csv, but no table of crops; remove it, or add one")
        return Catalog(folder.resolve().name, {}, {}, {})
    return load_catalog(folder)


def _check_link(name: str, place: Place, data: Path, known: Catalog, *, overwrite: bool) -> bool:
    """Whether another image is replaced; an error if that was not asked for."""
    linked = em_path(data, name)
    stands = name in known.datasets or em_link(data, name).is_file() or linked.exists()
    same = str(_absolute(linked)) == str(place)
    if not stands or same:
        return False
    if em_folder(data, name).exists():
        raise OutputExists(f"{em_folder(data, name)} is another volume; choose another name or data folder")
    if not overwrite:
        raise OutputExists(
            f"{name} is known already, with EM at {linked}; choose another name, or add --overwrite to give "
            "it this EM and these crops instead"
        )
    return True


def _labelled(name: str, folder: Path, finest: Grid) -> Crop:
    """A training crop of the images in a folder that are named like classes."""
    from organelle.volumes import open_multiscale

    known = {c.name for c in all_classes()}
    found = [p.name for p in sorted(require_folder(folder, "labels").iterdir()) if p.name in known]
    if not found:
        raise FileMissing(f"{folder} holds no image that is named like a class: mito, er, nuc, ...")
    grids = {class_name: open_multiscale(folder / class_name).levels[0].grid for class_name in found}
    first = grids[found[0]]
    for class_name, grid in grids.items():
        if grid.shape != first.shape or not grid.shares_lattice(first) or any(first.shift_to(grid)):
            raise CatalogError(
                f"{folder}: {class_name} ({grid.shape} voxels of {grid.voxel_size_nm} nm at "
                f"{grid.origin_nm}) is not on the grid of {found[0]}; all classes of a crop share one"
            )
    if not first.extent.overlaps(finest.extent):
        raise CatalogError(f"{folder}: the labels lie outside of the EM; import them with their --offset")
    return Crop(0, name, first, sort_classes(found))


def _numbered(crops: Iterable[Crop], known: Catalog) -> tuple[tuple[Crop, ...], tuple[Crop, ...]]:
    """Crops that are new, with numbers after those of the catalog, and those that it has already."""
    added: list[Crop] = []
    kept: list[Crop] = []
    following = max(known.crops, default=0) + 1
    for crop in crops:
        same = (replace(crop, id=other.id) == other for other in known.crops.values())
        if any(same):
            kept += [other for other in known.crops.values() if replace(crop, id=other.id) == other]
        else:
            added.append(replace(crop, id=following + len(added)))
    return tuple(added), tuple(kept)


def _dataset(name: str, finest: Grid) -> Dataset:
    z, y, x = (round(n / 1000, 6) for n in finest.extent.shape_nm)
    return Dataset(name, em_voxel_size_nm=finest.voxel_size_nm, extent_um_xyz=(x, y, z))


def _link(name: str, place: Place, data: Path) -> None:
    """Name the image in the data folder: relative within it, so that it may be moved as a whole."""
    if str(_absolute(em_path(data, name))) == str(place):
        return
    link = em_link(data, name)
    inside = isinstance(place, Path) and place.is_relative_to(data.resolve())
    text = os.path.relpath(place, link.parent.resolve()) if inside and isinstance(place, Path) else str(place)
    with whole(link, overwrite=True) as part:
        part.write_text(f"{text}\n")


def _copy_labels(added: Iterable[Crop], labels: Path | str | None, data: Path) -> None:
    """Bring the labels of the training crop into the data folder: a copy, whole or not at all."""
    for crop in added:
        if labels is None or crop.is_test:
            continue
        for class_name in crop.classes:
            with whole(label_path(data, crop, class_name)) as part:
                copytree(Path(labels) / class_name, part)


def _with(known: Catalog, dataset: Dataset, added: Iterable[Crop]) -> Catalog:
    more = list(added)
    return replace(
        known,
        datasets={**known.datasets, dataset.name: dataset},
        train_crops={**known.train_crops, **{c.id: c for c in more if not c.is_test}},
        test_crops={**known.test_crops, **{c.id: c for c in more if c.is_test}},
    )


def _without(known: Catalog, name: str) -> Catalog:
    return replace(
        known,
        datasets={k: d for k, d in known.datasets.items() if k != name},
        train_crops={k: c for k, c in known.train_crops.items() if c.dataset != name},
        test_crops={k: c for k, c in known.test_crops.items() if c.dataset != name},
    )


def _notes(image: Multiscale) -> tuple[str, ...]:
    dtype = image.levels[0].dtype
    if dtype.name == "uint8":
        return ()
    return (
        f"the EM is {dtype}: a checkpoint that was trained on 8-bit EM does not know such values; "
        "csc catalog import --to-uint8 makes 8 bits of a TIFF, MRC, HDF5 or N5 volume",
    )
