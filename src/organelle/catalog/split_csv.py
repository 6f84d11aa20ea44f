"""The table of a split that people know.

A CSV without header, one row per crop with usage (`train` or `validate`), raw store, raw path, label store,
and label path with the classes in brackets. Stores are folders, or addresses such as
`s3://janelia-cosem-datasets/jrc_hela-2/jrc_hela-2.zarr`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from organelle.catalog.layout import PUBLIC_S3, em_folder, labels_folder
from organelle.catalog.records import Catalog, Crop
from organelle.catalog.split import Datasplit, split_of
from organelle.catalog.tables import load_catalog
from organelle.classes import class_named, sort_classes
from organelle.errors import CatalogError, ClassNotFound, FileMissing, NotFound, SettingsError, printable
from organelle.files import whole
from organelle.stores import Place, as_place

MOST_PROBLEMS = 50
"""What an error lists; of others it tells the number."""


def write_datasplit(
    split: Datasplit,
    data: Place | str,
    path: Path | str,
    *,
    overwrite: bool = False,
    public: Collection[str] | None = None,
) -> Path:
    """Write the table of a split whose volumes lie below `data`, a folder or an address; returns the path.

    Args:
        split: Crops and their sides.
        data: Where the volumes lie, in the bucket's layout.
        path: The table.
        overwrite: Replace a file that is there.
        public: Datasets that the public bucket holds; default: those of the built-in tables.

    Raises:
        OutputExists: there is such a file, and `overwrite` is false.
        SettingsError: `data` is the public bucket, which does not hold all datasets of the split.
    """
    if str(as_place(data)) == PUBLIC_S3:
        _require_public(split, public)
    rows = io.StringIO()
    writer = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for usage, crops in (("train", split.train), ("validate", split.validate)):
        writer.writerows(_row(usage, crop, data, split.classes) for crop in crops)
    with whole(path, overwrite=overwrite) as part:
        part.write_text(rows.getvalue(), encoding="utf-8")
    return Path(path)


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One row of the table of a split, understood.

    Attributes:
        line: Where it ends in the file, counted from 1.
        usage: `train` or `validate`.
        classes: Those that it names.
        stores: Of the EM and of the labels, as they are written.
    """

    line: int
    usage: str
    crop: Crop
    classes: tuple[str, ...]
    stores: tuple[str, str]


def read_datasplit(path: Path | str, catalog: Catalog) -> Datasplit:
    """Read the table of a split; its crops are looked up in `catalog`, wherever its stores lie.

    Only crop numbers and classes count, so that a table of another machine works, too. A row may also
    name one class without brackets; rows of one crop count as one. Line ends of Windows and a byte order
    mark are understood.

    Raises:
        FileMissing: there is no such file.
        CatalogError: the rows that cannot be understood, each with its line.
    """
    rows = read_rows(path, catalog)
    chosen = {row.crop.id: row.crop for side in ("train", "validate") for row in rows if row.usage == side}
    held_out = {row.crop.id for row in rows if row.usage == "validate"}
    classes = sort_classes(name for row in rows for name in row.classes)
    return split_of(catalog, tuple(chosen.values()), held_out, classes)


def read_rows(path: Path | str, catalog: Catalog) -> tuple[SplitRow, ...]:
    """The rows of a table, at least one, in their order; errors are those of `read_datasplit`."""
    rows: list[SplitRow] = []
    problems: list[str] = []
    for line, row in _lines(Path(path)):
        try:
            rows.append(_parse_row(line, row, catalog))
        except (CatalogError, NotFound) as error:
            problems.append(f"{path}, line {line}: {error}")
    sides = [{row.crop.id for row in rows if row.usage == side} for side in ("train", "validate")]
    problems += [f"{path}: crop {number} stands on both sides" for number in sorted(sides[0] & sides[1])]
    if not problems and not rows:
        problems.append(f"{path} holds no rows")
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS} more problems"] if len(problems) > MOST_PROBLEMS else []
        raise CatalogError("\n".join([*problems[:MOST_PROBLEMS], *more]))
    return tuple(rows)


def _require_public(split: Datasplit, public: Collection[str] | None) -> None:
    held = load_catalog().datasets if public is None else public
    datasets = dict.fromkeys(crop.dataset for crop in (*split.train, *split.validate))
    foreign = [name for name in datasets if name not in held]
    if foreign:
        raise SettingsError(
            f"{PUBLIC_S3} does not hold {', '.join(foreign)}; name the folder of the volumes instead"
        )


def _row(
    usage: str, crop: Crop, data: Place | str, classes: tuple[str, ...]
) -> tuple[str, str, str, str, str]:
    em, labels = (
        PurePosixPath(p.as_posix()) for p in (em_folder("", crop.dataset), labels_folder(Path(), crop))
    )
    inside = next(parent for parent in em.parents if parent.suffix == ".zarr")
    store = str(as_place(data) / str(inside))
    names = ",".join(name for name in crop.classes if name in classes)
    return usage, store, str(em.relative_to(inside)), store, f"{labels.relative_to(inside)}/[{names}]"


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    if not path.is_file():
        raise FileMissing(f'no datasplit at {path}; "csc make-datasplit" writes one')
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        try:
            yield from ((reader.line_num, row) for row in reader if row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise CatalogError(f"{path} is not a CSV table in UTF-8: {error}") from error


def _parse_row(line: int, row: list[str], catalog: Catalog) -> SplitRow:
    if len(row) != 5:
        raise CatalogError(
            f"{len(row)} columns, expected 5 with commas between and the last in quotes "
            "(usage, raw store and path, label store and path)"
        )
    usage = row[0].strip()
    if usage not in ("train", "validate"):
        raise CatalogError(f'usage {usage!r} is neither "train" nor "validate"')
    number, names = _parse_labels(row[4])
    crop = catalog.crop(number)
    if crop.is_test:
        raise CatalogError(f"crop {number} is a test crop: its truth is hidden, so it can be on no side")
    store = row[3].partition("?")[0].strip().replace("\\", "/")
    dataset = re.search(r"(?:^|/)([^/]+)\.zarr/?$", store)
    if dataset and dataset[1] in catalog.datasets and dataset[1] != crop.dataset:
        raise CatalogError(f"crop {number} is of {crop.dataset}, but its labels are said to be in {row[3]}")
    return SplitRow(line, usage, crop, tuple(names), (row[1].strip(), row[3].strip()))


def _parse_labels(text: str) -> tuple[int, list[str]]:
    """Crop number and classes of a label path."""
    found = re.search(r"(?:^|/)crop(\d+)/(?:\[([^\]]*)\]|([^/\[\]]+))/?$", text.strip().replace("\\", "/"))
    if not found:
        raise CatalogError(f"label path {printable(text)!r} does not end in crop<number>/[class,class]")
    names = [name.strip() for name in (found[2] or found[3] or "").split(",") if name.strip()]
    if not names:
        raise ClassNotFound(f"label path {text!r} names no class")
    for name in names:
        class_named(name)
    return int(found[1]), names
