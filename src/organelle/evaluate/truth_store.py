"""Truth made of training crops: a challenge of one's own, scored like the real one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.catalog import Catalog, Crop, label_path, labels_folder, write_tables
from organelle.catalog.tables import TABLES
from organelle.classes import Kind, scored_classes, sort_classes
from organelle.errors import FileMissing, FormatError, GridMismatch, OutputExists, ScoringError, SettingsError
from organelle.evaluate.scoring import INSTANCE_CLASSES
from organelle.evaluate.truth import MASK
from organelle.evaluate.truth_report import STORE, LeftOut, TruthReport, TruthRow
from organelle.files import refuse_existing, whole
from organelle.geometry import Grid
from organelle.metrics import connected_components
from organelle.progress import track
from organelle.stores import Place

if TYPE_CHECKING:
    from organelle.volumes import LabelEncoding, Multiscale, Volume

Array = np.ndarray[Any, np.dtype[Any]]


def make_truth(
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    *,
    data: Place | str,
    out: Path | str,
    classes: Iterable[str] | None = None,
    overwrite: bool = False,
) -> TruthReport:
    """Make the annotations of training crops the truth of a challenge of its own, in the folder `out`.

    The folder appears whole. It holds `truth.zarr` and the three tables of a catalog in which exactly what
    was written is the test table, so that `evaluate(submission, out / "truth.zarr", load_catalog(out))`
    scores predictions of these crops. Each class lies on its crop's grid; where its annotation says nothing
    it is 0, and 0 in the `{class}_mask` beside it, so that nothing there is scored. Memory: the labels of
    one class of one crop, a few times.

    Args:
        catalog: Where the crops are training crops.
        crops: As `Catalog.select` takes them.
        data: Folder of the volumes, in the bucket's layout.
        out: Folder that receives store and tables.
        classes: What to write where it is annotated; default: the classes that the challenge scores.
        overwrite: Replace `out` if it holds nothing but what this function wrote.

    Raises:
        OutputExists: something is at `out`. Nothing was read.
        CropNotFound, DatasetNotFound, ClassNotFound: names that the catalog does not know.
        FileMissing: labels that the catalog lists are not in `data`.
        GridMismatch: only levels that are coarser than the catalog says are in `data`.
        FormatError: labels that cannot be read, or are no labels.
        ScoringError: a test crop, or nothing that could be written.
    """
    folder = _free_place(Path(out), overwrite=overwrite)
    plan, lacking = _plan(catalog, crops, data, classes)
    with whole(folder, overwrite=overwrite) as part:
        made = [_write(annotation, part / STORE) for annotation in track(plan, "truth")]
        rows = tuple(row for row in made if isinstance(row, TruthRow))
        left_out = (*lacking, *(left for left in made if isinstance(left, LeftOut)))
        if not rows:
            raise ScoringError("\n".join(("there is no truth to write:", *map(str, left_out))))
        write_tables(_catalog_of(rows, catalog, folder.name), part)
    return TruthReport(folder, rows, left_out)


@dataclass(frozen=True, slots=True)
class _Annotation:
    """The stored labels from which one class of one crop is made."""

    crop: Crop
    class_name: str
    level: Volume
    encoding: LabelEncoding


def _free_place(folder: Path, *, overwrite: bool) -> Path:
    """`folder`, if it may be written: replacing it must not delete what somebody else put there."""
    if folder.suffix == ".zarr":
        raise SettingsError(
            f"{folder} should be the folder that receives {STORE} and the tables; name {folder.parent}"
        )
    refuse_existing(folder, overwrite=overwrite)
    if folder.is_file():
        raise OutputExists(f"{folder} is a file, which would be lost; choose another place for the folder")
    there = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    if others := sorted(there - {STORE, *TABLES}):
        raise OutputExists(
            f"{folder} also holds {', '.join(others[:5])}, which would be lost; choose another folder"
        )
    return folder


def _plan(
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    data: Place | str,
    classes: Iterable[str] | None,
) -> tuple[tuple[_Annotation, ...], tuple[LeftOut, ...]]:
    """What will be read, and what is not annotated; opens every image, decodes no voxel."""
    chosen = catalog.select(crops)
    wanted = tuple(c.name for c in scored_classes()) if classes is None else sort_classes(classes)
    _require_training(chosen)
    _require_fetched(chosen, data)
    rows = [(crop, name) for crop in chosen for name in crop.classes if name in wanted]
    lacking = _not_annotated(chosen, None if classes is None else wanted)
    return tuple(_find(data, crop, name) for crop, name in rows), tuple(lacking)


def _require_training(crops: Sequence[Crop]) -> None:
    if hidden := [str(crop.id) for crop in crops if crop.is_test]:
        raise ScoringError(
            f"truth is made of labels, and test crops have none: {', '.join(hidden)}; "
            'name training crops, which train_crops.csv lists, or "all" for every one'
        )


def _require_fetched(crops: Sequence[Crop], data: Place | str) -> None:
    if absent := [crop for crop in crops if not labels_folder(data, crop).is_dir()]:
        numbers = ",".join(str(crop.id) for crop in absent)
        raise FileMissing(
            f"no labels of crops {numbers}: nothing at {labels_folder(data, absent[0])}; "
            f"get them with: csc fetch-data --crops {numbers}"
        )


def _not_annotated(crops: Sequence[Crop], wanted: tuple[str, ...] | None) -> Iterator[LeftOut]:
    """The classes asked for that a crop lacks; unasked, only crops that have nothing to score."""
    if wanted is not None:
        for crop in crops:
            for name in wanted:
                if name not in crop.classes:
                    yield LeftOut(crop.id, name, "not annotated")
        return
    scored = {c.name for c in scored_classes()}
    for crop in crops:
        if not scored & set(crop.classes):
            yield LeftOut(crop.id, None, "none of its annotated classes is scored; name them with --classes")


def _find(data: Place | str, crop: Crop, class_name: str) -> _Annotation:
    from organelle.volumes import open_multiscale, read_encoding

    path = label_path(data, crop, class_name)
    try:
        image = open_multiscale(path)
    except FileMissing as error:
        raise FileMissing(
            f"the table says that crop {crop.id} is annotated with {class_name}, but {path} cannot be "
            f"read: {error}; get it with: csc fetch-data --crops {crop.id}, or leave it out of --classes"
        ) from error
    level = _level(image, crop)
    return _Annotation(crop, class_name, level, read_encoding(image, level, class_name))


def _level(image: Multiscale, crop: Crop) -> Volume:
    """The stored level on the crop's lattice, else a finer one that can be resampled to it."""
    level = image.level(crop.voxel_size_nm)
    if level is None or not level.grid.shares_lattice(crop.grid):
        level = image.nearest_level([v / 2 for v in crop.voxel_size_nm])
    sizes = level.grid.voxel_size_nm
    if any(have > want * (1 + 1e-4) for have, want in zip(sizes, crop.voxel_size_nm, strict=True)):
        raise GridMismatch(
            f"{image.path} has voxels of {sizes} nm and none finer, but the table says {crop.voxel_size_nm} "
            f"nm for crop {crop.id}; get the finest level with: csc fetch-data --crops {crop.id}, or correct "
            "the table"
        )
    return level


