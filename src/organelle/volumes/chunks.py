"""Which chunks of a stored array exist, found by their files' names; nothing is decoded.

In a sharded zarr v3 array a file holds many chunks, and the index at its end says which
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.errors import ChunkError
from organelle.geometry import Box
from organelle.stores import Place, beginning, part, which_exist

if TYPE_CHECKING:
    import zarr

ABSENT = np.uint64(2**64 - 1)
BLOSC_HEADER = 16

AT_ONCE = 32 * 2**20
"""Decoded bytes of one part of a remote volume; the next part is on its way while one is decoded."""


def chunks_touching(box: Box, chunks: Sequence[int]) -> Box:
    """The indices of the chunks that hold a voxel of `box`, as a box that counts chunks."""
    if box.is_empty:
        return Box((0, 0, 0), (0, 0, 0))
    outer = box.snap(chunks)
    start = [a // n for a, n in zip(outer.start, chunks, strict=True)]
    return Box.between(start, [b // n for b, n in zip(outer.stop, chunks, strict=True)])


def tiles_of_chunks(box: Box, chunks: Sequence[int], itemsize: int) -> Iterator[Box]:
    """Cut `box` along the chunks into parts of at most `AT_ONCE` decoded bytes, or of one chunk."""
    size = list(chunks)
    grown = True
    while grown:
        grown = False
        for axis in (2, 1, 0):
            if size[axis] < box.shape[axis] and 2 * math.prod(size) * itemsize <= AT_ONCE:
                size[axis] *= 2
                grown = True
    for tile in box.snap(size).tiles(size):
        yield tile.intersect(box)


def chunks_present(array: zarr.Array[Any], path: Place, touched: Box) -> np.ndarray:
    """For each chunk of `touched` (chunk indices) whether it is stored; bool of the box's shape."""
    if array.shards is not None:
        found = np.zeros(touched.shape, dtype=bool)
        _mark_shards(array, path, touched, found)
        return found
    encode = array.metadata.encode_chunk_key
    z, y, x = touched.start
    files = [path / encode((z + i, y + j, x + k)) for i, j, k in np.ndindex(touched.shape)]
    return np.array(which_exist(files), dtype=bool).reshape(touched.shape)


def chunk_file(array: zarr.Array[Any], path: Place, voxel: Sequence[int]) -> Place:
    """The file that holds the chunk (or its shard) of a voxel."""
    outer = array.shards or array.chunks
    return path / array.metadata.encode_chunk_key(tuple(a // n for a, n in zip(voxel, outer, strict=True)))


def chunk_files(array: zarr.Array[Any], path: Place, box: Box) -> tuple[Place, ...]:
    """The files of all chunks (or shards) that hold a voxel of `box`."""
    touched = chunks_touching(box, array.shards or array.chunks)
    encode = array.metadata.encode_chunk_key
    z, y, x = touched.start
    return tuple(path / encode((z + i, y + j, x + k)) for i, j, k in np.ndindex(touched.shape))


def require_whole_blosc(array: zarr.Array[Any], path: Place, box: Box) -> None:
    """Raise `ChunkError` for a blosc chunk of `box` that is shorter or longer than its header says.

    Blosc itself trusts the header and, where data did not compress, copies from behind a truncated buffer.
    The header is described at https://www.blosc.org/c-blosc2/format/blosc1_format.html: the compressed size
    stands in bytes 12 to 15, little endian.
    """
    if array.shards is not None or not any("blosc" in type(c).__name__.lower() for c in array.compressors):
        return
    for file in chunk_files(array, path, box):
        stored = beginning(file, BLOSC_HEADER)
        if stored is None:
            continue
        found, header = stored
        said = int.from_bytes(header[12:], "little")
        if len(header) < BLOSC_HEADER or found != said:
            raise ChunkError(
                f"{file} is truncated or corrupt (it has {found} bytes, its header says {said}); "
                "fetch or write it again, or delete it if its voxels may count as missing"
            )


def _mark_shards(array: zarr.Array[Any], path: Place, touched: Box, found: np.ndarray) -> None:
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


def _shard_index(array: zarr.Array[Any], file: Place, shape: Sequence[int]) -> np.ndarray:
    """For each chunk of a shard whether it is stored."""
    metadata: Any = array.metadata
    sharding = metadata.codecs[0]
    checked = any(type(codec).__name__ == "Crc32cCodec" for codec in sharding.index_codecs)
    entries = 16 * math.prod(shape)
    size = entries + (4 if checked else 0)
    at_end = sharding.index_location.value == "end"
    stored = part(file, -size if at_end else 0, size)
    if stored is None:
        return np.zeros(tuple(shape), dtype=bool)
    if len(stored) < size:
        raise ChunkError(f"{file} is truncated: it is shorter than the index of its shard; fetch it again")
    index = np.frombuffer(stored[:entries], dtype="<u8")
    return np.asarray((index != ABSENT).reshape(*shape, 2).any(axis=-1))
