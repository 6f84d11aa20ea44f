"""The directory of a zip: found, parsed once, and searched for everything that has two readings.

Other programs believe other parts of a zip: its first or its last end record, its directory or the headers
before each file. What they could read differently is refused here, so that all see the same files.
Layout: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from organelle.errors import SubmissionError
from organelle.submission.limits import Limits
from organelle.submission.problems import Problem

UTF8 = 0x800
SHOWN_NAMES = 20
"""How many duplicate or overlapping members are named one by one."""

TOGETHER = 256
"""Names that are looked at as one text; of the longest, with one wide letter among them, it takes 64 MiB."""

_ODD = re.compile(r"(^|/)\.\.?(/|$)|//|\\")
_END = struct.Struct("<4s4x2HIIH")
_LOCATOR = struct.Struct("<4s4xQ4x")
_END64 = struct.Struct("<4s20x4Q")
_ENTRY = np.dtype(
    [
        *(("signature", "<u4"), ("versions", "<u4"), ("flags", "<u2"), ("method", "<u2"), ("time", "<u4")),
        *(("crc", "<u4"), ("packed", "<u4"), ("size", "<u4"), ("name", "<u2"), ("extra", "<u2")),
        *(("comment", "<u2"), ("disk", "<u2"), ("internal", "<u2"), ("attributes", "<u4"), ("offset", "<u4")),
    ]
)
_LENGTHS, _LENGTHS_AT = struct.Struct("<HHH"), 28
_SIGNATURE = 0x02014B50
_FILES = (0, 0o100000, 0o040000)  # type bits that a plain file or folder has; 0: not made on Unix
_LINK = 0o120000
_MEMBER = np.dtype(
    [
        *((key, np.uint64) for key in ("offset", "until", "packed", "size")),
        *((key, np.uint32) for key in ("crc", "mode", "signature")),
        *((key, np.uint16) for key in ("name", "extra", "method", "flags")),
    ]
)


class Directory(NamedTuple):
    """Where the directory lies and how many members it promises."""

    offset: int
    size: int
    members: int


def find_directory(descriptor: int, path: Path) -> Directory:
    """Read the end record, and the 64-bit one where there is one.

    Raises:
        SubmissionError: no end record, several, or one that contradicts itself.
    """
    size = os.fstat(descriptor).st_size
    tail_at = max(0, size - _END.size - 0xFFFF)
    tail = os.pread(descriptor, size - tail_at, tail_at)
    ends = list(_end_records(tail))
    if not ends:
        raise SubmissionError(f"{path} is not a zip, or does not stop at its end; copy or pack it again")
    if len(ends) > 1:
        raise SubmissionError(
            f"{path} has {len(ends)} ends, one in the comment of the other, and so two readings; "
            "pack it again without a comment"
        )
    _, here, members, length, offset, _ = _END.unpack_from(tail, ends[0])
    end, (here, members, length, offset) = _widen_end(
        descriptor, path, tail_at + ends[0], (here, members, length, offset)
    )
    if here != members or offset + length != end:
        raise SubmissionError(f"{path} has a zip directory that is not where it says; pack it again")
    return Directory(offset, length, members)


def parse_directory(
    data: bytes, directory: Directory, path: Path, limits: Limits
) -> tuple[list[str], np.ndarray]:
    """Names in the order of the directory, and one record each; `until` is where the next member begins.

    Raises:
        SubmissionError: damaged, or names that together exceed `limits`.
    """
    starts = _entry_starts(data, directory.members)
    if starts is None:
        raise SubmissionError(f"{path} has a damaged zip directory; copy or pack it again")
    members = _records(data, starts)
    try:
        _widen_members(data, starts, members)
    except struct.error:
        raise SubmissionError(f"{path} has a damaged zip directory; copy or pack it again") from None
    outside = (members["offset"] > directory.offset) | (members["packed"] > directory.offset)
    if outside.any() or (members["signature"] != _SIGNATURE).any():
        raise SubmissionError(f"{path} has a damaged zip directory; copy or pack it again")
    order = np.argsort(members["offset"], kind="stable")
    members["until"][order] = np.append(members["offset"][order][1:], np.uint64(directory.offset))
    return _names(data, starts, members, path, limits), members


def _entry_starts(data: bytes, count: int) -> np.ndarray | None:
    """Where each entry begins; None unless `count` whole entries fill `data`."""
    starts: list[int] = []
    at, lengths = 0, _LENGTHS.unpack_from
    while at + _ENTRY.itemsize <= len(data) and len(starts) < count:
        starts.append(at)
        name, extra, comment = lengths(data, at + _LENGTHS_AT)
        at += _ENTRY.itemsize + name + extra + comment
    return np.array(starts, np.int64) if at == len(data) and len(starts) == count else None


def _records(data: bytes, starts: np.ndarray) -> np.ndarray:
    members = np.zeros(len(starts), _MEMBER)
    if len(starts):
        every = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), _ENTRY.itemsize)
        entries = every[starts].view(_ENTRY)[:, 0]
        for key in ("offset", "packed", "size", "crc", "name", "method", "flags", "signature", "extra"):
            members[key] = entries[key]
        members["mode"] = entries["attributes"] >> 16
    return members


def _widen_members(data: bytes, starts: np.ndarray, members: np.ndarray) -> None:
    """Fill in the 64-bit numbers (APPNOTE 4.5.3)."""
    keys = ("size", "packed", "offset")
    for at in np.flatnonzero(np.any([members[key] == 0xFFFFFFFF for key in keys], axis=0)):
        extra_at = int(starts[at]) + _ENTRY.itemsize + int(members["name"][at])
        values = [int(members[key][at]) for key in keys]
        wide = list(_widen(data[extra_at : extra_at + int(members["extra"][at])], *values))
        for key, value in zip(keys, wide, strict=True):
            members[key][at] = value


def _names(data: bytes, starts: np.ndarray, members: np.ndarray, path: Path, limits: Limits) -> list[str]:
    names, held = [], 0
    ends = starts + _ENTRY.itemsize
    for start, length, flags in zip(
        ends.tolist(), members["name"].tolist(), members["flags"].tolist(), strict=True
    ):
        name = text_of(data[start : start + length], flags)
        names.append(name)
        held += sys.getsizeof(name)
        if held > limits.names_bytes:
            raise SubmissionError(
                f"{path} has names of more than {limits.names_bytes:,} bytes; use shorter ones"
            )
    return names


def problems_of(names: list[str], members: np.ndarray) -> Iterator[Problem]:
    """What makes a zip untrustworthy as a whole."""
    yield from _duplicates(names)
    yield from _overlaps(names, members)
    yield from _unsafe(names, members)


def text_of(raw: bytes, flags: int) -> str:
    """A member's name."""
    if raw.isascii():
        return raw.decode("ascii")
    return raw.decode("utf-8" if flags & UTF8 else "cp437", errors="replace")


