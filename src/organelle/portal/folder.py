"""The folder of a portal: keys, database, uploads, submissions, results."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PortalFolder:
    """Where things lie below one folder. Only the portal's own user may read it."""

    root: Path

    @property
    def key_file(self) -> Path:
        """Signs sessions and links."""
        return self.root / "secret.key"

    @property
    def database(self) -> Path:
        """SQLite, with its write-ahead log beside it."""
        return self.root / "portal.sqlite3"

    @property
    def uploads(self) -> Path:
        """Bytes that are still coming in."""
        return self.root / "uploads"

    @property
    def submissions(self) -> Path:
        """Whole submissions, named for their hash."""
        return self.root / "submissions"

    def submission_file(self, sha256: str) -> Path:
        """Where a submission with this hash lies, whether or not it is there."""
        return self.submissions / sha256[:2] / f"{sha256}.zip"

    @property
    def work(self) -> Path:
        """Where workers keep what they need while they score."""
        return self.root / "work"

    def make(self) -> None:
        """Make what is missing, for this user alone; what is there stays as it is."""
        self.make_places()
        if not self.key_file.exists():
            _write_once(self.key_file, secrets.token_urlsafe(64))
        self.database.touch(mode=0o600)  # what SQLite makes beside it has the same rights

    def make_places(self) -> None:
        """Make the folders alone: all that a worker needs that shares no folder with the web server."""
        for folder in (self.root, self.uploads, self.submissions, self.work):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def key(self) -> str:
        """The secret key."""
        return self.key_file.read_text(encoding="ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read; if another process was faster, its file stays."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
