"""A portal as one file, and back again.

A backup is a tar with the database as it was at one moment, the secret key, `portal.toml`, and every
submission that the database knows, unless they are in a bucket. Submissions are named for their content and
never change, so that the portal may go on working meanwhile.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from organelle import __version__
from organelle.errors import FileMissing, FormatError, OutputExists, SettingsError, printable
from organelle.files import refuse_existing, whole
from organelle.portal.config import FILE, PortalConfig
from organelle.portal.folder import PortalFolder

NOTE = "backup.json"
DATABASE = "portal.sqlite3"
FORM = 1
LARGEST_NOTE = 1 << 20
ENTRIES = re.compile(
    r"backup\.json|portal\.sqlite3|secret\.key|portal\.toml|submissions/[0-9a-f]{2}/[0-9a-f]{64}\.zip"
)
"""All that a backup holds; whatever else is in a tar was not written by `backup`."""


def backup(root: Path, config: PortalConfig, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the portal in `root` to the tar `out`, which appears whole; returns its note.

    Raises:
        OutputExists: `out` is there and `overwrite` is false.
        SettingsError: the database is PostgreSQL, which has `pg_dump` for this.
        FileMissing: no portal there, or a submission's file is gone.
    """
    folder = PortalFolder(root)
    _require_sqlite(config)
    if not folder.database.exists():
        raise FileMissing(f"no portal in {root}: there is no {folder.database.name}")
    refuse_existing(out, overwrite=overwrite)
    with tempfile.TemporaryDirectory(dir=folder.work) as scratch, whole(out, overwrite=overwrite) as part:
        snapshot = Path(scratch) / DATABASE
        _snapshot(folder.database, snapshot)
        # What is in a bucket is looked after there; the folder is a cache of it, and may lack some.
        files = [] if config.bucket.name else _submission_files(snapshot, folder)
        note = {
            "form": FORM,
            "version": __version__,
            "submissions": len(files),
            "bytes": sum(f.stat().st_size for f in files) + snapshot.stat().st_size,
        }
        with tarfile.open(part, "w") as tar:
            _add_text(tar, NOTE, json.dumps(note, indent=1))
            tar.add(snapshot, DATABASE)
            tar.add(folder.key_file, folder.key_file.name)
            if (root / FILE).exists():
                tar.add(root / FILE, FILE)
            for file in files:
                tar.add(file, file.relative_to(root))
    return note


def restore(source: Path, root: Path) -> dict[str, Any]:
    """Make the backup `source` a portal in `root`, which must be empty or missing; returns its note.

    Tables of an older version are brought up to date when the portal starts.

    Raises:
        FileMissing: no backup there.
        FormatError: it is none, it is cut off, it holds what no backup holds (links, other files), or a newer
            version wrote it.
        OutputExists: something is in `root`.
    """
    if not source.is_file():
        raise FileMissing(f"no backup at {source}")
    if root.exists() and any(root.iterdir()):
        raise OutputExists(f"{root} is not empty; restore into a new folder, and then exchange the two")
    try:
        with tarfile.open(source, "r:") as tar:
            note = _read_note(tar, source)
            if root.exists():
                root.rmdir()
            with whole(root) as part:
                for entry in tar:
                    _unpack(tar, entry, part, source)
                _require_whole(part, note, source)
    except (tarfile.TarError, EOFError) as error:
        raise FormatError(f"{source} is no whole backup: {error}") from None
    PortalFolder(root).make()
    for path in (root, root / DATABASE, PortalFolder(root).key_file):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return note


def _require_sqlite(config: PortalConfig) -> None:
    if config.database:
        raise SettingsError(
            "the database is PostgreSQL: back it up with pg_dump, and copy the folder of submissions; "
            "csc portal backup is for portals that live in one folder"
        )


def _snapshot(database: Path, to: Path) -> None:
    """The database at one moment, while others write into it."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()
    to.chmod(0o600)


def _submission_files(snapshot: Path, folder: PortalFolder) -> list[Path]:
    connection = sqlite3.connect(snapshot)
    try:
        hashes = [sha for (sha,) in connection.execute("SELECT DISTINCT sha256 FROM submissions_submission")]
    finally:
        connection.close()
    files = sorted(folder.submission_file(sha) for sha in hashes)
    if gone := [file for file in files if not file.is_file()]:
        raise FileMissing(
            f"{len(gone)} submissions are gone from {folder.submissions}; the first: {gone[0].name}"
        )
    return files


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    tar.addfile(entry, io.BytesIO(text.encode()))


def _read_note(tar: tarfile.TarFile, source: Path) -> dict[str, Any]:
    first = tar.next()
    is_note = first is not None and first.name == NOTE and first.size <= LARGEST_NOTE
    stream = tar.extractfile(first) if first is not None and is_note else None
    if stream is None:
        raise FormatError(f"{source} is no backup of a portal: it does not begin with {NOTE}")
    try:
        note: dict[str, Any] = json.loads(stream.read())
        form, _ = int(note["form"]), (int(note["submissions"]), int(note["bytes"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise FormatError(f"{source} is no backup of a portal: its {NOTE} cannot be read") from None
    if form > FORM:
        version = note.get("version", "of another version")
        raise FormatError(f"{source} was written by organelle {version}; restore it with that or a newer one")
    return note


def _unpack(tar: tarfile.TarFile, entry: tarfile.TarInfo, root: Path, source: Path) -> None:
    """Write a file of a backup. Names are known beforehand, and links are none of them, so none leads away.

    `TarFile.extractall` is not trusted with this: its filters were got round more than once.
    """
    place = root / entry.name
    is_file = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    stream = tar.extractfile(entry) if is_file and ENTRIES.fullmatch(entry.name) else None
    if stream is None or place.exists():
        name = printable(entry.name, most=80)
        raise FormatError(f"{source} is no backup of a portal: none holds {name} of this kind, or twice")
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with place.open("xb") as out:
        shutil.copyfileobj(stream, out)


def _require_whole(root: Path, note: dict[str, Any], source: Path) -> None:
    for path in (root / DATABASE, PortalFolder(root).key_file):
        if not path.exists():
            raise FormatError(f"{source} is cut off: {path.name} is not in it")
    found = list(root.glob("submissions/*/*.zip"))
    size = sum(path.stat().st_size for path in (*found, root / DATABASE))
    if (len(found), size) != (note["submissions"], note["bytes"]):
        there = f"{len(found)} of {note['submissions']} submissions, {size} of {note['bytes']} bytes"
        raise FormatError(f"{source} is cut off: {there} are in it")
