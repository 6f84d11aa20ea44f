"""What is complete in a folder: one line per object, appended as it arrives, so that a kill loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from organelle.errors import OutputExists, TransferError

MANIFEST = ".organelle-fetch.jsonl"
LOCK = ".organelle-fetch.lock"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One object that arrived: where from, and what it was."""

    key: str
    bytes: int
    etag: str | None
    md5: str
    source: str


def read_manifest(folder: Path) -> dict[str, Arrived]:
    """What is noted in `folder`, by key, the latest line of each; a line that was cut off counts for none."""
    place = folder / MANIFEST
    lines = place.read_text(errors="replace").splitlines() if place.is_file() else []
    noted = {}
    for line in lines:
        try:
            record = Arrived(**json.loads(line))
        except (ValueError, TypeError):
            continue
        noted[record.key] = record
    return noted


def note(folder: Path, record: Arrived) -> None:
    """Add a line; one write, so that lines of several threads do not mix."""
    handle = os.open(folder / MANIFEST, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"\n{json.dumps(asdict(record))}".encode())
    finally:
        os.close(handle)


@contextmanager
def sole_fetch(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with its process, so that the next run takes over after a kill.

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
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
