"""Backups that organisers make from their pages: one at a time, by a process of its own, into `backups/`.

What is made is what `csc portal backup` makes. The process holds a lock for as long as it lives, which is how
pages know of it, whatever becomes of the web server meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils import timezone

from organelle.portal.submissions import bucket
from organelle.portal.submissions.storage import storage
from organelle.portal.submissions.store import RESERVE_BYTES, folder

GLANCE_S = 1.0
"""Pages that look whether a backup is being made hold the lock for a moment: beginning one outlasts them."""

NAME = re.compile(r"portal-\d{8}-\d{6}\.tar")
CSC = (sys.executable, "-c", "from organelle.cli import main; main()")


class NoBackup(Exception):
    """None can be made now; the words say why, and what to do."""


@dataclass(frozen=True)
class Backup:
    """One that was made, is being made, or failed.

    Attributes:
        name: of the file.
        size_bytes: None unless it was made.
        begun: when it was asked for; with `size_bytes`, when it was whole.
        trouble: why it failed; empty otherwise.
    """

    name: str
    size_bytes: int | None
    begun: datetime
    trouble: str = ""


def place() -> Path:
    """Where they lie; made for the portal's own user alone."""
    found = folder().root / "backups"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def backups() -> list[Backup]:
    """The newest first."""
    running = is_running()
    logs = sorted(place().glob("portal-*.log"), reverse=True)
    found = []
    for number, log in enumerate(logs):
        with suppress(FileNotFoundError):  # removed at this moment
            found.append(_read(log, is_running=running and number == 0))
    return found


def is_running() -> bool:
    """Whether one is being made; any number of pages may ask at once."""
    with _lock(fcntl.LOCK_SH) as lock:
        return lock is None


def needed_bytes() -> int:
    """What making one takes: the database twice, and all files of submissions unless they are in a bucket."""
    return 2 * folder().database.stat().st_size + (0 if bucket.is_used() else storage().file_bytes)


def begin(now: datetime | None = None) -> str:
    """Start making one in the background; returns its name.

    Raises:
        NoBackup: one is being made, there is no room, or the database is PostgreSQL.
    """
    if settings.PORTAL.database:
        raise NoBackup("the database is PostgreSQL: use pg_dump, and copy the folder of submissions")
    name = f"portal-{now or timezone.now():%Y%m%d-%H%M%S}.tar"
    with _lock(patience_s=GLANCE_S) as lock:
        if lock is None:
            raise NoBackup("a backup is being made; wait until it is done")
        _clear_unfinished()
        _require_room()
        _start(name, lock)
    return name


def file_of(name: str) -> Path | None:
    """The file of a backup that is whole; None for other names."""
    found = place() / name
    return found if NAME.fullmatch(name) and found.is_file() else None


def remove(name: str) -> bool:
    """Remove a backup, or what is known of one that failed; False if there is none of this name."""
    if not NAME.fullmatch(name) or not _log_of(name).exists():
        return False
    if file_of(name) is None and is_running():
        return False
    (place() / name).unlink(missing_ok=True)
    _log_of(name).unlink(missing_ok=True)
    return True


def _log_of(name: str) -> Path:
    return place() / Path(name).with_suffix(".log").name


def _read(log: Path, *, is_running: bool) -> Backup:
    name, path = log.with_suffix(".tar").name, log.with_suffix(".tar")
    if path.is_file():
        found = path.stat()
        return Backup(name, found.st_size, datetime.fromtimestamp(found.st_mtime, tz=UTC))
    begun = datetime.fromtimestamp(log.stat().st_mtime, tz=UTC)
    told = "" if is_running else log.read_text(errors="replace").strip() or "its process was ended"
    return Backup(name, None, begun, told)


@contextmanager
def _lock(kind: int = fcntl.LOCK_EX, patience_s: float = 0.0) -> Iterator[IO[str] | None]:
    """The lock, held; None if others hold it for longer than `patience_s`."""
    until = time.monotonic() + patience_s
    with (place() / ".lock").open("w") as stream:
        while not (is_ours := _take(stream, kind)) and time.monotonic() < until:
            time.sleep(0.02)
        yield stream if is_ours else None


def _take(stream: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear_unfinished() -> None:
    """What killed processes left; nobody else writes here while the lock is held."""
    for left in place().glob(".portal-*.part"):
        shutil.rmtree(left, ignore_errors=True)


def _require_room() -> None:
    free = shutil.disk_usage(place()).free - RESERVE_BYTES
    if (needed := needed_bytes()) > free:
        raise NoBackup(
            f"it takes {needed / 1e9:.2f} GB, and {max(0, free) / 1e9:.2f} GB are free here; make room, or "
            f"write it to another disk: csc portal backup --data {folder().root} --to FILE"
        )


def _start(name: str, lock: IO[str]) -> None:
    """The new process inherits the lock, and holds it until it ends."""
    root, out = folder().root.resolve(), (place() / name).resolve()
    command = [*CSC, "portal", "backup", "--data", str(root), "--to", str(out)]
    with _log_of(name).open("w") as told:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            env=os.environ,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    threading.Thread(target=process.wait, name=name, daemon=True).start()  # lest it stays as a zombie
