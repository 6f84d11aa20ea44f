"""A strict model of zarr-2 metadata: what a submission may say in `.zarray` and `.zattrs`, and nothing else.

Source: the zarr storage specification, version 2, reduced to three axes, plain numbers and an allow-list of
compressors. Whatever is not understood is a `ProblemError`, before one byte of a chunk is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from organelle.geometry import Nm, Voxels
from organelle.submission.limits import Limits
from organelle.submission.problems import Problem, ProblemError

DTYPES = {"b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"}
CODECS = ("blosc", "zstd", "zlib", "gzip", "lz4", "bz2")
JSON_DEPTH = 64
VOXEL_SIZE_KEYS = ("voxel_size", "resolution", "scale")
OFFSET_KEYS = ("translation", "offset")

_REPACK = "Write zarr 2 with organelle (csc pack-results) or zarr 2.18."


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One `.zarray`: everything that is needed to decode its chunks."""

    shape: Voxels
    chunks: Voxels
    dtype: np.dtype[Any]
    codec: str | None
    fill: float | int | bool
    order: Literal["C", "F"]
    separator: Literal[".", "/"]

    @property
    def chunk_grid(self) -> Voxels:
        """Number of chunks along each axis."""
        z, y, x = (-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))
        return z, y, x

    @property
    def chunk_bytes(self) -> int:
        """Decoded size of a chunk; those at the rim are stored whole too."""
        return math.prod(self.chunks) * self.dtype.itemsize

    def key(self, index: Voxels) -> str:
        """Name of a chunk's file below the array's folder."""
        return self.separator.join(map(str, index))


def parse_json(data: bytes | bytearray, place: str) -> dict[str, Any]:
    """A JSON object in UTF-8, each key once, without NaN; else `ProblemError` that names `place`."""
    _expect(_depth(data) <= JSON_DEPTH, "bad-json", place, "brackets nested too deeply", "a JSON object")
    try:
        record: Any = json.loads(
            data.decode("utf-8"), parse_constant=_reject_constant, object_pairs_hook=_unique
        )
    except ValueError as error:
        raise ProblemError(
            Problem("bad-json", place, f"no valid JSON ({error})", "a JSON object", _REPACK)
        ) from None
    _expect(isinstance(record, dict), "bad-json", place, _brief(record), "a JSON object")
    return cast(dict[str, Any], record)


def parse_zarray(record: Mapping[str, Any], place: str, limits: Limits) -> ArraySpec:
    """The checked metadata of one array.

    Raises:
        ProblemError: anything outside of the allow-lists and `limits`; the first such thing.
    """
    _expect(record.get("zarr_format") == 2, "zarr-format", place, record.get("zarr_format"), "zarr_format 2")
    dtype = _dtype(record.get("dtype"), place)
    spec = ArraySpec(
        shape=_voxels(record, "shape", place),
        chunks=_voxels(record, "chunks", place),
        dtype=dtype,
        codec=_codec(record, place),
        fill=_fill(record.get("fill_value"), dtype, place),
        order=cast(Literal["C", "F"], _choice(record, "order", ("C", "F"), place)),
        separator=cast(Literal[".", "/"], _choice(record, "dimension_separator", (".", "/"), place)),
    )
    _check_size(spec, place, limits)
    return spec


def voxel_size_of(attributes: Mapping[str, Any], place: str) -> Nm | None:
    """Voxel size in nm from the first of voxel_size, resolution, scale that is there; else None."""
    return _vector(attributes, VOXEL_SIZE_KEYS, place, positive=True)


def translation_of(attributes: Mapping[str, Any], place: str) -> Nm | None:
    """Centre of the first voxel in nm from translation, else offset; None when neither is there."""
    return _vector(attributes, OFFSET_KEYS, place, positive=False)


def _vector(attributes: Mapping[str, Any], keys: tuple[str, ...], place: str, *, positive: bool) -> Nm | None:
    key = next((k for k in keys if attributes.get(k) is not None), None)
    if key is None:
        return None
    value = attributes[key]
    good = isinstance(value, list) and len(value) == 3 and all(_is_number(v, positive) for v in value)
    wanted = "three sizes above 0, in nm, z y x" if positive else "three places in nm, z y x"
    code = "odd-voxel-size" if positive else "odd-offset"
    _expect(good, code, place, f"{key} {_brief(value)}", wanted, f'Write "{keys[0]}" as {wanted}.')
    z, y, x = map(float, value)
    return z, y, x


