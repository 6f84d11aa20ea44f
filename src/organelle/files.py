"""Files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from organelle.errors import FileMissing, FormatError, OutputExists, SettingsError


@contextmanager
def whole(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends without an error.

    The block may write a file or a folder there. On an error, or when the process is killed, nothing
    stands under `path`, and what stood there before still does.

    Raises:
        OutputExists: `path` exists and `overwrite` is false, or a folder stands where a file was written.
            Nothing was changed.
    """
    final = Path(path)
    refuse_existing(final, overwrite=overwrite)
    final.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent))
    try:
        yield scratch / final.name
        _publish(scratch / final.name, final, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """One process at a time in the block; `path` is a file that is made for this, and stays."""
    with Path(path).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def refuse_existing(path: Path | str, *, overwrite: bool = False) -> None:
    """Raise `OutputExists` when something stands at `path` and may not be replaced.

    A device or a pipe may never be. `SettingsError` if `path` is an address.
    """
    place = require_local(path)
    if not place.exists():
        return
    if not overwrite:
        raise OutputExists(f"{path} exists and is not overwritten; choose another place or add --overwrite")
    if not (place.is_file() or place.is_dir()):
        raise OutputExists(f"{path} is no file that could be replaced; choose another place")


def require_local(path: Path | str) -> Path:
    """`path`, unless it is an address, which would become a folder named `s3:`: `SettingsError`."""
    if re.match(r"(s3|https?|file):/", str(path), re.IGNORECASE):
        raise SettingsError(f"{path} is an address; results go to a folder of this machine")
    return Path(path)


def write_json(path: Path | str, record: Any, *, overwrite: bool = False) -> Path:
    """Write `record` as indented JSON, whole or not at all; returns the path."""
    with whole(path, overwrite=overwrite) as part:
        part.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    return Path(path)


def read_json(path: Path | str) -> Any:
    """Parse the JSON file at `path`; `FileMissing` if there is none, `FormatError` if it is broken."""
    try:
        return json.loads(Path(path).read_text())
    except (FileNotFoundError, IsADirectoryError):
        raise FileMissing(f"no JSON file at {path}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from error


def sha256(path: Path | str) -> str:
    """Hash of a file's bytes, or of a folder's names, sizes and bytes in sorted order, as hexadecimal."""
    digest = hashlib.sha256()
    root = Path(path)
    for file in [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file()):
        if file != root:
            name = file.relative_to(root).as_posix().encode(errors="surrogateescape")
            digest.update(name + b"\0%d\0" % file.stat().st_size)
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _publish(made: Path, final: Path, scratch: Path) -> None:
    """Move `made` to `final`; a folder in the way is first moved aside, so that a kill loses neither."""
    if not made.exists():
        raise FileMissing(f"nothing was written for {final}; what stood there before still does")
    if made.is_file():
        if final.is_dir():
            raise OutputExists(f"{final} is a folder, which a file does not replace; choose another place")
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
    if made.is_dir() and final.exists():
        final.rename(scratch / "before")
    made.replace(final)