def _write(annotation: _Annotation, store: Path) -> TruthRow | LeftOut:
    """Write one class and, if it needs one, its mask."""
    crop, name = annotation.crop, annotation.class_name
    labels, known = _read(annotation)
    unknown = known.size - int(np.count_nonzero(known))
    if unknown == known.size:
        return LeftOut(crop.id, name, "every voxel is unknown")
    notes = list(_notes_on_source(annotation))
    labels, count, largest = _smallest(labels)
    if largest >= labels.size:
        notes.append(f"its ids went up to {largest}, so its {count} objects are numbered anew from 1")
    if name in INSTANCE_CLASSES:
        notes.extend(_notes_on_pieces(labels, count))
    _store(store / crop.name / name, labels, crop.grid)
    if unknown:
        _store(store / crop.name / f"{name}{MASK}", known.view(np.uint8), crop.grid)
    return TruthRow(
        crop_id=crop.id,
        class_name=name,
        dtype=str(labels.dtype),
        voxels=int(np.count_nonzero(labels)),
        unknown=unknown,
        objects=count if annotation.encoding.kind is Kind.INSTANCE else None,
        notes=tuple(notes),
    )


def _read(annotation: _Annotation) -> tuple[Array, Array]:
    """Labels on the crop's grid, 0 where absent or unknown, and for each voxel whether it is known."""
    from organelle.volumes import resample

    level, encoding, grid = annotation.level, annotation.encoding, annotation.crop.grid
    labels = level.read()
    known, present = encoding.known(labels), encoding.present(labels)
    _require_whole_numbers(level.path, labels[present])
    if encoding.kind is Kind.SEMANTIC:
        labels = present.view(np.uint8)
    else:
        labels[~present] = 0
    if _coincide(level.grid, grid):
        return labels, known
    return (
        resample(labels, level.grid, grid, Kind.INSTANCE),
        resample(known, level.grid, grid, Kind.SEMANTIC),
    )


