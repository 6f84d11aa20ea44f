"""What all foreign formats have in common, and which one a path is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from organelle.errors import FileMissing, FormatError, did_you_mean
from organelle.geometry import Box, Nm, Voxels

TIFF_SUFFIXES = (".tif", ".tiff")
MRC_SUFFIXES = (".mrc", ".rec", ".st", ".ali", ".map", ".mrcs")
TIFF_SIGNS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HDF5_SIGN = b"\x89HDF"

UNITS_NM = {
    "a": 0.1, "å": 0.1, "angstrom": 0.1, "angstroms": 0.1, "pm": 1e-3,
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometre": 1e3,
    "mm": 1e6, "millimeter": 1e6, "cm": 1e7, "m": 1e9, "meter": 1e9,
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a foreign file says about its volume.

    Attributes:
        format: `TIFF`, `MRC`, `HDF5`, `N5`, `zarr`.
        name: the file's name, with the path of the array within it.
        shape: voxels, z, y, x.
        dtype: type of the voxels that `read` gives, in the machine's byte order.
        pieces: what has to be decoded together, z, y, x: a slice, a strip, a chunk.
        voxel_size_nm: z, y, x; None if the file does not say all three.
        said: where it says so, or what it says instead.
        origin_nm: centre of the first voxel; None if the file does not say.
        notes: what was understood in a way that should be known.
        files: all files that it consists of.
    """

    format: str
    name: str
    shape: Voxels
    dtype: np.dtype[Any]
    pieces: Voxels
    voxel_size_nm: Nm | None
    said: str
    origin_nm: Nm | None
    notes: tuple[str, ...]
    files: tuple[Path, ...]


class Source(Protocol):
    """An open foreign volume."""

    @property
    def facts(self) -> Facts:
        """What is known of it."""

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`, z, y, x, which lies in the volume; `FormatError` if they cannot be decoded."""

    def close(self) -> None:
        """Close its files."""


@contextmanager
def open_foreign(
    path: Path | str, *, array: str | None = None, repeat_missing: bool = False
) -> Iterator[Source]:
    """Open a TIFF file, a folder of TIFF slices, an MRC or HDF5 file, an N5 container, or zarr.

    Args:
        path: file or folder.
        array: path of the array in HDF5, N5 and zarr; number of the series in TIFF. Needed where there are
            several.
        repeat_missing: whether a number that is missing in a folder of slices is filled with the slice
            before it.

    Raises:
        FileMissing: nothing is there.
        FormatError: none of these, or of a form that cannot be read as one grey or label volume.
        MissingExtra: the library for it is not installed.
    """
    place = Path(path)
    source = _opener(place)(place, array, repeat_missing)
    try:
        yield source
    finally:
        source.close()


def _opener(place: Path) -> Callable[[Path, str | None, bool], Source]:
    if not place.exists():
        siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise FileMissing(f"nothing is stored at {place}{did_you_mean(place.name, siblings)}")
    if place.is_dir():
        return _folder_opener(place)
    with place.open("rb") as stream:
        start = stream.read(212)
    if start.startswith(TIFF_SIGNS):
        from organelle.convert.tiff import open_tiff

        return open_tiff
    if start.startswith(HDF5_SIGN):
        from organelle.convert.hdf5 import open_hdf5

        return open_hdf5
    if start[208:211] == b"MAP" or place.suffix.lower() in MRC_SUFFIXES:
        from organelle.convert.mrc import open_mrc

        return open_mrc
    packed = " it is compressed as a whole: unpack it first;" if start[:2] in (b"\x1f\x8b", b"BZ") else ""
    raise FormatError(f"{place} is neither TIFF, MRC nor HDF5;{packed} other files cannot be imported")


def _folder_opener(place: Path) -> Callable[[Path, str | None, bool], Source]:
    if any(p.suffix.lower() in TIFF_SUFFIXES for p in place.iterdir()):
        from organelle.convert.slices import open_slices

        return open_slices
    if any((p / "attributes.json").is_file() for p in (place, *place.parents)) or place.suffix == ".n5":
        from organelle.convert.n5 import open_n5

        return open_n5
    if any((place / name).is_file() for name in (".zarray", ".zgroup", "zarr.json")):
        from organelle.convert.zarr_array import open_zarr

        return open_zarr
    held = sorted({p.suffix or "folders" for p in place.iterdir()})
    raise FormatError(
        f"{place} is a folder with neither TIFF slices nor N5 nor zarr in it; "
        f"it holds {', '.join(held[:8]) or 'nothing'}"
    )


def three(shape: Any) -> Voxels:
    """Three whole numbers as a tuple."""
    z, y, x = (int(n) for n in shape)
    return z, y, x


def check_numbers(dtype: np.dtype[Any], where: str) -> None:
    """Refuse voxels that are no numbers."""
    if dtype.kind not in "biuf":
        raise FormatError(f"{where} holds {dtype}; a volume needs whole numbers, floats or bool")


def unit_nm(text: Any) -> float | None:
    """Nanometres of a unit as people write it; None for what is no unit of length."""
    name = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    name = re.sub(r"\\u00[bB]5", "µ", name)  # as ImageJ writes it
    return UNITS_NM.get(name.strip().lower())


def voxel_size(numbers: Any) -> Nm | None:
    """Three positive finite numbers, else None."""
    try:
        z, y, x = (float(n) for n in numbers)
    except (TypeError, ValueError):
        return None
    return (z, y, x) if all(0 < n < float("inf") for n in (z, y, x)) else None
