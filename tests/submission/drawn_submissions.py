"""Small submissions made by hand or by zarr itself, and the two-crop challenge that they answer."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd

from organelle.catalog import Catalog, Crop
from organelle.geometry import Grid

NEAR = Grid((4.0, 4.0, 4.0), (100.0, 200.0, 300.0), (10, 12, 14))
FAR = Grid((8.0, 2.0, 2.0), (0.0, 0.0, 0.0), (6, 20, 20))
CHALLENGE = Catalog(
    name="two crops",
    datasets={},
    train_crops={},
    test_crops={
        7: Crop(7, "jrc_a", NEAR, ("mito", "er"), is_test=True),
        21: Crop(21, "jrc_b", FAR, ("pm",), is_test=True),
    },
)

Files = dict[str, bytes]


def drawn(grid: Grid, *, ids: int = 1, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Random labels 0..ids of a grid's shape."""
    return np.random.default_rng(seed).integers(0, ids + 1, grid.shape).astype(dtype)


def place_of(grid: Grid) -> dict[str, Any]:
    return {"voxel_size": grid.voxel_size_nm, "translation": grid.origin_nm, "shape": grid.shape}


def array_files(
    folder: str,
    array: np.ndarray,
    attributes: Mapping[str, Any] | None = None,
    *,
    chunks: tuple[int, int, int] = (8, 8, 8),
    **zarray: Any,
) -> Files:
    """The files of one zstd-compressed array; `zarray` overwrites its metadata."""
    record: dict[str, Any] = {
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": chunks,
        "dtype": array.dtype.str,
        "compressor": {"id": "zstd", "level": 1},
        "fill_value": 0,
        "filters": None,
        "order": "C",
    }
    files = {f"{folder}/.zarray": json.dumps(record | zarray).encode()}
    if attributes is not None:
        files[f"{folder}/.zattrs"] = json.dumps(attributes).encode()
    padded = np.pad(array, [(0, -n % c) for n, c in zip(array.shape, chunks, strict=True)])
    for index in np.ndindex(*(n // c for n, c in zip(padded.shape, chunks, strict=True))):
        part = padded[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        files[f"{folder}/{'.'.join(map(str, index))}"] = Zstd(level=1).encode(np.ascontiguousarray(part))
    return files


def perfect_files(root: str = "", prefix: str = "crop") -> Files:
    """A submission without a fault."""
    group = b'{"zarr_format": 2}'
    files = {f"{root}.zgroup": group}
    for crop, class_name in CHALLENGE.rows():
        files[f"{root}{prefix}{crop.id}/.zgroup"] = group
        place = f"{root}{prefix}{crop.id}/{class_name}"
        files |= array_files(place, drawn(crop.grid), place_of(crop.grid))
    return files


def write_zip(path: Path, files: Mapping[str, bytes], *, deflate: bool = False) -> Path:
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_with_zarr(path: Path, array: np.ndarray, **options: Any) -> Path:
    """The same array as zarr's own library writes it, in format 2."""
    target = zarr.create_array(path, shape=array.shape, dtype=array.dtype, zarr_format=2, **options)
    target[...] = array
    return path
