"""A zip as a body of members, and the directory behind it that makes it a zip.

Members say all about themselves in the header before their bytes. So bodies can be put one after the other,
cut where a member ends, and be given their directory last. The form is that of Python's `zipfile` for stored
members, to the byte; source: the description APPNOTE 6.3.10 of the format, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from organelle.errors import FormatError

LOCAL = struct.Struct("<4s5H3L2H")
LOCAL_MARK, CENTRAL_MARK, END_MARK = b"PK\3\4", b"PK\1\2", b"PK\5\6"
CENTRAL = struct.Struct("<4s4B4H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")

FAR = (1 << 31) - 1
"""Places beyond this are written in 64 bits."""
MANY = (1 << 16) - 1
"""More members than this are counted in 64 bits."""

MODE = 0o644 << 16
UNIX = 3


@dataclass(frozen=True, slots=True)
class Member:
    """What stands before the bytes of a member."""

    offset: int
    stop: int
    version: int
    flags: int
    time: int
    date: int
    crc: int
    size: int
    name: bytes


def members(body: BinaryIO, stop: int | None = None) -> Iterator[Member]:
    """The members from the beginning of a body to `stop`, or to where no further member begins.

    Raises:
        FormatError: a member that is not stored as it is, or ends beyond `stop`.
    """
    offset = 0
    while stop is None or offset < stop:
        body.seek(offset)
        head = body.read(LOCAL.size)
        if len(head) < LOCAL.size or not head.startswith(LOCAL_MARK):
            if stop is None:
                return
            raise FormatError(f"no member of a zip begins at byte {offset}")
        _, version, flags, method, time, date, crc, size, length, name, extra = LOCAL.unpack(head)
        end = offset + LOCAL.size + name + extra + size
        if method != 0 or flags & 8 or size != length or (stop is not None and end > stop):
            raise FormatError(f"the member at byte {offset} is not stored whole and as it is")
        yield Member(offset, end, version, flags, time, date, crc, size, body.read(name))
        offset = end


def append_body(source: Path, body: BinaryIO) -> int:
    """Copy the members of the zip `source` to the end of `body`; returns the checksum of what was copied."""
    with source.open("rb") as stream:
        stop = max((member.stop for member in members(stream)), default=0)
        stream.seek(0)
        body.seek(0, 2)
        return copy(stream, body, stop)


def copy(source: BinaryIO, target: BinaryIO | None, length: int) -> int:
    """Copy `length` bytes from where both are; returns their checksum. Without a target only that."""
    crc = 0
    while length > 0 and (block := source.read(min(length, 1 << 20))):
        crc = zlib.crc32(block, crc)
        length -= len(block)
        if target is not None:
            target.write(block)
    return crc


def cut_body(body: BinaryIO, start: int, stop: int, target: Path) -> None:
    """Make a zip of its own at `target` of the members between two places of `body`."""
    with target.open("w+b") as stream:
        body.seek(start)
        copy(body, stream, stop - start)
        write_directory(stream)


def write_directory(body: BinaryIO) -> None:
    """Write the directory of all members behind the last of them."""
    body.seek(0, 2)
    start = stop = body.tell()
    entries = [_entry(member) for member in members(body, start)]
    body.seek(start)
    for entry in entries:
        body.write(entry)
        stop += len(entry)
    count, size = len(entries), stop - start
    if count > MANY or start > FAR or size > FAR:
        body.write(END_64.pack(b"PK\6\6", END_64.size - 12, 45, 45, 0, 0, count, count, size, start))
        body.write(LOCATOR_64.pack(b"PK\6\7", 0, stop, 1))
    count, size, start = min(count, MANY), min(size, 0xFFFFFFFF), min(start, 0xFFFFFFFF)
    body.write(END.pack(END_MARK, 0, 0, count, count, size, start, 0))


def _entry(member: Member) -> bytes:
    far = member.offset > FAR
    extra = struct.pack("<HHQ", 1, 8, member.offset) if far else b""
    return (
        CENTRAL.pack(
            CENTRAL_MARK,
            45 if far else 20,
            UNIX,
            max(45, member.version) if far else member.version,
            0,
            member.flags,
            0,
            member.time,
            member.date,
            member.crc,
            member.size,
            member.size,
            len(member.name),
            len(extra),
            0,
            0,
            0,
            MODE,
            0xFFFFFFFF if far else member.offset,
        )
        + member.name
        + extra
    )
