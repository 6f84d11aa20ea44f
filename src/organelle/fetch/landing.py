"""One object at a time: got in pieces, written beside its place, checked, and moved there.

Thousands of small files make this the place where time is spent. Folders are made once, the temporary file
stands in the folder of its final one (a move between folders waits for all others on its disk), and nothing
is copied between the network and the file.
"""

from __future__ import annotations

import os
from pathlib import Path

from organelle.errors import FileMissing, OutputExists, TransferError
from organelle.fetch.digests import Digest, expected_digest
from organelle.fetch.manifest import Arrived
from organelle.fetch.survey import FetchObject
from organelle.stores import Entry, Source

PART_PREFIX, PART_SUFFIX = ".fetch-", ".part"


class Landing:
    """Where objects of `source` arrive: below `root`, which exists. Many threads may use it at once."""

    def __init__(self, source: Source, root: Path) -> None:
        self.source, self.root = source, root
        self._made: set[str] = set()

    def land(self, item: FetchObject) -> Arrived | str:
        """Fetch one object; the reason if the source does not give it.

        Raises:
            TransferError: the disk cannot take it.
            OutputExists: a file stands where a folder is needed.
        """
        folder, _, name = f"{self.root}/{item.key}".rpartition("/")
        part = f"{folder}/{PART_PREFIX}{name}{PART_SUFFIX}"
        try:
            self._need(folder)
            digest = self._download(item, part)
            os.replace(part, f"{folder}/{name}")  # noqa: PTH105 see above: many small files
        except OSError as error:
            _drop(part)
            raise TransferError(
                f"{folder}/{name} could not be written ({error.strerror}); what arrived before is whole and "
                "stays. Make room or choose another folder, then run the same line again"
            ) from error
        except FileMissing:
            _drop(part)
            return f"{item.key}: vanished while it was fetched; plan again"
        except TransferError as error:
            _drop(part)
            return f"{item.key}: {error}"
        return Arrived(item.key, item.bytes, item.etag, digest, self.source.url)

    def _need(self, folder: str) -> None:
        if folder not in self._made:
            make_folder(Path(folder))
            self._made.add(folder)

    def _download(self, item: FetchObject, part: str) -> str:
        """Write the object to `part`, again when it is not what the store announced; returns its digest."""
        expected, retry = expected_digest(item.etag), self.source.retry
        for attempt in range(1, retry.attempts + 1):
            found = self._write(item, part, Digest(expected))
            if expected in (None, found):
                return found
            if attempt < retry.attempts:
                retry.pause(attempt)
        raise TransferError(f"what arrived has {found}, but the source announced {expected}")

    def _write(self, item: FetchObject, part: str, digest: Digest) -> str:
        handle = -1
        try:
            for piece in self.source.pieces(item.key, Entry(item.bytes, item.etag)):
                if handle < 0:
                    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                digest.add(piece)
                _write_all(handle, piece)
        finally:
            if handle >= 0:
                os.close(handle)
        return digest.text


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


def _write_all(handle: int, piece: object) -> None:
    view = memoryview(piece)  # type: ignore[arg-type]
    while view:
        view = view[os.write(handle, view) :]


def _drop(file: str) -> None:
    Path(file).unlink(missing_ok=True)