def _is_number(value: Any, positive: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
        return False
    return value > 1e-9 if positive else True


def _dtype(value: Any, place: str) -> np.dtype[Any]:
    good = isinstance(value, str) and len(value) == 3 and value[0] in "<>|" and value[1:] in DTYPES
    _expect(good, "bad-dtype", place, f"dtype {_brief(value)}", "bool, an integer or float32/64")
    return np.dtype(str(value))


def _voxels(record: Mapping[str, Any], key: str, place: str) -> Voxels:
    value: Any = record.get(key)
    good = isinstance(value, list) and len(value) == 3
    good = good and all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1 << 40 for n in value)
    _expect(good, f"bad-{key}", place, f"{key} {_brief(value)}", "three whole numbers above 0 (z y x)")
    z, y, x = value
    return z, y, x


def _codec(record: Mapping[str, Any], place: str) -> str | None:
    filters, compressor = record.get("filters"), record.get("compressor")
    _expect(filters is None or filters == [], "filters", place, f"filters {_brief(filters)}", "no filters")
    if compressor is None:
        return None
    name = compressor.get("id") if isinstance(compressor, dict) else None
    known = f"none or one of {', '.join(CODECS)}"
    _expect(name in CODECS, "bad-codec", place, f"compressor {_brief(compressor)}", known)
    return str(name)


def _fill(value: Any, dtype: np.dtype[Any], place: str) -> float | int | bool:
    if value is None:
        return 0
    good = isinstance(value, bool | int | float)
    if good and dtype.kind in "iu":
        good = np.iinfo(dtype).min <= value <= np.iinfo(dtype).max and float(value).is_integer()
    elif good:
        good = value in (0, 1) if dtype.kind == "b" else abs(value) <= float(np.finfo(dtype).max)
    _expect(good, "bad-fill-value", place, f"fill_value {_brief(value)}", f"a number that fits {dtype}")
    return cast(float, value)


def _choice(record: Mapping[str, Any], key: str, options: tuple[str, ...], place: str) -> str:
    value = options[0] if record.get(key) is None else record[key]
    _expect(value in options, f"bad-{key}", place, f"{key} {_brief(value)}", f"one of {options}", _REPACK)
    return str(value)


def _check_size(spec: ArraySpec, place: str, limits: Limits) -> None:
    n, chunks = math.prod(spec.shape), math.prod(spec.chunk_grid)
    fits = max(spec.shape) <= limits.axis_voxels and n <= limits.voxels
    remedy = "Write it on the crop's own grid."
    _expect(fits, "too-large", place, f"shape {spec.shape}", f"at most {limits.voxels:,} voxels", remedy)
    remedy = "Use chunks of 64 to 256 voxels a side."
    _expect(chunks <= limits.chunks, "too-many-chunks", place, f"{chunks:,}", f"<= {limits.chunks:,}", remedy)
    array_bytes = n * spec.dtype.itemsize
    most = min(limits.chunk_bytes, max(limits.padded_chunk_bytes, 8 * array_bytes))
    found, bound = f"chunks of {spec.chunk_bytes:,} bytes", f"at most {most:,} bytes"
    _expect(spec.chunk_bytes <= most, "chunk-too-large", place, found, bound, remedy)


def _expect(good: bool, code: str, place: str, found: Any, expected: str, remedy: str = _REPACK) -> None:
    if not good:
        raise ProblemError(Problem(code, place, str(found), expected, remedy))


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _depth(data: bytes | bytearray) -> int:
    """How deeply brackets nest, those inside of strings included."""
    letters = np.frombuffer(data, np.uint8)
    steps = np.isin(letters, list(b"[{")).astype(np.int32) - np.isin(letters, list(b"]}"))
    return int(np.cumsum(steps).max(initial=0))


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key that stands twice")
    return record
