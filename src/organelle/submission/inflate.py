"""A compressed stream inflated into a place of known size, and never beyond it."""

from __future__ import annotations

from typing import Any

SLICE = 1 << 20
"""Bytes that are fed and taken at once: memory beyond the result stays at a few of these."""


def inflate(stream: Any, data: bytes | bytearray, size: int) -> bytearray:
    """What `data` holds, which must be one whole stream of `size` bytes.

    Args:
        stream: a `zlib.decompressobj` or `bz2.BZ2Decompressor`.
        data: the compressed bytes.
        size: of the result.

    Raises:
        ValueError: more or fewer bytes, or something behind the stream. Another reader could take what
            follows for a part of the result.
        zlib.error, OSError: damaged.
    """
    out, filled, at, view = bytearray(size), 0, 0, memoryview(data)
    while not stream.eof:
        feed: Any = getattr(stream, "unconsumed_tail", b"")
        hungry = getattr(stream, "needs_input", not feed)
        if hungry:
            feed, at = view[at : at + SLICE], at + SLICE
        block = stream.decompress(feed, SLICE)
        if filled + len(block) > size:
            raise ValueError(f"more than {size} bytes")
        if not block and hungry and at - SLICE >= len(data):
            raise ValueError("an early end")
        out[filled : filled + len(block)] = block
        filled += len(block)
    if filled < size:
        raise ValueError(f"{filled} bytes where {size} belong")
    if stream.unused_data or at < len(data):
        raise ValueError("bytes behind its end")
    return out
