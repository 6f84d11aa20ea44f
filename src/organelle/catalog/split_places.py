"""Where the volumes of a split's table lie: below the data folder, or where its rows say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from organelle.catalog.layout import labels_folder
from organelle.catalog.records import Catalog
from organelle.catalog.split_csv import SplitRow, read_rows
from organelle.errors import FileMissing, SettingsError, printable
from organelle.stores import Place, Remote, as_place

MOST_ROWS = 20
"""Rows that an error lists; of the others it tells the number."""


def split_place(path: Path | str, catalog: Catalog, data: Place | str) -> Place:
    """The place below which the volumes of all crops of a table are read.

    That is `data` when it is an address, or a folder with the labels of every crop. When the folder has none
    of them, it is the place that the rows themselves name, an address or a folder with all of them.

    Raises:
        FileMissing: crops whose labels are in neither, each with its row.
        CatalogError: rows that cannot be understood.
    """
    rows = read_rows(path, catalog)
    place = as_place(data)
    absent = _absent(rows, place)
    if not absent:
        return place
    named = {_root(row) for row in rows} if len(absent) == len(rows) else set()
    own = named.pop() if len(named) == 1 else None
    if own is not None and not _absent(rows, own):
        return own
    raise FileMissing(_told(path, rows, absent, place))


def missing_stores(path: Path | str, catalog: Catalog) -> dict[str, tuple[int, ...]]:
    """Folders that the table names as stores and that are not here, with the lines of their rows.

    Addresses are not looked up. Errors are those of `read_datasplit`.
    """
    gone: dict[str, list[int]] = {}
    for row in read_rows(path, catalog):
        for store in dict.fromkeys(row.stores):
            if "://" not in store and not Path(store).exists():
                gone.setdefault(store, []).append(row.line)
    return {store: tuple(lines) for store, lines in gone.items()}


def _absent(rows: Sequence[SplitRow], place: Place) -> list[SplitRow]:
    """Rows whose labels are not below a folder; an address is only asked when its volumes are read."""
    if isinstance(place, Remote):
        return []
    return [row for row in rows if not labels_folder(place, row.crop).is_dir()]


def _root(row: SplitRow) -> Place | None:
    """The place of which both stores of a row are parts, if it is in the bucket's layout."""
    roots = {_above(store, row.crop.dataset) for store in row.stores}
    return roots.pop() if len(roots) == 1 else None


def _above(store: str, dataset: str) -> Place | None:
    try:
        place = as_place(store)
    except SettingsError:
        return None
    fits = place.name == f"{dataset}.zarr" and place.parent.name == dataset
    return place.parent.parent if fits else None


def _told(path: Path | str, rows: Sequence[SplitRow], absent: Sequence[SplitRow], place: Place) -> str:
    lines = [
        f"{path}, line {row.line}: crop {row.crop.id} is not below {place}; "
        f"the row names {printable(row.stores[1])}{_state(row.stores[1])}"
        for row in absent[:MOST_ROWS]
    ]
    if len(absent) > MOST_ROWS:
        lines.append(f"and {len(absent) - MOST_ROWS} more rows")
    crops = ",".join(map(str, sorted({row.crop.id for row in absent})))
    return "\n".join(
        [
            f"{path}: the volumes of {len(absent)} of its {len(rows)} rows are not here:",
            *lines,
            f'get them with "csc fetch-data --crops {crops} --dest {place}", '
            "or name the one folder or address that holds all of them by --data",
        ]
    )


def _state(store: str) -> str:
    return "" if "://" in store or Path(store).exists() else ", which does not exist"
