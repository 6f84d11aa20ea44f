"""PNG files from arrays, with nothing but zlib (format: W3C PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from organelle.errors import FormatError


def png_bytes(picture: npt.NDArray[Any]) -> bytes:
    """A picture, uint8 of shape (y, x, 3) for RGB or (y, x) for grey, as the bytes of a PNG file.

    Raises:
        FormatError: another type or shape, or no pixel at all.
    """
    array = np.asarray(picture)
    kinds = {2: 0, 3: 2}
    if (
        array.dtype != np.uint8
        or array.ndim not in kinds
        or array.shape[2:] not in {(), (3,)}
        or not array.size
    ):
        raise FormatError(
            f"a picture is uint8 of shape (y, x, 3) or (y, x), not {array.dtype} of shape {array.shape}"
        )
    height, width = array.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, kinds[array.ndim], 0, 0, 0)
    body = zlib.compress(_filtered(array), 6)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _filtered(array: npt.NDArray[np.uint8]) -> bytes:
    """Each row as differences to the row above (filter 2, "Up"), which deflates well."""
    rows = array.reshape(len(array), -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    return np.hstack([np.full((len(rows), 1), 2, np.uint8), rows - above]).tobytes()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
