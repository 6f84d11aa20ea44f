"""The prepared zips of the bucket: what one holds, and where, read from its directory by ranges.

The zip itself is never stored. Members that lie side by side are asked for together and unpacked on the way,
so that a run that was cut off goes on with the members that are missing, and the disk holds the data once.
Layout: PKWARE's APPNOTE 6.3, section 4.3.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.errors import FileMissing, SettingsError, TransferError, printable
from organelle.fetch.padding import Padding
from organelle.fetch.survey import FetchObject
from organelle.stores import Entry, Source, open_source
from organelle.stores.source import PIECE_BYTES

ARCHIVES = "csc-zipped-data"
PADDED_VOXELS = 128
"""The padding that the bucket's archives were made with."""

_VOLUME = re.compile(r"(?:.*/)?(?P<key>(?P<dataset>[^/]+)/(?P=dataset)\.zarr/.+)")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (zipfile.BadZipFile, NotImplementedError, struct.error, EOFError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(FetchObject):
    """One file in a zip: it lies from byte `start`, its header, to `stop`, packed into `packed` bytes."""

    start: int
    stop: int
    packed: int
    crc: int
    is_deflated: bool

    @property
    def digest(self) -> str:
        """The CRC-32 that the directory says."""
        return f"crc32:{self.crc:08x}"


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What an archive of `source` holds.

    Attributes:
        source: The bucket.
        key: The archive in it.
        entry: The archive's size and ETag.
        members: Its files that belong into a data folder, in the bucket's layout.
        foreign: How many others it holds; they are left out.
    """

    source: Source
    key: str
    entry: Entry
    members: tuple[Member, ...]
    foreign: int

    @property
    def origin(self) -> str:
        """What the manifest names as the place that objects came from."""
        return f"{self.source.url}/{self.key}"

    @property
    def objects(self) -> tuple[Member, ...]:
        """The members."""
        return self.members

    @property
    def unpacked_bytes(self) -> int:
        """Size of all members, unpacked."""
        return sum(m.bytes for m in self.members)


def plan_archive(
    source: Source | Path | str, *, padding: Padding | None = None, all_resolutions: bool = False
) -> ArchivePlan:
    """Read the directory of the archive with this padding (none, or up to 128 voxels) and these EM levels.

    Raises:
        SettingsError: no archive has such a padding.
        FileMissing: the source has no such archive.
        TransferError: it cannot be reached, gives no parts of objects, or is no zip that can be trusted.
    """
    bucket = source if isinstance(source, Source) else open_source(source)
    key = archive_key(padding or Padding(), all_resolutions=all_resolutions)
    entry = bucket.head(key)
    if entry is None:
        raise FileMissing(
            f"{bucket.url} has no archive {key}; is the address right? If so, fetch without --zip"
        )
    origin = f"{bucket.url}/{key}"
    try:
        with zipfile.ZipFile(io.BufferedReader(_Remote(bucket, key, entry), 1 << 16)) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            end = archive.start_dir
    except _DAMAGES as error:
        raise TransferError(
            f"{origin} is not a whole zip ({error}): it was cut off or damaged when it was put there; "
            "fetch without --zip, and tell who keeps it"
        ) from error
    members = tuple(_members(origin, infos, end))
    return ArchivePlan(bucket, key, entry, members, sum(not i.is_dir() for i in infos) - len(members))


def archive_key(padding: Padding, *, all_resolutions: bool) -> str:
    """The archive's place in the bucket; `SettingsError` if there is none with this padding."""
    if padding.nm or padding.voxels > PADDED_VOXELS:
        raise SettingsError(
            f"the archives have {PADDED_VOXELS} voxels of padding or none; give --raw-padding "
            f"{PADDED_VOXELS} or 0, or fetch without --zip"
        )
    levels = "all_res" if all_resolutions else "matched_res"
    return f"{ARCHIVES}/{levels}_{f'{PADDED_VOXELS}_pad' if padding else 'no_pad'}.zip"


def spans(members: Iterable[Member]) -> Iterator[tuple[Member, ...]]:
    """Members that lie side by side, at most `PIECE_BYTES` together unless one alone is larger."""
    held: list[Member] = []
    for member in sorted(members, key=lambda m: m.start):
        if held and (member.start != held[-1].stop or member.stop - held[0].start > PIECE_BYTES):
            yield tuple(held)
            held = []
        held.append(member)
    if held:
        yield tuple(held)


def _members(origin: str, infos: list[zipfile.ZipInfo], end: int) -> Iterator[Member]:
    """The files that belong into a data folder; infos by place, the directory begins at `end`."""
    seen: set[str] = set()
    stops = [*(info.header_offset for info in infos[1:]), end]
    for info, stop in zip(infos, stops, strict=True):
        found = _VOLUME.fullmatch(info.filename)
        if info.is_dir() or not found:
            continue
        key = found["key"]
        if problem := _problem(info, key, stop, is_twice=key in seen):
            raise TransferError(
                f"{origin} holds {printable(info.filename)!r}, {problem}; nothing was written. "
                "Fetch without --zip, and tell who keeps it"
            )
        seen.add(key)
        yield Member(
            key,
            info.file_size,
            start=info.header_offset,
            stop=stop,
            packed=info.compress_size,
            crc=info.CRC,
            is_deflated=info.compress_type == zipfile.ZIP_DEFLATED,
        )


def _problem(info: zipfile.ZipInfo, key: str, stop: int, *, is_twice: bool) -> str | None:
    """Why a member cannot be trusted."""
    if any(part in ("", ".", "..") for part in key.split("/")) or "\\" in key or not key.isprintable():
        return "a name that does not stay inside the data folder"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "which is no plain file"
    if info.flag_bits & 1 or info.compress_type not in _METHODS:
        return "which is encrypted or packed in an unknown way"
    if info.header_offset + info.compress_size > stop:
        return "which overlaps with what follows it"
    return "a name that stands there twice" if is_twice else None


class _Remote(io.RawIOBase):
    """An object of a store as a file that can be read anywhere."""

    def __init__(self, source: Source, key: str, entry: Entry) -> None:
        self._source, self._key, self._entry, self._at = source, key, entry, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.bytes}[whence]
        if start + offset < 0:
            raise ValueError("before its beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + min(len(buffer), PIECE_BYTES), self._entry.bytes)
        if stop <= self._at:
            return 0
        data = self._source.span(self._key, self._entry, self._at, stop)
        buffer[: len(data)] = data
        self._at = stop
        return len(data)
