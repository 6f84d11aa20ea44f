"""The table of a split that people know.

A CSV without header, one row per crop with usage (`train` or `validate`), raw store, raw path, label store,
and label path with the classes in brackets. Stores are folders, or addresses such as
`s3://janelia-cosem-datasets/jrc_hela-2/jrc_hela-2.zarr`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from organelle.catalog.layout import PUBLIC_S3, em_folder, labels_folder, public_em_url
from organelle.catalog.records import Catalog, Crop
from organelle.catalog.split import Datasplit, split_of
from organelle.classes import class_named, sort_classes
from organelle.errors import CatalogError, ClassNotFound, FileMissing, NotFound, SettingsError, printable
from organelle.files import whole
from organelle.stores import Place, as_place


def write_datasplit(
    split: Datasplit, data: Place | str, path: Path | str, *, overwrite: bool = False
) -> Path:
    """Write the table of a split whose volumes lie below `data`, a folder or an address; returns the path.

    Raises:
        OutputExists: there is such a file, and `overwrite` is false.
        SettingsError: `data` is the public bucket, which does not hold all datasets of the split.
    """
    if str(as_place(data)) == PUBLIC_S3:
        _require_public(split)
    rows = io.StringIO()
    writer = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for usage, crops in (("train", split.train), ("validate", split.validate)):
        writer.writerows(_row(usage, crop, data, split.classes) for crop in crops)
    with whole(path, overwrite=overwrite) as part:
        part.write_text(rows.getvalue(), encoding="utf-8")
    return Path(path)


def read_datasplit(path: Path | str, catalog: Catalog) -> Datasplit:
    """Read the table of a split; its crops are looked up in `catalog`, wherever its stores lie.

    Only crop numbers and classes count, so that a table of another machine works, too. A row may also
    name one class without brackets; rows of one crop count as one. Line ends of Windows and a byte order
    mark are understood.

    Raises:
        FileMissing: there is no such file.
        CatalogError: all rows that cannot be understood, each with its line.
    """
    sides: dict[str, dict[int, Crop]] = {"train": {}, "validate": {}}
    classes: set[str] = set()
    problems: list[str] = []
    for line, row in _lines(Path(path)):
        try:
            usage, crop, names = _parse_row(row, catalog)
        except (CatalogError, NotFound) as error:
            problems.append(f"{path}, line {line}: {error}")
            continue
        sides[usage][crop.id] = crop
        classes.update(names)
    both = sorted(sides["train"].keys() & sides["validate"].keys())
    problems += [f"{path}: crop {number} stands on both sides" for number in both]
    if not problems and not (sides["train"] or sides["validate"]):
        problems.append(f"{path} holds no rows")
    if problems:
        raise CatalogError("\n".join(problems))
    chosen = [*sides["train"].values(), *sides["validate"].values()]
    return split_of(catalog, chosen, set(sides["validate"]), sort_classes(classes))


def missing_stores(path: Path | str) -> tuple[str, ...]:
    """Stores that the table names and that do not exist here, each once; addresses are not looked up.

    Raises as `read_datasplit` does for files that are no table.
    """
    named = dict.fromkeys(row[i].strip() for _, row in _lines(Path(path)) for i in (1, 3) if len(row) > i)
    return tuple(store for store in named if "://" not in store and not Path(store).exists())


def _require_public(split: Datasplit) -> None:
    datasets = dict.fromkeys(crop.dataset for crop in (*split.train, *split.validate))
    foreign = [name for name in datasets if public_em_url(name) is None]
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


def _parse_row(row: list[str], catalog: Catalog) -> tuple[str, Crop, list[str]]:
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
    dataset = re.search(r"(?:^|/)([^/]+)\.zarr/?$", row[3].strip().replace("\\", "/"))
    if dataset and dataset[1] in catalog.datasets and dataset[1] != crop.dataset:
        raise CatalogError(f"crop {number} is of {crop.dataset}, but its labels are said to be in {row[3]}")
    return usage, crop, names


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