def _require_whole_numbers(path: Place, values: Array) -> None:
    """What is present has the labels 1, 2, ...: no fractions, nothing negative, and 0 is no object."""
    if values.dtype.kind == "f" and not (
        np.isfinite(values).all() and np.array_equal(values, np.rint(values))
    ):
        raise FormatError(f"{path} holds fractions ({values.dtype}), but labels are whole numbers")
    if values.size and values.min() < 1:
        raise FormatError(f"{path} uses {values.min()} as a label of something present; labels start at 1")


def _coincide(source: Grid, target: Grid) -> bool:
    """Whether both are the same voxels."""
    same = source.shape == target.shape and source.shares_lattice(target)
    return same and source.shift_to(target) == (0, 0, 0)


def _smallest(labels: Array) -> tuple[Array, int, int]:
    """Labels in the smallest unsigned type, the number of distinct ones above 0, and the largest given.

    Ids that reach the number of voxels cannot be scored; they are numbered anew, in their order.
    """
    found = np.unique(np.concatenate([np.unique(plane) for plane in labels]))
    ids = found[found > 0]
    largest = int(ids[-1]) if ids.size else 0
    if largest < labels.size:
        return labels.astype(np.min_scalar_type(largest), copy=False), ids.size, largest
    numbers = np.concatenate([np.zeros(1, ids.dtype), ids])
    anew = np.empty(labels.shape, np.min_scalar_type(ids.size))
    for plane, before in zip(anew, labels, strict=True):
        plane[...] = np.searchsorted(numbers, before)
    return anew, ids.size, largest


def _notes_on_source(annotation: _Annotation) -> Iterator[str]:
    level, crop = annotation.level, annotation.crop
    if not level.grid.shares_lattice(crop.grid):
        yield f"resampled from voxels of {level.grid.voxel_size_nm} nm to {crop.voxel_size_nm} nm"
    if annotation.class_name in INSTANCE_CLASSES and annotation.encoding.kind is Kind.SEMANTIC:
        yield "labelled without ids but scored as objects, so all of it is one object"


def _notes_on_pieces(labels: Array, objects: int) -> Iterator[str]:
    """Objects that the metric takes apart in a prediction that equals them."""
    _, pieces = connected_components(labels)
    if pieces > objects:
        yield f"objects in pieces ({objects} objects, {pieces} pieces) keep a perfect prediction below 1"


def _store(path: Path, array: Array, grid: Grid) -> None:
    from organelle.volumes import create_volume

    create_volume(path, grid, array.dtype).write(grid.box, array)


def _catalog_of(rows: Sequence[TruthRow], source: Catalog, name: str) -> Catalog:
    """The challenge whose test crops are those written, in the order of `rows`.

    It keeps all datasets, because an experiment may name some that no row is of.
    """
    classes: dict[int, tuple[str, ...]] = {}
    for row in rows:
        classes[row.crop_id] = (*classes.get(row.crop_id, ()), row.class_name)
    crops = {n: replace(source.crop(n), classes=names, is_test=True) for n, names in classes.items()}
    return Catalog(name, source.datasets, {}, crops)
