"""One stored array on a grid: read any box, ask which chunks exist, write boxes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.errors import ChunkError, FormatError, GridMismatch, SettingsError
from organelle.geometry import Box, Grid, Voxels
from organelle.stores import Place, Remote, require_here
from organelle.stores.places import ask_ahead
from organelle.volumes.chunks import (
    chunk_file,
    chunk_files,
    chunks_present,
    chunks_touching,
    require_whole_blosc,
    tiles_of_chunks,
)
from organelle.volumes.ngff import parse_multiscales
from organelle.volumes.nodes import Node, is_node, read_node

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

DECODING_ERRORS = (RuntimeError, ValueError, EOFError, OSError, zlib.error)
VOXEL_SIZE_KEYS = ("voxel_size", "resolution", "scale")
TRANSLATION_KEYS = ("translation", "offset")


@dataclass(frozen=True, eq=False)
class Volume:
    """A stored array of voxels (z, y, x) and where it lies. Boxes count from its first voxel.

    Opening reads metadata only. A volume can be pickled and sent to another process.
    """

    path: Place
    grid: Grid
    attributes: dict[str, Any]
    _array: zarr.Array[Any]

    @property
    def name(self) -> str:
        """The folder's name, for a level of an image `s0`."""
        return self.path.name

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return self._array.dtype.newbyteorder("=")

    @property
    def shape(self) -> Voxels:
        """Number of voxels."""
        return self.grid.shape

    @property
    def chunks(self) -> Voxels:
        """Shape of the pieces in which the voxels are compressed."""
        z, y, x = self._array.chunks
        return z, y, x

    def read(self, box: Box | None = None, *, fill: float = 0) -> np.ndarray:
        """The voxels of `box` (default: all) as an array of its shape; `fill` outside of the array.

        A chunk that is not stored reads as the array's fill value, 0: ask `present` for the difference.

        Raises:
            ChunkError: a chunk is truncated or corrupt; the message names its file.
        """
        wanted = self.grid.box if box is None else box
        inside = wanted.intersect(self.grid.box)
        if inside == wanted and not wanted.is_empty:
            return self._decode(inside)
        result = np.full(wanted.shape, fill, dtype=self.dtype)
        if not inside.is_empty:
            result[inside.slices(wanted.start)] = self._decode(inside)
        return result

    def write(self, box: Box, array: np.ndarray) -> None:
        """Store `array` in `box`; blocks that share no chunk may be written by several processes at once.

        Chunks that hold only zeros are not stored.

        Raises:
            GridMismatch: the box reaches outside of the volume or has another shape than the array.
            FormatError: values do not fit the stored type.
        """
        if array.shape != box.shape or not self.grid.box.contains(box):
            raise GridMismatch(
                f"{self.path}: cannot write an array of {array.shape} into {box} of a volume of {self.shape}"
            )
        if not box.is_empty:
            self._array[box.slices()] = self._converted(array)

    def present(self, box: Box | None = None) -> np.ndarray:
        """For each voxel of `box` (default: all) whether its chunk is stored; outside of the array False.

        Nothing is decoded.
        """
        wanted = self.grid.box if box is None else box
        result = np.zeros(wanted.shape, dtype=bool)
        inside = wanted.intersect(self.grid.box)
        if inside.is_empty:
            return result
        touched = chunks_touching(inside, self.chunks)
        found = chunks_present(self._array, self.path, touched)
        for axis, size in enumerate(self.chunks):
            found = found.repeat(size, axis=axis)
        origin = [a * n for a, n in zip(touched.start, self.chunks, strict=True)]
        result[inside.slices(wanted.start)] = found[inside.slices(origin)]
        return result

    def is_complete(self, box: Box) -> bool:
        """Whether all of `box` lies in the array and in chunks that are stored; an empty box is complete."""
        if not self.grid.box.contains(box):
            return False
        return bool(chunks_present(self._array, self.path, chunks_touching(box, self.chunks)).all())

    def is_blank(self, box: Box) -> bool:
        """Whether no stored chunk touches `box`."""
        inside = box.intersect(self.grid.box)
        return not chunks_present(self._array, self.path, chunks_touching(inside, self.chunks)).any()

    @property
    def folder(self) -> Path:
        """Its folder; `SettingsError` for a remote volume."""
        return require_here(self.path)

    def files(self, box: Box) -> tuple[Place, ...]:
        """The files that hold the chunks (or shards) which `box` touches, whether they are there or not."""
        inside = box.intersect(self.grid.box)
        return chunk_files(self._array, self.path, inside)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add or replace attributes of the stored array."""
        self._array.update_attributes(dict(attributes))
        self.attributes.update(attributes)

    def _decode(self, box: Box) -> np.ndarray:
        if not isinstance(self.path, Remote) or self._array.shards is not None:
            return self._decode_at_once(box)
        parts = list(tiles_of_chunks(box, self.chunks, self.dtype.itemsize))
        result = np.empty(box.shape, dtype=self.dtype)
        self._ask_ahead(parts[0])
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            if following is not None:
                self._ask_ahead(following)
            result[part.slices(box.start)] = self._decode_at_once(part)
        return result

    def _ask_ahead(self, box: Box) -> None:
        ask_ahead(file for file in self.files(box) if isinstance(file, Remote))

    def _decode_at_once(self, box: Box) -> np.ndarray:
        require_whole_blosc(self._array, self.path, box)
        try:
            values = np.asarray(self._array[box.slices()])
        except DECODING_ERRORS as error:
            raise self._broken_chunk(box, error) from error
        return np.ascontiguousarray(values, dtype=self.dtype)

    def _broken_chunk(self, box: Box, error: Exception) -> FormatError:
        """Find the chunk of `box` that cannot be decoded."""
        touched = chunks_touching(box, self.chunks)
        for index in np.ndindex(touched.shape):
            start = [(a + i) * n for a, i, n in zip(touched.start, index, self.chunks, strict=True)]
            chunk = Box((start[0], start[1], start[2]), self.chunks).intersect(box)
            try:
                self._array[chunk.slices()]
            except DECODING_ERRORS as reason:
                file = chunk_file(self._array, self.path, chunk.start)
                return ChunkError(
                    f"{file} is truncated or corrupt ({reason}); fetch or write it again, "
                    "or delete it if its voxels may count as missing"
                )
        return FormatError(f"{self.path}: {box} cannot be read ({error})")

    def _converted(self, array: np.ndarray) -> np.ndarray:
        if array.dtype == self.dtype or np.can_cast(array.dtype, self.dtype, "safe"):
            return array
        with np.errstate(invalid="ignore"):
            converted = array.astype(self.dtype)
        if not np.array_equal(converted, array):
            raise FormatError(
                f"{self.path}: values from {array.min()} to {array.max()} ({array.dtype}) do not fit "
                f"its type {self.dtype}; round, clip or choose a larger type"
            )
        return converted


def open_volume(path: Place | str, grid: Grid | None = None, *, writable: bool = False) -> Volume:
    """Open a single zarr array (v2 or v3).

    Its place comes from `grid`, else from its attributes (`voxel_size`, `resolution` or `scale`, and
    `translation` or `offset`; no offset means 0), else from the multiscale group that it is a level of.

    Raises:
        FileMissing: nothing is there.
        FormatError: not a 3D zarr array, or nothing says its voxel size.
        GridMismatch: `grid` has another shape.
    """
    node = read_node(path)
    if node.kind != "array":
        raise FormatError(f"{node.path} is a group, not an array; open an image with open_multiscale")
    array = open_array(node, writable=writable)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    if grid is None:
        grid = _grid_of(node, shape)
    elif grid.shape != shape:
        raise GridMismatch(f"{node.path} has {shape} voxels, expected {grid.shape}")
    return Volume(node.path, grid, node.attributes, array)


def open_array(node: Node, *, writable: bool = False) -> zarr.Array[Any]:
    """The zarr array at a node; `FormatError` if it is broken, not 3D, or not of numbers."""
    import zarr

    if not isinstance(node.path, Remote):
        store: Store = zarr.storage.LocalStore(node.path, read_only=not writable)
    elif writable:
        raise SettingsError(f"{node.path} is remote, and remote places are only read; name a folder")
    else:
        from organelle.volumes.remote_store import RemoteStore

        store = RemoteStore(node.path)
    try:
        array = zarr.open_array(store, mode="r+" if writable else "r", zarr_format=node.zarr_format)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        raise FormatError(f"{node.path}: its array metadata cannot be used ({error})") from error
    if array.ndim != 3 or array.dtype.kind not in "biuf":
        raise FormatError(f"{node.path} holds {array.ndim}D {array.dtype}; expected 3D numbers or bool")
    if min(array.chunks) < 1:
        raise FormatError(f"{node.path} has chunks of {array.chunks} voxels; they must be at least 1")
    return array


def _grid_of(node: Node, shape: Voxels) -> Grid:
    size = next((node.attributes[key] for key in VOXEL_SIZE_KEYS if key in node.attributes), None)
    if size is None:
        return _grid_from_parent(node, shape)
    origin = next((node.attributes[key] for key in TRANSLATION_KEYS if key in node.attributes), (0, 0, 0))
    try:
        (vz, vy, vx), (z, y, x) = size, origin
        return Grid((float(vz), float(vy), float(vx)), (float(z), float(y), float(x)), shape)
    except (TypeError, ValueError, GridMismatch) as error:
        raise FormatError(
            f"{node.path}: voxel size {size!r} or offset {origin!r} is unusable: {error}"
        ) from error


def _grid_from_parent(node: Node, shape: Voxels) -> Grid:
    parent = node.path.resolve().parent
    levels = parse_multiscales(read_node(parent).attributes, str(parent)) if is_node(parent) else None
    for level in levels or ():
        if level.name == node.path.name:
            return Grid(level.voxel_size_nm, level.origin_nm, shape)
    raise FormatError(
        f"{node.path} does not say its voxel size (no attribute {', '.join(VOXEL_SIZE_KEYS)}, no level of a "
        "multiscale group); pass a grid"
    )
