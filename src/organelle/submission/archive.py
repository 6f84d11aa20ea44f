"""A zip read in place: its directory checked before it is believed, its members by name and within a cap.

Python's `zipfile` reads whatever directory it is given, keeps the last of two members of one name and lets
members overlap. Here the directory's size is looked at first, one strict parse decides what is inside,
and anything that has two readings is a problem. Layout: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.
"""

from __future__ import annotations

import os
import re
import struct
import weakref
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from organelle.errors import FormatError, SubmissionError
from organelle.submission.limits import Limits
from organelle.submission.problems import Problem

STORED, DEFLATED = 0, 8
ENCRYPTED, UTF8 = 0x1, 0x800
SHOWN_NAMES = 20
"""How many duplicate or overlapping members are named one by one."""

_ODD = re.compile(r"(^|/)\.\.?(/|$)|//|\\|[\x00-\x1f]")
_END = struct.Struct("<4s4x2HII2x")
_LOCATOR = struct.Struct("<4s4xQ4x")
_END64 = struct.Struct("<4s20x4Q")
_ENTRY = struct.Struct("<4s4xHH4xIIIHHH4xII")
_LOCAL = struct.Struct("<4s22xHH")
_MEMBER = np.dtype("u8, u8, u8, u4, u4, u2, u2, u4")
_MEMBER.names = ("offset", "packed", "size", "crc", "name", "method", "flags", "mode")


class _Directory(NamedTuple):
    """Where the directory lies and how many members it promises."""

    offset: int
    size: int
    members: int


class ZipTree:
    """The members of one zip; see `Tree`. Costs about 140 bytes a member."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._closer = weakref.finalize(self, os.close, self._descriptor)
        self._open(limits)

    def children(self, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `Tree`."""
        folders, files = [], []
        at = bisect_left(self._names, folder)
        while at < len(self._names) and self._names[at].startswith(folder):
            head, slash, _ = self._names[at][len(folder) :].partition("/")
            if slash:
                folders.append(head)
                at = bisect_left(self._names, f"{folder}{head}0", at)  # "0" follows "/" in ASCII
            else:
                files.extend([head] if head else [])
                at += 1
        return tuple(folders), tuple(files)

    def read(self, name: str, most: int) -> bytes | None:
        """See `Tree`; the checksum is verified."""
        at = bisect_left(self._names, name)
        if at == len(self._names) or self._names[at] != name:
            return None
        member = self._members[at]
        if int(member["size"]) > most or int(member["packed"]) > most + most // 100 + 1024:
            raise FormatError(f"{max(member['size'], member['packed'])} bytes where at most {most} may be")
        data = _unpack(self._packed(name, member), member)
        if zlib.crc32(data) != member["crc"]:
            raise FormatError("bytes that contradict their checksum in the zip")
        return data

    def close(self) -> None:
        """Close the zip; it is also closed when nothing refers to it any more."""
        self._closer()
        self._descriptor = -1

    def _open(self, limits: Limits) -> None:
        directory = _find_directory(self._descriptor, self.path)
        if directory.members > limits.members or directory.size > limits.directory_bytes:
            raise SubmissionError(
                f"{self.path} promises {directory.members:,} members in a directory of {directory.size:,} "
                f"bytes; at most {limits.members:,} members and {limits.directory_bytes:,} bytes are read. "
                "Use larger chunks (csc pack-results does)"
            )
        names, members = _parse_directory(_pread(self._descriptor, directory), directory, self.path)
        self.problems = (
            *_duplicates(names),
            *_overlaps(names, members, directory.offset),
            *_unsafe(names, members),
        )
        order = sorted(range(len(names)), key=names.__getitem__)
        self._names = [names[i] for i in order]
        self._members = members[order]

    def _packed(self, name: str, member: np.void) -> bytes:
        descriptor, offset = self._descriptor, int(member["offset"])
        head = os.pread(descriptor, _LOCAL.size, offset)
        signature, name_length, extra = _LOCAL.unpack(head) if len(head) == _LOCAL.size else (b"", 0, 0)
        raw = os.pread(descriptor, name_length, offset + _LOCAL.size)
        if signature != b"PK\3\4" or _text(raw, int(member["flags"])) != name:
            raise FormatError("another file's header at its place in the zip")
        data = os.pread(descriptor, int(member["packed"]), offset + _LOCAL.size + name_length + extra)
        if len(data) < member["packed"]:
            raise FormatError("a file that ends early")
        return data


def _find_directory(descriptor: int, path: Path) -> _Directory:
    """Read the end record, and the 64-bit one where the first says that it is needed."""
    size = os.fstat(descriptor).st_size
    tail_at = max(0, size - _END.size - 0xFFFF)
    tail = os.pread(descriptor, size - tail_at, tail_at)
    at = tail.rfind(b"PK\5\6", 0, len(tail) - _END.size + 4)
    if at < 0:
        raise SubmissionError(f"{path} is not a zip, or was cut off before its end; copy or pack it again")
    _, here, members, length, offset = _END.unpack_from(tail, at)
    end = tail_at + at
    if 0xFFFF in (here, members) or 0xFFFFFFFF in (length, offset):
        end, here, members, length, offset = _find_directory64(descriptor, end, path)
    if here != members or offset + length != end:
        raise SubmissionError(f"{path} has a zip directory that is not where it says; pack it again")
    return _Directory(offset, length, members)


