"""A short number that changes when bytes do: MD5 where the store says one, else CRC-32, which is quick."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


def plain_md5(etag: str | None) -> str | None:
    """The MD5 in an ETag, where the store has one: objects that were uploaded in parts have another."""
    return etag if etag and re.fullmatch("[0-9a-f]{32}", etag) else None


def expected_digest(etag: str | None) -> str | None:
    """What `Digest.text` must become for an object with this ETag; None if the ETag does not tell."""
    md5 = plain_md5(etag)
    return f"md5:{md5}" if md5 else None


class Digest:
    """The digest of bytes that come piece by piece, of the kind that `like` is: `md5:...` or `crc32:...`."""

    def __init__(self, like: str | None = None) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False) if like and like.startswith("md5:") else None
        self._crc = 0

    def add(self, piece: Any) -> None:
        """Go on with the next bytes, any buffer."""
        if self._md5 is not None:
            self._md5.update(piece)
        else:
            self._crc = zlib.crc32(piece, self._crc)

    @property
    def text(self) -> str:
        """The digest of all that was added, with the name of its kind."""
        return f"md5:{self._md5.hexdigest()}" if self._md5 is not None else f"crc32:{self._crc:08x}"


def digest_of(pieces: Iterable[Any], like: str | None = None) -> str:
    """The digest of all pieces together."""
    digest = Digest(like)
    for piece in pieces:
        digest.add(piece)
    return digest.text


def file_digest(path: Path | str, like: str | None = None) -> str:
    """The digest of a file, read in blocks."""
    with Path(path).open("rb") as stream:
        return digest_of(iter(lambda: stream.read(BLOCK), b""), like)
