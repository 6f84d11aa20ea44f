"""One stored array as the viewer reads it: zarr v2 with chunks that it can decode.

Chunks whose form the viewer knows go out as they are stored. All others (zarr v3, bool, float64, lz4, ...)
are decoded here and written anew.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from organelle.errors import FormatError
from organelle.geometry import Box, Grid, Voxels
from organelle.stores import Place, Remote
from organelle.submission import StoredArray
from organelle.volumes import Volume

DECODED_TYPES = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4")
"""What the viewer decodes (its `numpy_dtype.ts`)."""

DECODED_CODECS: dict[str | None, dict[str, Any]] = {
    None: {},
    "zstd": {"level": 1},
    "gzip": {"level": 1},
    "zlib": {"level": 1},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
}
"""Its compressors (`parse.ts`), and the settings that it wants to see, although it does not need them."""

NOT_STORED = 128
"""Grey that stands for EM that is not here: between black and white, and like what lies beyond the volume."""

ZSTD_LEVEL = 1
"""For chunks that are written anew: quick, and small enough for an SSH tunnel."""


class Array(Protocol):
    """What is shown: voxels on a grid, read box by box."""

    @property
    def grid(self) -> Grid:
        """Where it lies."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the voxels, in the machine's byte order."""

    @property
    def chunks(self) -> Voxels:
        """Shape of its pieces."""

    def read(self, box: Box | None = None, *, fill: float = 0) -> np.ndarray:
        """The voxels of `box`, `fill` outside of the array."""

    def present(self, box: Box | None = None) -> np.ndarray:
        """For each voxel of `box` whether its chunk is stored."""

    def is_blank(self, box: Box) -> bool:
        """Whether no stored chunk touches `box`."""


@dataclass(frozen=True)
class SubmittedLevel:
    """A submitted array as an `Array`, on the grid that its metadata tells, else on that of its crop."""

    array: StoredArray
    grid: Grid

    @property
    def dtype(self) -> np.dtype[Any]:
        """See `Array`."""
        return self.array.dtype

    @property
    def chunks(self) -> Voxels:
        """See `Array`."""
        return self.array.spec.chunks

    def read(self, box: Box | None = None, *, fill: float = 0) -> np.ndarray:
        """See `Array`."""
        wanted = self.grid.box if box is None else box
        inside = wanted.intersect(self.grid.box)
        result = np.full(wanted.shape, fill, dtype=self.dtype)
        if not inside.is_empty:
            result[inside.slices(wanted.start)] = self.array.read(inside)
        return result

    def present(self, box: Box | None = None) -> np.ndarray:
        """See `Array`."""
        wanted = self.grid.box if box is None else box
        result = np.zeros(wanted.shape, bool)
        for where, _ in self.array.chunks(wanted.intersect(self.grid.box)):
            part = where.intersect(wanted)
            result[part.slices(wanted.start)] = True
        return result

    def is_blank(self, box: Box) -> bool:
        """See `Array`."""
        return next(self.array.chunks(box), None) is None


class ServedLevel(Protocol):
    """A level as the viewer asks for it."""

    @property
    def zarray(self) -> Mapping[str, Any]:
        """Its `.zarray`."""

    def chunk(self, index: Voxels) -> bytes | None:
        """The stored form of a chunk; None if there is none, which means the fill value."""


@dataclass(frozen=True)
class StoredLevel:
    """Chunks that go out as they are. Nothing outside of `root` is opened, wherever links lead."""

    zarray: Mapping[str, Any]
    folder: Place
    separator: str
    root: Place

    def chunk(self, index: Voxels) -> bytes | None:
        """See `ServedLevel`."""
        file = self.folder / self.separator.join(map(str, index))
        if isinstance(file, Remote):
            return file.content()
        if not lies_in(file, self.root):
            return None
        try:
            return file.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None


@dataclass(frozen=True)
class DecodedLevel:
    """Chunks that are decoded, and encoded in a form that the viewer knows."""

    zarray: Mapping[str, Any]
    array: Array

    def chunk(self, index: Voxels) -> bytes | None:
        """See `ServedLevel`."""
        from numcodecs.zstd import Zstd

        shape = self.array.chunks
        start = [i * n for i, n in zip(index, shape, strict=True)]
        box = Box((start[0], start[1], start[2]), shape)
        if self.array.is_blank(box):
            return None
        voxels = self.array.read(box).astype(self.zarray["dtype"])
        return bytes(Zstd(level=ZSTD_LEVEL).encode(np.ascontiguousarray(voxels)))


def serve_level(array: Array, root: Place, *, labels: bool, missing: int | None = None) -> ServedLevel:
    """The array as the viewer can read it; `labels` need whole numbers, grey values do not.

    Args:
        array: A volume, or a submitted level.
        root: The folder that its files may lie in.
        labels: Whether values are ids.
        missing: What to show where no chunk is stored; default: the array's own fill value.
    """
    fill = {} if missing is None else {"fill_value": missing}
    if isinstance(array, Volume) and (record := _known_form(array)) is not None:
        separator = str(record.get("dimension_separator") or ".")
        if not labels or array.dtype.kind in "iu":
            return StoredLevel(_zarray(array, record | fill), array.path, separator, root)
    form = {
        "dtype": _served_type(array.dtype, labels=labels),
        "compressor": {"id": "zstd", "level": ZSTD_LEVEL},
    }
    return DecodedLevel(_zarray(array, form | fill), array)


def chunk_counts(zarray: Mapping[str, Any]) -> Voxels:
    """How many chunks there are along each axis."""
    z, y, x = (math.ceil(n / c) for n, c in zip(zarray["shape"], zarray["chunks"], strict=True))
    return z, y, x


def lies_in(file: Place, root: Place) -> bool:
    """Whether a file lies below `root` once all links are followed; `root` may itself be a link."""
    if isinstance(file, Remote) or isinstance(root, Remote):
        return isinstance(file, Remote) and isinstance(root, Remote)
    real = Path(os.path.realpath(file))
    return real.is_relative_to(os.path.realpath(root))


def _zarray(array: Array, record: Mapping[str, Any]) -> dict[str, Any]:
    fill = record.get("fill_value")
    return {
        "zarr_format": 2,
        "shape": list(array.grid.shape),
        "chunks": list(array.chunks),
        "dtype": record["dtype"],
        "compressor": record["compressor"],
        "fill_value": fill if isinstance(fill, int | float) else 0,
        "order": record.get("order", "C"),
        "filters": None,
        "dimension_separator": "/",
    }


def _known_form(volume: Volume) -> dict[str, Any] | None:
    """The `.zarray` of a volume in words that the viewer takes, None if it could not decode the chunks."""
    record = _read_record(volume.path / ".zarray")
    if record is None or record.get("filters") or record.get("dtype") not in DECODED_TYPES:
        return None
    compressor = record.get("compressor") or {}
    if compressor.get("id") not in DECODED_CODECS:
        return None
    told = DECODED_CODECS[compressor.get("id")] | compressor
    return record | {"compressor": told or None}


def _read_record(file: Place) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        return dict(json.loads(file.read_bytes()))
    except ValueError as error:
        raise FormatError(f"{file} is not valid JSON: {error}") from error


def _served_type(dtype: np.dtype[Any], *, labels: bool) -> str:
    if dtype.kind == "b":
        return "|u1"
    if dtype.kind == "f":
        return "<u8" if labels else "<f4"
    return dtype.newbyteorder("<").str
