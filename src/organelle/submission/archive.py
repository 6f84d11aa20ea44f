"""A zip read in place: its directory checked before it is believed, its members by name and within a cap.

Python's `zipfile` reads whatever directory it is given, keeps the last of two members of one name and lets
members overlap. Here the directory's size is looked at first, one strict parse (`zip_directory`) decides
what is inside, and anything that has two readings is a problem.
"""

from __future__ import annotations

import os
import struct
import weakref
import zlib
from bisect import bisect_left
from pathlib import Path

import numpy as np

from organelle.errors import FormatError, SubmissionError
from organelle.submission.inflate import inflate
from organelle.submission.limits import Limits
from organelle.submission.zip_directory import find_directory, parse_directory, problems_of, text_of

STORED, DEFLATED = 0, 8
ENCRYPTED, STREAMED = 0x1, 0x8
WIDE = 0xFFFFFFFF
"""Stands for a number of 64 bits that is written elsewhere."""

_Children = tuple[tuple[str, ...], tuple[str, ...]]
_LOCAL = struct.Struct("<4s2xHH4x3IHH")


class ZipTree:
    """The members of one zip; see `Tree`. Costs about 140 bytes a member."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._closer = weakref.finalize(self, os.close, self._descriptor)
        self._listed: tuple[str | None, _Children] = None, ((), ())
        self._open(limits)

    def children(self, folder: str) -> _Children:
        """See `Tree`; the last answer is kept, for the same folder is asked for several times in a row."""
        last, listed = self._listed
        if last != folder:
            listed = self._list(folder)
            self._listed = folder, listed
        return listed

    def read(self, name: str, most: int) -> bytes | bytearray | None:
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
        directory = find_directory(self._descriptor, self.path)
        if directory.members > limits.members or directory.size > limits.directory_bytes:
            raise SubmissionError(
                f"{self.path} promises {directory.members:,} members in a directory of {directory.size:,} "
                f"bytes; at most {limits.members:,} members and {limits.directory_bytes:,} bytes are read. "
                "Use larger chunks (csc pack-results does)"
            )
        data = os.pread(self._descriptor, directory.size, directory.offset)
        names, members = parse_directory(data, directory, self.path, limits)
        self.problems = tuple(problems_of(names, members))
        order = sorted(range(len(names)), key=names.__getitem__)
        self._names = [names[i] for i in order]
        self._members = members[order]

    def _list(self, folder: str) -> _Children:
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

    def _packed(self, name: str, member: np.void) -> bytes:
        """The member as it is stored; what stands before it must say the same as the directory."""
        descriptor, offset = self._descriptor, int(member["offset"])
        head = os.pread(descriptor, _LOCAL.size, offset)
        if not head.startswith(b"PK\3\4") or len(head) < _LOCAL.size:
            raise FormatError("another file's header at its place in the zip")
        _, flags, method, *sizes, name_length, extra = _LOCAL.unpack(head)
        raw = os.pread(descriptor, name_length, offset + _LOCAL.size)
        if text_of(raw, int(member["flags"])) != name:
            raise FormatError("another file's header at its place in the zip")
        promised = [int(member[key]) for key in ("crc", "packed", "size")]
        agree = flags & STREAMED or all(s in (p, WIDE) for s, p in zip(sizes, promised, strict=True))
        if method != member["method"] or not agree:
            raise FormatError("a header that contradicts the zip's directory")
        start = offset + _LOCAL.size + name_length + extra
        if start + promised[1] > int(member["until"]):
            raise FormatError("bytes that belong to another file in the zip")
        data = os.pread(descriptor, promised[1], start)
        if len(data) < promised[1]:
            raise FormatError("a file that ends early")
        return data


def _unpack(data: bytes, member: np.void) -> bytes | bytearray:
    """Undo the zip's own compression, never beyond the promised size."""
    size, method = int(member["size"]), int(member["method"])
    if member["flags"] & ENCRYPTED or method not in (STORED, DEFLATED):
        raise FormatError("an encrypted file" if member["flags"] & ENCRYPTED else f"zip compression {method}")
    if method == STORED:
        if len(data) != size:
            raise FormatError(f"not the {size} bytes that the zip's directory promises")
        return data
    try:
        return inflate(zlib.decompressobj(-zlib.MAX_WBITS), data, size)
    except zlib.error as error:
        raise FormatError(f"damaged bytes ({error})") from error
    except ValueError as error:
        raise FormatError(f"not the {size} bytes that the zip's directory promises ({error})") from error