def _end_records(tail: bytes) -> Iterator[int]:
    """Where end records begin whose comment reaches just to the end of the file."""
    at = tail.find(b"PK\5\6")
    while 0 <= at <= len(tail) - _END.size:
        if at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail):
            yield at
        at = tail.find(b"PK\5\6", at + 1)


def _widen_end(
    descriptor: int, path: Path, end: int, narrow: tuple[int, int, int, int]
) -> tuple[int, tuple[int, int, int, int]]:
    """Where the end begins and what it says, with the 64-bit record where a locator announces one."""
    locator = os.pread(descriptor, _LOCATOR.size, max(0, end - _LOCATOR.size))
    if len(locator) == _LOCATOR.size and locator.startswith(b"PK\6\7"):
        at = end - _LOCATOR.size - _END64.size
        record = os.pread(descriptor, _END64.size, at) if at >= 0 else b""
        if record.startswith(b"PK\6\6") and _LOCATOR.unpack(locator)[1] == at:
            here, members, length, offset = wide = _END64.unpack(record)[1:]
            saturated = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
            if all(n in (w, s) for n, w, s in zip(narrow, wide, saturated, strict=True)):
                return at, (here, members, length, offset)
    elif 0xFFFF not in narrow[:2] and 0xFFFFFFFF not in narrow[2:]:
        return end, narrow
    raise SubmissionError(f"{path} lacks a proper end record of a large zip; copy or pack it again")


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


def _duplicates(names: list[str]) -> Iterator[Problem]:
    """Names that stand twice, or that a disk without upper and lower case takes for one."""
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
    folded = {name: name.casefold() for name in seen if name != name.casefold()}
    times = Counter(folded.values())
    twins = sorted(name for name, plain in folded.items() if plain in seen or times[plain] > 1)
    for name in twins[:SHOWN_NAMES]:
        yield Problem(
            code="case-twins",
            place=name,
            found="another file whose name differs only in upper and lower case",
            expected=f"names that no disk confuses ({len(twins)} have a twin)",
            remedy="Take one of them out; crops and classes are written in lower case.",
        )


def _overlaps(names: list[str], members: np.ndarray) -> Iterator[Problem]:
    stop = members["offset"] + members["packed"] + members["name"] + np.uint64(30)
    clash = np.flatnonzero(stop > members["until"])
    for at in clash[:SHOWN_NAMES]:
        yield Problem(
            code="overlapping-members",
            place=names[at],
            found="bytes shared with the next file or with the zip's directory",
            expected=f"each file to have its own bytes ({len(clash)} overlap)",
            remedy="Pack again with an ordinary zip program or csc pack-results.",
        )


def _unsafe(names: list[str], members: np.ndarray) -> Iterator[Problem]:
    """Names that would leave the folder if somebody extracted them, or that do not read as they are.

    Links and devices are named here, too; nothing follows them.
    """
    kinds = members["mode"] & 0o170000
    special = set(np.flatnonzero(~np.isin(kinds, _FILES)).tolist())
    bad = sorted(special.union(_not_plain(names)))
    for at in bad[:SHOWN_NAMES]:
        kind = "a symbolic link" if kinds[at] == _LINK else "a pipe, device or socket"
        yield Problem(
            code="link" if at in special else "unsafe-name",
            place=names[at],
            found=kind if at in special else f"a name that does not stay inside: {names[at]!r}",
            expected=f"plain files named folder/folder/file ({len(bad)} are not)",
            remedy="Pack again without links, with / between names and nothing invisible in them.",
        )


def _not_plain(names: list[str]) -> Iterator[int]:
    """Places of odd names. Some hundred are looked at together, few of which hold one."""
    for start in range(0, len(names), TOGETHER):
        some = names[start : start + TOGETHER]
        if not _all_plain(some):
            yield from (start + i for i, name in enumerate(some) if not _is_plain(name))


def _all_plain(names: list[str]) -> bool:
    """Whether nothing in the names, taken as one text, could make one of them odd."""
    lines = "\n".join(("", *names, ""))
    parts = lines.replace("/", "\n")
    return (
        "".join(names).isprintable()
        and not any(mark in lines for mark in ("//", "\\", "\n/", ":"))
        and not any(mark in parts for mark in ("\n.\n", "\n..\n"))
    )


def _is_plain(name: str) -> bool:
    return name.isprintable() and not (_ODD.search(name) or name.startswith("/") or name[1:2] == ":")
