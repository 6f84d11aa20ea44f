"""Zarr that stages cannot read as it is: of more axes, in another order, or without a voxel size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.convert.sources import Facts, check_numbers, three, unit_nm, voxel_size
from organelle.errors import FormatError
from organelle.geometry import Box, Nm
from organelle.volumes.inspect_groups import folders_in
from organelle.volumes.inspect_levels import image_record
from organelle.volumes.inspect_metadata import Findings, read_raw

METADATA = (".zarray", ".zgroup", "zarr.json")


@dataclass
class ZarrArray:
    """One array, its axes turned to z, y, x; other axes have the length 1."""

    facts: Facts
    array: Any
    axes: str
    """Name of each stored axis; those that are not z, y or x are dropped."""

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`; chunks that it touches are decoded."""
        wanted = dict(zip("zyx", box.slices(), strict=True))
        try:
            values = np.asarray(self.array[tuple(wanted.get(axis, 0) for axis in self.axes)])
        except (RuntimeError, ValueError, EOFError) as error:
            raise FormatError(f"{self.facts.name}: {box} cannot be read ({error}); copy it again") from error
        held = [axis for axis in self.axes if axis in wanted]
        turned = values.transpose([held.index(axis) for axis in "zyx"])
        return np.ascontiguousarray(turned, self.facts.dtype)

    def close(self) -> None:
        """Nothing is kept open."""


def open_zarr(path: Path, array: str | None, repeat_missing: bool = False) -> ZarrArray:  # noqa: ARG001
    """Open an array, or the finest level of an image of any axes, of which three are longer than 1."""
    import zarr

    place = path / array.strip("/") if array else path
    where, axes, scale = _described(place)
    try:
        opened = zarr.open_array(zarr.storage.LocalStore(where, read_only=True), mode="r")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        raise FormatError(f"{where} cannot be opened as a zarr array ({error}); write it again") from error
    named = _axes(axes, opened.shape, where)
    check_numbers(opened.dtype, str(where))
    shape = three([opened.shape[named.index(axis)] for axis in "zyx"])
    pieces = three([(opened.shards or opened.chunks)[named.index(axis)] for axis in "zyx"])
    size, said = scale or _array_size(where, named)
    notes = [f"axes are stored {', '.join(axes or named)}"] if named != "zyx" else []
    name = path.name if where == path else f"{path.name}:{where.relative_to(path)}"
    dtype = opened.dtype.newbyteorder("=")
    facts = Facts("zarr", name, shape, dtype, pieces, size, said, None, tuple(notes), _files(where))
    return ZarrArray(facts, opened, named)


def _described(place: Path) -> tuple[Path, list[str] | None, tuple[Nm | None, str] | None]:
    """The array, its axes, and its voxel size, as an image's metadata says."""
    node = read_raw(place, Findings())
    if node.kind == "array":
        return place, None, None
    image, _ = image_record(node.attributes)
    if image is None:
        names = ", ".join(p.name for p in folders_in(place)[:20])
        raise FormatError(
            f"{place} is no array and no image; it holds {names or 'nothing'}: choose with --array"
        )
    try:
        axes = [str(a["name"] if isinstance(a, Mapping) else a) for a in image["axes"]]
        first = image["datasets"][0]
        return place / str(first["path"]), axes, _image_size(image, first, axes)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise FormatError(
            f"{place}: its multiscales metadata is incomplete ({error!r}); name the array"
        ) from error


def _image_size(
    image: Mapping[str, Any], level: Mapping[str, Any], axes: Sequence[str]
) -> tuple[Nm | None, str]:
    factors = [1.0] * len(axes)
    steps = [*level.get("coordinateTransformations", []), *image.get("coordinateTransformations", [])]
    for step in steps:
        if step.get("type") == "scale":
            factors = [f * float(s) for f, s in zip(factors, step["scale"], strict=True)]
    units = [unit_nm(a.get("unit", "")) if isinstance(a, Mapping) else None for a in image["axes"]]
    known = {axis: f * u for axis, f, u in zip(axes, factors, units, strict=True) if u is not None}
    size = voxel_size([known[axis] for axis in "zyx"]) if known.keys() >= set("zyx") else None
    return size, "its scale" if size else "its axes have no unit"


def _array_size(where: Path, axes: str) -> tuple[Nm | None, str]:
    """`voxel_size` or `resolution`, in nm and in the order of the axes, from the attributes of an array."""
    attributes = read_raw(where, Findings()).attributes
    for key in ("voxel_size", "resolution"):
        numbers = attributes.get(key)
        if isinstance(numbers, Sequence) and len(numbers) == len(axes):
            size = voxel_size([numbers[axes.index(axis)] for axis in "zyx"])
            if size is not None:
                return size, f"its attribute {key} (in nm)"
    return None, "its attributes do not say"


def _axes(named: Sequence[str] | None, shape: Sequence[int], where: Path) -> str:
    """A letter per stored axis; without names the last three are z, y, x."""
    if named is not None and len(named) == len(shape):
        letters = "".join(axis if axis in ("z", "y", "x") else "-" for axis in map(str.lower, named))
    else:
        letters = ("-" * len(shape) + "zyx")[-len(shape) :] if len(shape) >= 3 else ""
    long = [n for axis, n in zip(letters, shape, strict=False) if axis == "-" and n > 1]
    if sorted(letters.replace("-", "")) != ["x", "y", "z"] or long:
        told = ", ".join(named) if named else "not named"
        raise FormatError(
            f"{where} has {tuple(shape)} voxels, axes {told}; a volume has z, y, x: write one channel "
            "and one time point of it"
        )
    return letters


def _files(where: Path) -> tuple[Path, ...]:
    return tuple(where / name for name in METADATA if (where / name).is_file())
