"""Make volumes: single arrays in the submission's form and OME-NGFF 0.4 images, both zarr v2.

Compressed with blosc (zstd), which zarr 2.18 with numcodecs 0.15 reads; empty chunks are not stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from organelle.classes import Kind, kind_of
from organelle.errors import GridMismatch
from organelle.files import refuse_existing, whole
from organelle.geometry import Grid
from organelle.volumes.labels import annotation_attributes
from organelle.volumes.multiscale import Multiscale, open_multiscale
from organelle.volumes.ngff import multiscales_attributes
from organelle.volumes.nodes import is_node
from organelle.volumes.pyramid import build_pyramid
from organelle.volumes.volume import Volume, open_volume

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

CHUNKS = (64, 64, 64)


def create_volume(
    path: Path | str,
    grid: Grid,
    dtype: DTypeLike,
    *,
    chunks: Sequence[int] = CHUNKS,
    attributes: Mapping[str, Any] | None = None,
) -> Volume:
    """Make an empty array of the submission's form, ready to be written; it reads as 0.

    Its attributes are `voxel_size`, `translation`, `shape`, and those given. The zarr groups above it are
    made up to the folder named `*.zarr`, if there is one.

    Raises:
        OutputExists: something is already at `path`.
    """
    place = {
        "voxel_size": list(grid.voxel_size_nm),
        "translation": list(grid.origin_nm),
        "shape": list(grid.shape),
    }
    write_groups(Path(path).parent)
    _create_array(path, grid, dtype, chunks, {**place, **(attributes or {})}, separator=".")
    return open_volume(path, writable=True)


def write_volume(
    path: Path | str,
    array: np.ndarray,
    grid: Grid,
    *,
    chunks: Sequence[int] = CHUNKS,
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Volume:
    """Write a single array of the submission's form, whole or not at all."""
    _check_shape(path, array, grid)
    write_groups(Path(path).parent)
    with whole(path, overwrite=overwrite) as part:
        create_volume(part, grid, array.dtype, chunks=chunks, attributes=attributes).write(grid.box, array)
    return open_volume(path)


def create_multiscale(
    path: Path | str,
    grid: Grid,
    dtype: DTypeLike,
    *,
    kind: Kind,
    levels: int = 1,
    chunks: Sequence[int] = CHUNKS,
    attributes: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Multiscale:
    """Make an empty OME-NGFF 0.4 image with levels s0, s1, ..., each half as fine as the one before.

    Write level 0 box by box, then call `build_pyramid`. `kind` is recorded (`organelle.kind`), so that a
    reader knows whether the voxels may be interpolated.

    Raises:
        OutputExists: something is already at `path`.
    """
    place = Path(path)
    refuse_existing(place)
    grids = {"s0": grid}
    for k in range(1, levels):
        grids[f"s{k}"] = grids[f"s{k - 1}"].downsampled()
    extra = dict(attributes or {})
    record = {**extra, "organelle": {"kind": kind.value, **extra.get("organelle", {})}}
    write_groups(place.parent)
    _write_json(place / ".zgroup", {"zarr_format": 2})
    _write_json(place / ".zattrs", {**multiscales_attributes(name or place.name, grids), **record})
    for key, level in grids.items():
        _create_array(place / key, level, dtype, chunks, {}, separator="/")
    return open_multiscale(place, writable=True)


def write_multiscale(
    path: Path | str,
    array: np.ndarray,
    grid: Grid,
    *,
    kind: Kind,
    levels: int = 1,
    chunks: Sequence[int] = CHUNKS,
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Multiscale:
    """Write an image with its pyramid (mean for images, mode for labels), whole or not at all."""
    _check_shape(path, array, grid)
    write_groups(Path(path).parent)
    with whole(path, overwrite=overwrite) as part:
        image = create_multiscale(
            part, grid, array.dtype, kind=kind, levels=levels, chunks=chunks, attributes=attributes
        )
        image.levels[0].write(grid.box, array)
        build_pyramid(image, kind)
    return open_multiscale(path)


def write_labels(
    path: Path | str,
    array: np.ndarray,
    grid: Grid,
    class_name: str,
    *,
    unknown: bool = True,
    levels: int = 1,
    chunks: Sequence[int] = CHUNKS,
    overwrite: bool = False,
) -> Multiscale:
    """Write the annotation of one class as the challenge stores it, counts of each level included.

    Args:
        path: The image's folder, named like the class.
        array: Semantic 0 absent, 1 present, 255 unknown; instance 0 absent, else ids (255: see `unknown`).
        grid: Where the array lies.
        class_name: Its kind comes from the table of classes.
        unknown: Whether 255 means unknown. Pass False for instances one of which has the id 255.
        levels: Number of pyramid levels.
        chunks: Shape of the chunks.
        overwrite: Whether to replace what is there.
    """
    _check_shape(path, array, grid)
    kind = kind_of(class_name)
    write_groups(Path(path).parent)
    with whole(path, overwrite=overwrite) as part:
        record = annotation_attributes(class_name, kind, array, unknown=unknown)
        image = create_multiscale(
            part, grid, array.dtype, kind=kind, levels=levels, chunks=chunks, attributes=record
        )
        image.levels[0].write(grid.box, array)
        build_pyramid(image, kind)
        for level in image.levels:
            level.set_attributes(annotation_attributes(class_name, kind, level.read(), unknown=unknown))
    return open_multiscale(path)


def write_groups(path: Path | str) -> None:
    """Make the folders from the topmost one named `*.zarr` down to `path` zarr v2 groups.

    Without such a folder nothing is done. Groups that are there stay as they are.
    """
    place = Path(path)
    inside = False
    for folder in (*reversed(place.parents), place):
        inside = inside or folder.suffix == ".zarr"
        if inside and not is_node(folder):
            _write_json(folder / ".zgroup", {"zarr_format": 2})


def _create_array(
    path: Path | str,
    grid: Grid,
    dtype: DTypeLike,
    chunks: Sequence[int],
    attributes: dict[str, Any],
    *,
    separator: Literal[".", "/"],
) -> None:
    import numcodecs
    import zarr

    refuse_existing(path)
    zarr.create_array(
        store=zarr.storage.LocalStore(path),
        shape=grid.shape,
        chunks=tuple(max(1, min(c, n)) for c, n in zip(chunks, grid.shape, strict=True)),
        dtype=np.dtype(dtype),
        fill_value=0,
        zarr_format=2,
        compressors=numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.AUTOSHUFFLE),
        chunk_key_encoding={"name": "v2", "separator": separator},
        attributes=attributes,
    )


def _write_json(file: Path, record: dict[str, Any]) -> None:
    with whole(file, overwrite=True) as part:
        part.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def _check_shape(path: Path | str, array: np.ndarray, grid: Grid) -> None:
    if array.shape != grid.shape:
        raise GridMismatch(f"{path}: the array has {array.shape} voxels, its grid {grid.shape}")
