"""The tables: the challenge that is built in, and any other from a folder.

The built-in tables (`tables/`, packed with the code) state the facts of the CellMap Segmentation Challenge
as published by the CellMap project team at HHMI Janelia (doi:10.25378/janelia.c.7456966, CC BY 4.0). There
a crop's classes are names, or `scored` for all scored classes, followed by `-name` for those it lacks.

A folder holds `datasets.csv`, `train_crops.csv` and `test_crops.csv`; of the tables of crops one is enough,
and without `datasets.csv` nothing is known about datasets but the names that the crops give. Sizes and
places are z, y, x in nm, `translation_nm` is the centre of the first voxel, lists within a cell are
separated by blanks, and a blank cell means "not stated".
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from organelle.catalog.records import Catalog, Crop, Dataset
from organelle.classes import all_classes, scored_classes
from organelle.errors import CatalogError, FileMissing, did_you_mean, require_folder
from organelle.files import refuse_existing, whole
from organelle.geometry import Grid, Nm

CHALLENGE = "CellMap Segmentation Challenge"
DATASET_TEXT = ("organism", "sample", "kind", "preparation", "em_doi")
DATASET_COLUMNS = ("dataset", *DATASET_TEXT[:-1], "em_voxel_size_nm", "extent_um_xyz", "em_doi")
CROP_COLUMNS = ("crop", "dataset", "voxel_size_nm", "translation_nm", "shape", "classes")
TABLES = {"datasets.csv": DATASET_COLUMNS, "train_crops.csv": CROP_COLUMNS, "test_crops.csv": CROP_COLUMNS}

MOST_PROBLEMS = 100
"""What an error lists, of as many as it counts."""

Row = Mapping[str, str]


def load_catalog(folder: Path | str | None = None) -> Catalog:
    """The catalog of the challenge in `folder`, or of the CellMap challenge when none is given.

    Raises:
        FileMissing: the folder is not there, or holds neither table of crops.
        CatalogError: the tables contradict themselves; all problems at once, each with file and line.
    """
    if folder is None:
        return _builtin()
    root = require_folder(folder, "catalog")
    there = [name for name in TABLES if (root / name).is_file()]
    if not set(there) - {"datasets.csv"}:
        raise FileMissing(
            f"catalog {root} has no train_crops.csv and no test_crops.csv; it needs {', '.join(TABLES)}"
        )
    read = {name: _read_table(root / name) if name in there else _empty_table(name) for name in TABLES}
    if "datasets.csv" not in there:
        read["datasets.csv"] = _named_datasets([table for name, table in read.items() if name in there])
    return _assemble(root.name, [read[name] for name in TABLES])


def write_tables(catalog: Catalog, folder: Path | str, *, overwrite: bool = False) -> Path:
    """Write the three tables of `catalog` into `folder`, which is made if need be; returns the folder."""
    root = Path(folder)
    crops = [catalog.train_crops.values(), catalog.test_crops.values()]
    tables = [map(_dataset_row, catalog.datasets.values()), *(map(_crop_row, group) for group in crops)]
    for name in TABLES:
        refuse_existing(root / name, overwrite=overwrite)
    for (name, columns), rows in zip(TABLES.items(), tables, strict=True):
        with whole(root / name, overwrite=overwrite) as part, part.open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows([columns, *rows])
    return root


@dataclass(frozen=True)
class _Table:
    name: str
    rows: tuple[tuple[int, Row], ...]  # with the line on which each row ends


@cache
def _builtin() -> Catalog:
    tables = files("organelle.catalog") / "tables"
    datasets, crops = ((tables / name).read_text("utf-8") for name in ("datasets.csv", "crops.csv"))
    header, *rows = _rows(crops)
    rows = [(line, {**row, "classes": _expand(row["classes"])}) for line, row in rows]
    sides = [tuple(row for row in rows if row[1]["split"] == side) for side in ("train", "test")]
    tables_of_crops = [_Table("crops.csv", (header, *side)) for side in sides]
    return _assemble(CHALLENGE, [_Table("datasets.csv", _rows(datasets)), *tables_of_crops])


def _expand(classes: str) -> str:
    first, *rest = classes.split()
    if first != "scored":
        return classes
    absent = {word.removeprefix("-") for word in rest}
    return " ".join(c.name for c in scored_classes() if c.name not in absent)


def _read_table(path: Path) -> _Table:
    try:
        rows = _rows(path.read_text("utf-8-sig"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path} is not a CSV table in UTF-8: {error}") from error
    return _Table(str(path), rows)


def _empty_table(name: str) -> _Table:
    return _Table(name, ((1, {column: column for column in TABLES[name]}),))


def _named_datasets(crops: list[_Table]) -> _Table:
    """A table of datasets that states their names and nothing else."""
    names = {row.get("dataset", "").strip(): 0 for table in crops for _, row in table.rows[1:]}
    blank = dict.fromkeys(DATASET_COLUMNS, "")
    rows = tuple((0, {**blank, "dataset": name}) for name in names if name)
    return _Table("datasets.csv", (*_empty_table("datasets.csv").rows, *rows))


def _rows(text: str) -> tuple[tuple[int, Row], ...]:
    """Line number and cells of each row; the header is row 0, so that an empty table still has columns."""
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="", strict=True)
    rows = [(reader.line_num, row) for row in reader]
    header = {name: name for name in reader.fieldnames or ()}
    return ((1, header), *rows)


def _assemble(name: str, tables: list[_Table]) -> Catalog:
    check = _Check()
    for table, columns in zip(tables, TABLES.values(), strict=True):
        check.columns(table, columns)
    check.done(name)
    datasets = check.datasets(tables[0])
    train = check.crops(tables[1], datasets, is_test=False, taken={})
    test = check.crops(tables[2], datasets, is_test=True, taken=train)
    check.done(name)
    return Catalog(name, datasets, train, test)


class _Check:
    """Turns rows into records and gathers every problem on the way."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def done(self, name: str) -> None:
        if self.problems:
            count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
            told = self.problems[:MOST_PROBLEMS]
            more = ["and so on"] if len(told) < len(self.problems) else []
            raise CatalogError("\n".join([f"the catalog {name} has {count}:", *told, *more]))

    def columns(self, table: _Table, expected: Iterable[str]) -> None:
        header = table.rows[0][1]
        for column in expected:
            if column not in header:
                near = did_you_mean(column, header)
                self.problems.append(f"{table.name}, line 1: no column {column!r}{near}")

    def datasets(self, table: _Table) -> dict[str, Dataset]:
        found: dict[str, Dataset] = {}
        for line, row in table.rows[1:]:
            where = f"{table.name}, line {line}"
            name = row["dataset"].strip()
            if not name or name in found:
                self.problems.append(f"{where}: {f'dataset {name!r} stands twice' if name else 'no name'}")
            sizes = self._numbers(where, row, "em_voxel_size_nm", positive=True, blank=True)
            extent = self._numbers(where, row, "extent_um_xyz", positive=True, blank=True)
            facts = {column: row[column].strip() or None for column in DATASET_TEXT}
            found[name] = Dataset(name, em_voxel_size_nm=sizes, extent_um_xyz=extent, **facts)
        return found

    def crops(
        self, table: _Table, datasets: Mapping[str, Dataset], *, is_test: bool, taken: Mapping[int, Crop]
    ) -> dict[int, Crop]:
        found: dict[int, Crop] = {}
        for line, row in table.rows[1:]:
            where = f"{table.name}, line {line}"
            before = len(self.problems)
            number = self._crop_number(where, row["crop"], {*found, *taken})
            dataset = self._dataset_name(where, row["dataset"].strip(), datasets)
            classes = self._classes(where, row["classes"].split())
            grid = self._grid(where, row)
            if len(self.problems) == before and grid:
                found[number] = Crop(number, dataset, grid, classes, is_test)
        return found

    def _crop_number(self, where: str, text: str, taken: set[int]) -> int:
        if not (text.strip().isascii() and text.strip().isdigit()):
            self.problems.append(f"{where}: crop {text!r} is not a whole number")
            return -1
        if int(text) in taken:
            self.problems.append(f"{where}: crop {int(text)} stands twice")
        return int(text)

    def _dataset_name(self, where: str, name: str, datasets: Mapping[str, Dataset]) -> str:
        if name not in datasets:
            self.problems.append(
                f"{where}: dataset {name!r} is not in the table of datasets{did_you_mean(name, datasets)}"
            )
        return name

    def _classes(self, where: str, names: list[str]) -> tuple[str, ...]:
        known = {c.name for c in all_classes()}
        if not names:
            self.problems.append(f"{where}: no classes")
        for name in names:
            if name not in known:
                self.problems.append(f"{where}: {name!r} is not a class{did_you_mean(name, known)}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self.problems.append(f"{where}: classes stand twice: {', '.join(twice)}")
        return tuple(names)

    def _grid(self, where: str, row: Row) -> Grid | None:
        size = self._numbers(where, row, "voxel_size_nm", positive=True)
        origin = self._numbers(where, row, "translation_nm")
        shape = self._numbers(where, row, "shape", positive=True)
        if shape and any(n != int(n) for n in shape):
            self.problems.append(f"{where}: shape {row['shape']!r} is not in whole voxels")
        elif size and origin and shape:
            return Grid(size, origin, (int(shape[0]), int(shape[1]), int(shape[2])))
        return None

    def _numbers(
        self, where: str, row: Row, column: str, *, positive: bool = False, blank: bool = False
    ) -> Nm | None:
        text = row[column].strip()
        if blank and not text:
            return None
        try:
            z, y, x = (float(word) for word in text.split())
        except ValueError:
            z = y = x = math.nan
        if math.isfinite(z + y + x) and (not positive or min(z, y, x) > 0):
            return z, y, x
        kind = "positive numbers" if positive else "numbers"
        self.problems.append(f"{where}: {column} {row[column]!r} is not three {kind}")
        return None


def _dataset_row(dataset: Dataset) -> list[str]:
    sizes = [_cell(dataset.em_voxel_size_nm), _cell(dataset.extent_um_xyz)]
    text = [dataset.name, dataset.organism, dataset.sample, dataset.kind, dataset.preparation]
    return [*(t or "" for t in text), *sizes, dataset.em_doi or ""]


def _crop_row(crop: Crop) -> list[str]:
    grid = crop.grid
    place = [_cell(grid.voxel_size_nm), _cell(grid.origin_nm), _cell(grid.shape)]
    return [str(crop.id), crop.dataset, *place, " ".join(crop.classes)]


def _cell(numbers: Iterable[float] | None) -> str:
    """Numbers separated by blanks, written so that they read back equal."""
    return " ".join(str(int(n)) if n == int(n) else repr(n) for n in map(float, numbers or ()))
