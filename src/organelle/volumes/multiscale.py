"""An image at several voxel sizes: OME-NGFF 0.4 and 0.5, or a single array as an image of one level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.errors import FileMissing, FormatError, GridMismatch
from organelle.geometry import Grid
from organelle.stores import Place, require_here
from organelle.volumes.ngff import Level, parse_multiscales
from organelle.volumes.nodes import is_node, read_node
from organelle.volumes.volume import Volume, open_array, open_volume


@dataclass(frozen=True, eq=False)
class Multiscale:
    """The levels of one image that are stored here, fine to coarse.

    Levels that the metadata lists but that are not here (only some were fetched) are left out, so that
    `levels[0]` is the finest that can be read.
    """

    path: Place
    levels: tuple[Volume, ...]
    attributes: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Its folder; `SettingsError` for a remote image."""
        return require_here(self.path)

    def level(self, voxel_size_nm: Sequence[float]) -> Volume | None:
        """The level of exactly this voxel size (to one part in ten thousand), if it is here."""
        return next((v for v in self.levels if _all_close(v.grid.voxel_size_nm, voxel_size_nm)), None)

    def nearest_level(self, voxel_size_nm: Sequence[float], *, finer: bool = True) -> Volume:
        """The best source for resampling to `voxel_size_nm`.

        That is the coarsest level that is not coarser than wanted on any axis, else the finest there is.
        With `finer=False` it is the level whose voxel size differs least, as a mean ratio.
        """
        if not finer:
            return min(self.levels, key=lambda v: _distance(v.grid.voxel_size_nm, voxel_size_nm))
        fine = [v for v in self.levels if _not_coarser(v.grid.voxel_size_nm, voxel_size_nm)]
        return fine[-1] if fine else self.levels[0]


def open_multiscale(path: Place | str, *, writable: bool = False) -> Multiscale:
    """Open the image at `path`: OME-NGFF 0.4 (zarr v2), 0.5 (zarr v3), or a single array.

    Raises:
        FileMissing: nothing is there, or none of the levels that it lists is.
        FormatError: it is not such an image.
        TransferError: a remote place that cannot be read.
    """
    node = read_node(path)
    if node.kind == "array":
        volume = open_volume(path, writable=writable)
        return Multiscale(node.path, (volume,), node.attributes)
    listed = parse_multiscales(node.attributes, str(node.path))
    if not listed:
        inside = sorted(p.name for p in node.path.iterdir() if p.is_dir() and not p.name.startswith("."))
        raise FormatError(
            f"{node.path} is a group without multiscales metadata, not an image; "
            f"it holds {', '.join(inside) or 'nothing'}"
        )
    here = [level for level in listed if is_node(node.path / level.name)]
    if not here:
        names = ", ".join(level.name for level in listed)
        raise FileMissing(f"{node.path} lists the levels {names}, but none of them is here")
    levels = tuple(_open_level(node.path, level, writable=writable) for level in here)
    return Multiscale(node.path, levels, node.attributes)


def _open_level(path: Place, level: Level, *, writable: bool) -> Volume:
    node = read_node(path / level.name)
    if node.kind != "array":
        raise FormatError(f"{node.path} is a group, but {path} lists it as a level, which must be an array")
    array = open_array(node, writable=writable)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    try:
        grid = Grid(level.voxel_size_nm, level.origin_nm, shape)
    except GridMismatch as error:
        raise FormatError(f"{path}: level {level.name} cannot be placed: {error}") from error
    return Volume(node.path, grid, node.attributes, array)


def _all_close(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(math.isclose(p, q, rel_tol=1e-4) for p, q in zip(a, b, strict=True))


def _not_coarser(size: Sequence[float], wanted: Sequence[float]) -> bool:
    return all(s <= w * (1 + 1e-4) for s, w in zip(size, wanted, strict=True))


def _distance(size: Sequence[float], wanted: Sequence[float]) -> float:
    return sum(abs(math.log(s / w)) for s, w in zip(size, wanted, strict=True))