def _find_directory64(descriptor: int, end: int, path: Path) -> tuple[int, int, int, int, int]:
    locator = os.pread(descriptor, _LOCATOR.size, max(0, end - _LOCATOR.size))
    if len(locator) == _LOCATOR.size and locator.startswith(b"PK\6\7"):
        at = _LOCATOR.unpack(locator)[1]
        record = os.pread(descriptor, _END64.size, at) if at < end else b""
        if len(record) == _END64.size and record.startswith(b"PK\6\6"):
            _, here, members, length, offset = _END64.unpack(record)
            return at, here, members, length, offset
    raise SubmissionError(f"{path} lacks the end record of a large zip; copy or pack it again")


def _pread(descriptor: int, directory: _Directory) -> bytes:
    return os.pread(descriptor, directory.size, directory.offset)


def _parse_directory(data: bytes, directory: _Directory, path: Path) -> tuple[list[str], np.ndarray]:
    """Names in the order of the directory, and one record each; `SubmissionError` when it is damaged."""
    members = np.empty(min(directory.members, len(data) // _ENTRY.size), _MEMBER)
    names: list[str] = []
    at = 0
    try:
        while at < len(data):
            signature, flags, method, crc, packed, size, *lengths, mode, offset = _ENTRY.unpack_from(data, at)
            start = at + _ENTRY.size
            at = start + sum(lengths)
            if signature != b"PK\1\2" or at > len(data):
                raise ValueError
            raw, extra = data[start : start + lengths[0]], data[start + lengths[0] : at - lengths[2]]
            if 0xFFFFFFFF in (size, packed, offset):
                size, packed, offset = _widen(extra, size, packed, offset)
            members[len(names)] = (offset, packed, size, crc, len(raw), method, flags, mode >> 16)
            names.append(_text(raw, flags))
    except (struct.error, ValueError, IndexError):
        names = []
    if len(names) != directory.members:
        raise SubmissionError(f"{path} has a damaged zip directory; copy or pack it again")
    return names, members


def _widen(extra: bytes, *values: int) -> Iterator[int]:
    """Replace saturated 32-bit values by those of the zip64 extra field (APPNOTE 4.5.3)."""
    wide = b""
    while len(extra) >= 4 and not wide:
        kind, length = struct.unpack_from("<HH", extra)
        wide = extra[4 : 4 + length] if kind == 1 else b""
        extra = extra[4 + length :]
    for value in values:
        if value == 0xFFFFFFFF:
            (value,) = struct.unpack_from("<Q", wide)
            wide = wide[8:]
        yield value


def _text(raw: bytes, flags: int) -> str:
    return raw.decode("utf-8" if flags & UTF8 else "cp437", errors="replace")


def _unpack(data: bytes, member: np.void) -> bytes:
    """Undo the zip's own compression, never beyond the promised size."""
    size, method = int(member["size"]), int(member["method"])
    if member["flags"] & ENCRYPTED or method not in (STORED, DEFLATED):
        raise FormatError("an encrypted file" if member["flags"] & ENCRYPTED else f"zip compression {method}")
    if method == DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflate.decompress(data, size + 1)
        except zlib.error as error:
            raise FormatError(f"damaged bytes ({error})") from error
    if len(data) != size:
        raise FormatError(f"not the {size} bytes that the zip's directory promises")
    return data


def _duplicates(names: list[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
    for name in twice[:SHOWN_NAMES]:
        yield Problem(
            code="duplicate-member",
            place=name,
            found="more than one file of this name",
            expected=f"each name once ({len(twice)} names are repeated)",
            remedy="Pack again; zarr's ZipStore leaves such duplicates when a key is written twice.",
        )


def _overlaps(names: list[str], members: np.ndarray, end: int) -> Iterator[Problem]:
    order = np.argsort(members["offset"], kind="stable")
    start = members["offset"][order]
    stop = start + members["packed"][order] + members["name"][order] + np.uint64(30)
    clash = np.flatnonzero(stop > np.append(start[1:], np.uint64(end)))
    for at in clash[:SHOWN_NAMES]:
        yield Problem(
            code="overlapping-members",
            place=names[order[at]],
            found="bytes shared with the next file or with the zip's directory",
            expected=f"each file to have its own bytes ({len(clash)} overlap)",
            remedy="Pack again with an ordinary zip program or csc pack-results.",
        )


def _unsafe(names: list[str], members: np.ndarray) -> Iterator[Problem]:
    """Names that would leave the folder if somebody extracted them, and links; nothing here follows them."""
    links = set(np.flatnonzero(members["mode"] & 0o170000 == 0o120000).tolist())
    bad = [i for i, name in enumerate(names) if i in links or not _is_plain(name)]
    for at in bad[:SHOWN_NAMES]:
        yield Problem(
            code="link" if at in links else "unsafe-name",
            place=names[at],
            found="a symbolic link" if at in links else f"a name that does not stay inside: {names[at]!r}",
            expected=f"plain files named folder/folder/file ({len(bad)} are not)",
            remedy="Pack again without links, with / between names.",
        )


def _is_plain(name: str) -> bool:
    return not (_ODD.search(name) or name.startswith("/") or name[1:2] == ":")
