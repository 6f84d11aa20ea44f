"""Chunk bytes to voxels: every codec decodes into a size that was checked before.

Each encoded chunk either says in its header how large it is, or is inflated by a stream that stops at the
size that `.zarray` promises. A chunk that would grow beyond that is an error, not an allocation: the place
for the voxels is made first, and no codec can write beyond it.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from organelle.errors import FormatError
from organelle.submission.inflate import inflate
from organelle.submission.zarray import ArraySpec

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK = 128 << 10
_ZSTD_SLACK = 16 << 20
_BLOSC_BLOCK = 16 << 20
"""Blosc itself takes blocks of at most a few MiB; each of its threads holds up to three at a time."""

Data = bytes | bytearray


def most_encoded(spec: ArraySpec) -> int:
    """Bytes that an encoded chunk may have: incompressible data grows a little."""
    return spec.chunk_bytes + spec.chunk_bytes // 64 + 4096


def decode(data: Data, spec: ArraySpec) -> np.ndarray:
    """One chunk as an array of `spec.chunks`, native byte order; read only.

    Raises:
        FormatError: damaged, or not of the promised size; says only what, the caller says where.
    """
    try:
        raw = _DECODERS[spec.codec](data, spec.chunk_bytes)
    except (RuntimeError, ValueError, OSError, EOFError, zlib.error, struct.error) as error:
        raise FormatError(f"damaged bytes ({str(error) or type(error).__name__})") from error
    if len(raw) != spec.chunk_bytes:
        raise FormatError(f"{len(raw)} bytes decoded where {spec.chunk_bytes} belong")
    array = np.frombuffer(raw, spec.dtype)
    if not spec.dtype.isnative:
        in_place = array.flags.writeable and raw is not data
        array = array.byteswap(inplace=in_place).view(spec.dtype.newbyteorder("="))
    array.flags.writeable = False
    return array.reshape(spec.chunks, order=spec.order)


def _raw(data: Data, _size: int) -> Data:
    return data


def _blosc(data: Data, size: int) -> Any:
    from numcodecs.blosc import Blosc

    _, promised, block, packed = struct.unpack_from("<4sIII", data)
    if promised != size or packed != len(data):
        raise ValueError(f"a blosc header that promises {promised} bytes in {packed}")
    if not (0 < block <= min(max(size, 1 << 16), _BLOSC_BLOCK) and data[3]):
        raise ValueError(f"a blosc header with blocks of {block} bytes and numbers of {data[3]}")
    return Blosc().decode(data, out=np.empty(size, np.uint8))


def _lz4(data: Data, size: int) -> Any:
    from numcodecs.lz4 import LZ4

    (promised,) = struct.unpack_from("<I", data)
    if promised != size:
        raise ValueError(f"a lz4 header that promises {promised} bytes")
    return LZ4().decode(data, out=np.empty(size, np.uint8))


def _zstd(data: Data, size: int) -> Any:
    from numcodecs.zstd import Zstd

    declared, bound = zstd_sizes(data)
    if declared not in (None, size) or (declared is None and bound > 2 * size + _ZSTD_SLACK):
        raise ValueError(f"a zstd frame of {bound if declared is None else declared} bytes")
    return Zstd().decode(data, out=np.empty(size, np.uint8))


def zstd_sizes(data: Data) -> tuple[int | None, int]:
    """Content size that one zstd frame declares (None: it does not), and the most it can decode to.

    Read off the headers (RFC 8878, section 3.1): a block holds at most 128 KiB, a run what it says. Further
    frames after the first, which a decoder would append, are a ValueError.
    """
    if data[:4] != _ZSTD_MAGIC or len(data) < 9:
        raise ValueError("no zstd frame")
    descriptor = data[4]
    single = bool(descriptor & 0x20)
    at = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    width = (int(single), 2, 4, 8)[descriptor >> 6]
    declared = int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)
    end, bound = _zstd_blocks(data, at + width)
    if end + (4 if descriptor & 0x4 else 0) != len(data):
        raise ValueError("bytes missing from or following the zstd frame")
    return (declared if width else None), bound


def _zstd_blocks(data: Data, at: int) -> tuple[int, int]:
    """Where the last block ends, and the most that all of them decode to."""
    bound, last = 0, False
    while not last:
        if at + 3 > len(data):
            raise ValueError("a zstd frame that ends early")
        header = int.from_bytes(data[at : at + 3], "little")
        last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
        bound += _ZSTD_BLOCK if kind == 2 else length
        at += 3 + (1 if kind == 1 else length)
    return at, bound


def _inflate(data: Data, size: int) -> Data:
    return inflate(
        zlib.decompressobj(32 + zlib.MAX_WBITS), data, size
    )  # 32: zlib or gzip, as the header says


def _bz2(data: Data, size: int) -> Data:
    return inflate(bz2.BZ2Decompressor(), data, size)


_DECODERS: dict[str | None, Callable[[Data, int], Any]] = {
    None: _raw,
    "blosc": _blosc,
    "zstd": _zstd,
    "zlib": _inflate,
    "gzip": _inflate,
    "lz4": _lz4,
    "bz2": _bz2,
}
