"""HDF5 files: one dataset of voxels, z, y, x."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.convert.sources import Facts, check_numbers, three, voxel_size
from organelle.errors import FormatError, did_you_mean, require_module
from organelle.geometry import Box, Nm

MOST_NAMED = 20


@dataclass
class Hdf5Volume:
    """One dataset; axes of size 1 before z are dropped."""

    facts: Facts
    file: Any
    dataset: Any

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`; chunks that it touches are decoded."""
        before = (0,) * (self.dataset.ndim - 3)
        try:
            values = self.dataset[(*before, *box.slices())]
        except OSError as error:
            raise FormatError(
                f"{self.facts.name}: {box} cannot be read ({error}); it is damaged, or compressed in a way "
                "that h5py knows only with hdf5plugin"
            ) from error
        return np.asarray(values, self.facts.dtype)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def open_hdf5(path: Path, array: str | None, repeat_missing: bool = False) -> Hdf5Volume:  # noqa: ARG001
    """Open the dataset `array` of an HDF5 file, or its only one of three axes."""
    h5py = require_module("h5py", "import")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FormatError(f"{path} cannot be opened as HDF5 ({error}); copy or write it again") from error
    try:
        dataset = _chosen(h5py, file, path, array)
        return Hdf5Volume(_facts(dataset, path), file, dataset)
    except BaseException:
        file.close()
        raise


def _chosen(h5py: Any, file: Any, path: Path, wanted: str | None) -> Any:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim >= 3:
            found[name] = item

    file.visititems(visit)
    if wanted is not None:
        name = wanted.strip("/")
        if name not in found:
            raise FormatError(
                f"{path} has no array {name!r} of three axes{did_you_mean(name, found)}; {_listing(found)}"
            )
        return found[name]
    if len(found) != 1:
        raise FormatError(f"{path}: {_listing(found)}{'; choose one with --array PATH' if found else ''}")
    return next(iter(found.values()))


def _listing(found: Mapping[str, Any]) -> str:
    if not found:
        return "it holds no array of three axes"
    told = [f"{name} ({' x '.join(map(str, d.shape))} {d.dtype})" for name, d in found.items()]
    more = f" and {len(told) - MOST_NAMED} more" if told[MOST_NAMED:] else ""
    return f"it holds {', '.join(told[:MOST_NAMED])}{more}"


def _facts(dataset: Any, path: Path) -> Facts:
    name = f"{path.name}:{dataset.name}"
    if dataset.ndim > 3 and max(dataset.shape[:-3]) > 1:
        raise FormatError(f"{name} has {dataset.shape} voxels; a volume has z, y, x: write one channel of it")
    check_numbers(dataset.dtype, name)
    shape = three(dataset.shape[-3:])
    pieces = three(dataset.chunks[-3:]) if dataset.chunks else (1, 1, shape[2])
    size, origin, said = _place(dict(dataset.attrs))
    return Facts(
        "HDF5", name, shape, dataset.dtype.newbyteorder("="), pieces, size, said, origin, (), (path,)
    )


def _place(attributes: Mapping[str, Any]) -> tuple[Nm | None, Nm | None, str]:
    """Voxel size and offset: `element_size_um` (as in Fiji), or `resolution` and `offset` in nm (CREMI)."""
    size = voxel_size(attributes.get("element_size_um"))
    if size is not None:
        z, y, x = (n * 1000 for n in size)
        return (z, y, x), None, "its attribute element_size_um (z, y, x)"
    size = voxel_size(attributes.get("resolution"))
    if size is None:
        return None, None, "its attributes do not say (neither element_size_um nor resolution)"
    try:
        z, y, x = (float(n) for n in attributes["offset"])
    except (KeyError, TypeError, ValueError):
        return size, None, "its attribute resolution, taken as z, y, x in nm"
    return size, (z, y, x), "its attributes resolution and offset, taken as z, y, x in nm"
