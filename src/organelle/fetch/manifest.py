"""What is complete in a folder: one line per object, appended when it stands under its name."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from organelle.errors import OutputExists, TransferError

MANIFEST = ".organelle-fetch.jsonl"
LOCK = ".organelle-fetch.lock"

FLUSH_SECONDS = 0.1
"""A kill loses the notes of so long. What they told of is there and counts by its size, like a file that was
put there by hand; `--verify` gets it again, because nothing says what arrived."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One object that arrived: where from, and what it was, with the text of its `Digest`."""

    key: str
    bytes: int
    etag: str | None
    digest: str
    source: str


def read_manifest(folder: Path) -> dict[str, Arrived]:
    """What is noted in `folder`, by key, the latest line of each; a line that was cut off counts for none."""
    place = folder / MANIFEST
    lines = place.read_text(errors="replace").splitlines() if place.is_file() else []
    noted = {}
    for line in lines:
        try:
            record = Arrived(**json.loads(line))
            noted[record.key] = record
        except (ValueError, TypeError, RecursionError):
            continue
    return noted


class Notes:
    """The manifest of `folder`, open for new lines; it is made with the first block that uses it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / MANIFEST
        self._written = 0.0

    def __enter__(self) -> Notes:
        self._stream = self._file.open("a")
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            self._stream.close()
        except OSError:
            if error is None:
                raise

    def add(self, record: Arrived) -> None:
        """Add a line; it stands in the file after a tenth of a second, or with the next lines after it."""
        fields = ", ".join([f'"{name}": {json.dumps(getattr(record, name))}' for name in Arrived.__slots__])
        self._stream.write(f"\n{{{fields}}}")
        if (now := time.monotonic()) > self._written + FLUSH_SECONDS:
            self._stream.flush()
            self._written = now


def stamp(folder: Path) -> tuple[int, int] | None:
    """Changes with every line of the manifest; None if there is none."""
    try:
        state = (folder / MANIFEST).stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


@contextmanager
def sole_fetch(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock, which ends with its process, so that the next run takes over after a kill.

    Yields whether the run before was killed: it could not take its process id out of the lock.

    Raises:
        OutputExists: another fetch is at work; the message holds its process id.
        TransferError: the folder cannot be written.
    """
    import fcntl

    try:
        stream = (folder / LOCK).open("a+")
    except OSError as error:
        raise TransferError(
            f"{folder} cannot be written ({error.strerror}); choose another folder"
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise OutputExists(
                f"process {stream.read().strip() or 'unknown'} is fetching into {folder} now; "
                "wait until it ends"
            ) from None
        stream.seek(0)
        was_killed = bool(stream.read())
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        try:
            yield was_killed
        finally:
            stream.truncate(0)
