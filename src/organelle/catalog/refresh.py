"""Newer tables: fetched when somebody asks for it, checked, compared, and kept for `--catalog refreshed`."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.catalog.changes import Change, catalog_changes
from organelle.catalog.records import Catalog
from organelle.catalog.tables import TABLES, load_catalog
from organelle.errors import CatalogError, FileMissing, FormatError, SettingsError, TransferError
from organelle.files import read_json, sha256, whole, write_json

if TYPE_CHECKING:
    from organelle.stores import Source

NAME = "refreshed"
"""What `--catalog` takes for the tables that are kept; their catalog has this name, too."""

MOST_BYTES = 32 * 2**20
"""The largest table that is taken: the challenge's own has 30 kB, a hundred thousand crops have 20 MB."""

ORIGIN = "origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where tables came from; it stands beside them as `origin.json`.

    Attributes:
        source: The folder or address.
        date: When they were fetched, UTC.
        sha256: Hash of each table.
        organelle: The version that fetched them.
    """

    source: str
    date: str
    sha256: dict[str, str]
    organelle: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """What `refresh_catalog` found.

    Attributes:
        catalog: The newer catalog.
        changes: What it changes.
        origin: Where it came from.
        folder: Where it is kept; None after a dry run.
    """

    catalog: Catalog
    changes: tuple[Change, ...]
    origin: Origin
    folder: Path | None


def refreshed_folder() -> Path:
    """Where refreshed tables are kept: below the user's data folder, `~/.local/share` on Linux."""
    import platformdirs

    return platformdirs.user_data_path("organelle", appauthor=False) / "catalogs" / NAME


def refresh_catalog(
    source: Source, before: Catalog, *, folder: Path | str | None = None, dry_run: bool = False
) -> Refresh:
    """Fetch the tables at `source`, check all of them, and keep them in the place of those kept before.

    Either all tables are right and all are kept, or nothing changes.

    Args:
        source: A place with `datasets.csv`, `train_crops.csv`, `test_crops.csv`; of the tables of crops one
            is enough.
        before: The catalog to compare with.
        folder: Where to keep them; default: `refreshed_folder()`.
        dry_run: Only compare.

    Raises:
        FileMissing: the source has no table of crops.
        TransferError: it cannot be read, or not as a whole, or holds something else or far more.
        CatalogError: the tables contradict themselves; all problems at once.
        SettingsError: the folder cannot be written, or the source is a single table.
    """
    if source.url.lower().endswith(".csv"):
        raise SettingsError(f"{source.url} is one table; name the folder or address that holds all of them")
    with tempfile.TemporaryDirectory() as scratch:
        fetched = Path(scratch) / NAME
        origin = _fetch(source, fetched)
        catalog = _checked(fetched, source.url)
        kept = None if dry_run else _keep(fetched, origin, Path(folder or refreshed_folder()))
    return Refresh(catalog, catalog_changes(before, catalog), origin, kept)


def load_refreshed(folder: Path | str | None = None) -> Catalog:
    """The catalog that was kept last.

    Raises:
        FileMissing: none is kept.
        CatalogError: it was changed after it was checked.
    """
    place = Path(folder or refreshed_folder())
    origin = refreshed_origin(place)
    if origin is None:
        raise FileMissing(
            f'no refreshed catalog is kept at {place}; "csc catalog refresh ADDRESS" fetches one, and '
            f"a folder that is called {NAME} is named by its whole path"
        )
    if _hashes(place) != origin.sha256:
        raise CatalogError(
            f"the tables at {place} are not those that were fetched from {origin.source}; fetch them again, "
            'or "csc catalog refresh --forget" them'
        )
    return load_catalog(place)


def refreshed_origin(folder: Path | str | None = None) -> Origin | None:
    """Where the tables that are kept came from; None when none are."""
    place = Path(folder or refreshed_folder())
    if not place.exists():
        return None
    try:
        return Origin(**read_json(place / ORIGIN))
    except (FileMissing, FormatError, TypeError) as error:
        raise CatalogError(
            f"{place} is no refreshed catalog: {ORIGIN} is missing or strange; "
            '"csc catalog refresh --forget" removes it'
        ) from error


def forget_refreshed(folder: Path | str | None = None) -> Path | None:
    """Remove the tables that are kept; returns where they were, None when there were none."""
    import shutil

    place = Path(folder or refreshed_folder())
    if not place.exists():
        return None
    shutil.rmtree(place)
    return place


def _fetch(source: Source, folder: Path) -> Origin:
    """Write the tables that `source` has into `folder`."""
    from organelle import __version__

    folder.mkdir()
    for name in TABLES:
        text = _table(source, name)
        if text is not None:
            (folder / name).write_bytes(text)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Origin(source.url, now, _hashes(folder), __version__)


def _table(source: Source, name: str) -> bytes | None:
    """The bytes of a table, None when there is none; all that can be told to be no table is refused."""
    entry = source.head(name)
    if entry is None:
        return None
    if entry.bytes > MOST_BYTES:
        raise TransferError(
            f"{source.url}/{name} has {entry.bytes / 1e6:,.0f} MB, and a table has at most "
            f"{MOST_BYTES / 1e6:.0f} MB; is the address right?"
        )
    text = b"".join(source.pieces(name, entry))  # no more than was announced
    start = text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"<", b"{"):
        kind = "an HTML or XML page" if start == b"<" else "JSON"
        raise TransferError(
            f"{source.url}/{name} is {kind} and no CSV table; give the address below which {name} itself lies"
        )
    if text and not text.endswith((b"\n", b"\r")):
        raise TransferError(
            f"{source.url}/{name} ends in the middle of a line, so it may be cut off; nothing was kept. "
            "If it is whole, end its last line"
        )
    return text


def _checked(folder: Path, url: str) -> Catalog:
    """The catalog in `folder`; problems name the tables by where they came from."""
    try:
        return load_catalog(folder)
    except (CatalogError, FileMissing) as error:
        told = str(error).replace(str(folder), url)
        raise type(error)(f"{told}\nnothing was kept") from error


def _keep(fetched: Path, origin: Origin, folder: Path) -> Path:
    try:
        with whole(folder, overwrite=True) as part:
            part.mkdir()
            for name in origin.sha256:
                (part / name).write_bytes((fetched / name).read_bytes())
            write_json(part / ORIGIN, asdict(origin))
    except OSError as error:
        raise SettingsError(
            f"the tables cannot be kept in {folder} ({error.strerror or error}); make that folder writable, "
            "or name another one by XDG_DATA_HOME, or download the tables and name their folder by --catalog"
        ) from error
    return folder


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256(folder / name) for name in TABLES if (folder / name).is_file()}
