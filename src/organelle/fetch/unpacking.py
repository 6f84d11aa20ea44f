"""Members of an archive on their way to the disk: got in spans, inflated in blocks, checked by their CRC."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from organelle.errors import TransferError
from organelle.fetch.archive import ArchivePlan, Member
from organelle.fetch.landing import DiskTrouble, Landing
from organelle.fetch.manifest import Arrived
from organelle.stores.source import PIECE_BYTES

ATTEMPTS = 2
"""Damage on the way passes, damage in the archive stays: a member that is damaged twice is given up."""

BLOCK = 1 << 20
_HEADER = struct.Struct("<4s22xHH")


class Unpacking:
    """Puts members of `plan` below `root`; many threads may unpack at once.

    Metadata stays under a temporary name until `finish`, so that a volume appears after its voxels.
    """

    def __init__(self, plan: ArchivePlan, root: Path) -> None:
        self.plan, self.landing = plan, Landing(root)
        self._waiting: list[Arrived] = []

    def unpack(self, span: tuple[Member, ...]) -> list[Arrived | str]:
        """What arrived, and why others did not; metadata that waits is not among them."""
        start, stop = span[0].start, span[-1].stop
        if stop - start > PIECE_BYTES:
            return [*self._put(span[0], None)]
        try:
            data = memoryview(self._get(start, stop))
        except TransferError as error:
            return [f"{member.key}: {error}" for member in span]
        results: list[Arrived | str] = []
        for member in span:
            results += self._put(member, data[member.start - start : member.stop - start])
        return results

    def abandon(self) -> None:
        """Take away the metadata that waits: its voxels may not all be there."""
        for record in self._waiting:
            self.landing.discard(record.key)

    def finish(self) -> list[Arrived]:
        """Put the metadata into its place."""
        for record in self._waiting:
            self.landing.publish(record.key)
        return self._waiting

    def _put(self, member: Member, data: memoryview | None) -> Iterator[Arrived | str]:
        """Write one member, from `data` or asked for here."""
        try:
            digest = self._write(member, data)
        except DiskTrouble:
            raise
        except TransferError as error:
            self.landing.discard(member.key)
            yield f"{member.key}: {error}"
            return
        record = Arrived(member.key, member.bytes, None, digest, self.plan.origin)
        if member.is_metadata:
            self._waiting.append(record)
            return
        self.landing.publish(member.key)
        yield record

    def _write(self, member: Member, data: memoryview | None) -> str:
        for _ in range(ATTEMPTS):
            buffers = [data] if data is not None else self._pieces(member)
            try:
                found = self.landing.write(member.key, inflated(member, buffers))
            except (zlib.error, struct.error, ValueError) as error:
                found = f"{error}"
            if found == member.digest:
                return found
            data = None
        raise TransferError(
            f"it is damaged in the archive ({found} instead of {member.digest}); fetch its crop without --zip"
        )

    def _pieces(self, member: Member) -> Iterator[Any]:
        for start in range(member.start, member.stop, PIECE_BYTES):
            yield self._get(start, min(start + PIECE_BYTES, member.stop))

    def _get(self, start: int, stop: int) -> Any:
        return self.plan.source.span(self.plan.key, self.plan.entry, start, stop)


def inflated(member: Member, buffers: Iterable[Any]) -> Iterator[Any]:
    """The bytes of a member in blocks, never more than the directory says; an empty block if it has none.

    Args:
        member: What the directory says of it.
        buffers: Its bytes in the zip, header first.

    Raises:
        ValueError, zlib.error, struct.error: they are something else.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS) if member.is_deflated else None
    packed, made = member.packed, 0
    yield b""
    for number, buffer in enumerate(buffers):
        view = memoryview(buffer)[_data_at(buffer) if number == 0 else 0 :][:packed]
        packed -= len(view)
        for block in [view] if stream is None else _blocks(stream, view):
            made += len(block)
            if made > member.bytes:
                raise ValueError(f"more than {member.bytes} bytes")
            yield block
    if packed or made != member.bytes:
        raise ValueError(f"{made} of {member.bytes} bytes")


def _data_at(buffer: Any) -> int:
    """Where the data begins behind the header of a member."""
    signature, name, extra = _HEADER.unpack_from(buffer)
    if signature != b"PK\3\4":
        raise ValueError("no header")
    return _HEADER.size + int(name) + int(extra)


def _blocks(stream: Any, feed: Any) -> Iterator[bytes]:
    while not stream.eof:
        block = stream.decompress(feed, BLOCK)
        feed = stream.unconsumed_tail
        if not block and not feed:
            return
        yield block
