"""One object at a time: got in pieces, written beside its place, checked, and moved there.

Thousands of small files make this the place where time is spent. Folders are made once, the temporary file
stands in the folder of its final one (a move between folders waits for all others on its disk), and nothing
is copied between the network and the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from organelle.errors import FileMissing, OutputExists, TransferError
from organelle.fetch.digests import Digest
from organelle.fetch.manifest import Arrived
from organelle.fetch.survey import FetchObject
from organelle.stores import Entry, Source

PART_PREFIX, PART_SUFFIX = ".fetch-", ".part"


class DiskTrouble(TransferError):
    """The disk does not take a file: no reason to try the next one."""


class Landing:
    """Where files arrive: below `root`, which exists. Many threads may use it at once.

    `write` makes a file beside its place, `publish` moves it there, `discard` takes it away.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: set[str] = set()

    def write(self, key: str, pieces: Iterable[Any], like: str | None = None) -> str:
        """Write the pieces one after the other; returns their digest, of the kind that `like` is.

        Raises:
            DiskTrouble: the disk cannot take it.
            OutputExists: a file stands where a folder is needed.
        """
        folder, part, _ = self._places(key)
        if folder not in self._made:
            make_folder(Path(folder))
            self._made.add(folder)
        digest, handle = Digest(like), -1
        try:
            for piece in pieces:
                if handle < 0:
                    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                digest.add(piece)
                _write_all(handle, piece)
        except OSError as error:
            raise self._trouble(key, error) from error
        finally:
            if handle >= 0:
                os.close(handle)
        return digest.text

    def publish(self, key: str) -> None:
        """Move what was written to its place."""
        _, part, final = self._places(key)
        try:
            os.replace(part, final)  # noqa: PTH105 a Path costs as much time as the move
        except OSError as error:
            raise self._trouble(key, error) from error

    def discard(self, key: str) -> None:
        """Forget what was written."""
        _drop(self._places(key)[1])

    def _places(self, key: str) -> tuple[str, str, str]:
        """Folder, temporary file and final file."""
        final = f"{self.root}/{key}"
        folder, _, name = final.rpartition("/")
        return folder, f"{folder}/{PART_PREFIX}{name}{PART_SUFFIX}", final

    def _trouble(self, key: str, error: OSError) -> DiskTrouble:
        self.discard(key)
        return DiskTrouble(
            f"{self.root}/{key} could not be written ({error.strerror}); what arrived before is whole and "
            "stays. Make room or choose another folder, then run the same line again"
        )


def land(landing: Landing, source: Source, item: FetchObject) -> Arrived | str:
    """Fetch one object; the reason if the source does not give it."""
    try:
        digest = _download(landing, source, item)
        landing.publish(item.key)
    except DiskTrouble:
        raise
    except FileMissing:
        landing.discard(item.key)
        return f"{item.key}: vanished while it was fetched; plan again"
    except TransferError as error:
        landing.discard(item.key)
        return f"{item.key}: {error}"
    return Arrived(item.key, item.bytes, item.etag, digest, source.url)


def _download(landing: Landing, source: Source, item: FetchObject) -> str:
    """Write the object, again when it is not what the store announced; returns its digest."""
    expected, entry = item.digest, Entry(item.bytes, item.etag)
    for attempt in range(1, source.retry.attempts + 1):
        found = landing.write(item.key, source.pieces(item.key, entry), expected)
        if expected in (None, found):
            return found
        if attempt < source.retry.attempts:
            source.retry.pause(attempt)
    raise TransferError(f"what arrived has {found}, but the source announced {expected}")


def sweep(root: Path) -> None:
    """Remove the temporary files that a killed run left below `root`."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX):
                _drop(f"{folder}/{name}")


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputExists: a file stands there or above it.
        TransferError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputExists(f"{path} cannot be a folder: a file stands there or above it") from error
    except OSError as error:
        raise TransferError(f"{path} cannot be made ({error.strerror}); choose another folder") from error


def _write_all(handle: int, piece: Any) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]


def _drop(file: str) -> None:
    Path(file).unlink(missing_ok=True)
