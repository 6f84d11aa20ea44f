"""Which chunks of a stored array exist, found by their files' names; nothing is decoded.

In a sharded zarr v3 array a file holds many chunks, and the index at its end says which
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.errors import ChunkError
from organelle.geometry import Box

if TYPE_CHECKING:
    import zarr

ABSENT = np.uint64(2**64 - 1)
BLOSC_HEADER = 16


def chunks_touching(box: Box, chunks: Sequence[int]) -> Box:
    """The indices of the chunks that hold a voxel of `box`, as a box that counts chunks."""
    if box.is_empty:
        return Box((0, 0, 0), (0, 0, 0))
    outer = box.snap(chunks)
    start = [a // n for a, n in zip(outer.start, chunks, strict=True)]
    return Box.between(start, [b // n for b, n in zip(outer.stop, chunks, strict=True)])


def chunks_present(array: zarr.Array[Any], path: Path, touched: Box) -> np.ndarray:
    """For each chunk of `touched` (chunk indices) whether it is stored; bool of the box's shape."""
    found = np.zeros(touched.shape, dtype=bool)
    if array.shards is not None:
        _mark_shards(array, path, touched, found)
        return found
    encode = array.metadata.encode_chunk_key
    z, y, x = touched.start
    for index in np.ndindex(found.shape):
        found[index] = (path / encode((z + index[0], y + index[1], x + index[2]))).is_file()
    return found


def chunk_file(array: zarr.Array[Any], path: Path, voxel: Sequence[int]) -> Path:
    """The file that holds the chunk (or its shard) of a voxel."""
    outer = array.shards or array.chunks
    return path / array.metadata.encode_chunk_key(tuple(a // n for a, n in zip(voxel, outer, strict=True)))


def chunk_files(array: zarr.Array[Any], path: Path, box: Box) -> tuple[Path, ...]:
    """The files of all chunks (or shards) that hold a voxel of `box`."""
    touched = chunks_touching(box, array.shards or array.chunks)
    encode = array.metadata.encode_chunk_key
    z, y, x = touched.start
    return tuple(path / encode((z + i, y + j, x + k)) for i, j, k in np.ndindex(touched.shape))


def require_whole_blosc(array: zarr.Array[Any], path: Path, box: Box) -> None:
    """Raise `ChunkError` for a blosc chunk of `box` that is shorter or longer than its header says.

    Blosc itself trusts the header and, where data did not compress, copies from behind a truncated buffer.
    The header is described at https://www.blosc.org/c-blosc2/format/blosc1_format.html: the compressed size
    stands in bytes 12 to 15, little endian.
    """
    if array.shards is not None or not any("blosc" in type(c).__name__.lower() for c in array.compressors):
        return
    for file in chunk_files(array, path, box):
        if not file.is_file():
            continue
        with file.open("rb") as stream:
            header = stream.read(BLOSC_HEADER)
        found, said = file.stat().st_size, int.from_bytes(header[12:], "little")
        if len(header) < BLOSC_HEADER or found != said:
            raise ChunkError(
                f"{file} is truncated or corrupt (it has {found} bytes, its header says {said}); "
                "fetch or write it again, or delete it if its voxels may count as missing"
            )


def _mark_shards(array: zarr.Array[Any], path: Path, touched: Box, found: np.ndarray) -> None:
    per_shard = [s // c for s, c in zip(array.shards or (), array.chunks, strict=True)]
    shards = chunks_touching(touched, per_shard)
    z, y, x = shards.start
    for offset in np.ndindex(shards.shape):
        shard = (z + offset[0], y + offset[1], x + offset[2])
        first = [a * n for a, n in zip(shard, per_shard, strict=True)]
        held = Box((first[0], first[1], first[2]), (per_shard[0], per_shard[1], per_shard[2]))
        here = held.intersect(touched)
        index = _shard_index(array, path / array.metadata.encode_chunk_key(shard), held.shape)
        found[here.slices(touched.start)] = index[here.slices(held.start)]


def _shard_index(array: zarr.Array[Any], file: Path, shape: Sequence[int]) -> np.ndarray:
    """For each chunk of a shard whether it is stored."""
    if not file.is_file():
        return np.zeros(tuple(shape), dtype=bool)
    metadata: Any = array.metadata
    sharding = metadata.codecs[0]
    checked = any(type(codec).__name__ == "Crc32cCodec" for codec in sharding.index_codecs)
    entries = 16 * math.prod(shape)
    size = entries + (4 if checked else 0)
    if file.stat().st_size < size:
        raise ChunkError(f"{file} is truncated: it is shorter than the index of its shard; fetch it again")
    with file.open("rb") as stream:
        if sharding.index_location.value == "end":
            stream.seek(-size, 2)
        index = np.frombuffer(stream.read(entries), dtype="<u8")
    return np.asarray((index != ABSENT).reshape(*shape, 2).any(axis=-1))
