"""TIFF files: stacks of pages, ImageJ's and OME's, tiled, in strips or raw, of either byte order."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.convert.sources import Facts, check_numbers, three, unit_nm, voxel_size
from organelle.errors import FormatError, require_module
from organelle.geometry import Box, Nm, Voxels

SLICE_AXES = "ZIQTC"
"""Axes along which pages count as slices; Q and I are how TIFF writers say nothing of it."""

NM_PER_RESOLUTION_UNIT = {2: 2.54e7, 3: 1e7}
"""Inch and centimetre, the only units that plain TIFF knows."""

MOST_CHANNELS = 4
"""More of them are slices that were written as channels."""

DAMAGE = re.compile(r"invalid page offset|corrupt|failed to reshape|truncated")
"""What tifffile logs where it goes on with the pages that are left."""

COARSEST_NM = 1000.0
"""What is coarser is the resolution of a screen or printer, not of a microscope."""


@dataclass
class TiffStack:
    """One file with a page per slice."""

    facts: Facts
    file: Any
    series: Any

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`; whole pages are decoded, of raw ones only the rows."""
        out = np.empty(box.shape, self.facts.dtype)
        rows = slice(box.start[1], box.stop[1])
        columns = slice(box.start[2], box.stop[2])
        for number, z in enumerate(range(box.start[0], box.stop[0])):
            out[number] = self._rows(z, rows)[:, columns]
        return out

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _rows(self, z: int, rows: slice) -> NDArray[Any]:
        with decoding(f"{self.facts.name}, page {z}"):
            offset = self.series.dataoffset
            if offset is None:
                page = self.series.pages[z]
                if page is None:
                    raise FormatError(f"{self.facts.name}: page {z} is missing; write the file again")
                return as_plane(page, self.facts.shape[1:], f"{self.facts.name}, page {z}")[rows]
            return self._raw_rows(offset, z, rows)

    def _raw_rows(self, offset: int, z: int, rows: slice) -> NDArray[Any]:
        _, height, width = self.facts.shape
        stored = np.dtype(self.series.dtype).newbyteorder(self.file.byteorder)
        start = offset + (z * height + rows.start) * width * stored.itemsize
        count = (rows.stop - rows.start) * width
        values = np.fromfile(self.file.filehandle.path, stored, count, offset=start)
        if values.size != count:
            raise FormatError(f"{self.facts.name} is truncated: page {z} is not complete; copy it again")
        return values.reshape(-1, width)


def open_tiff(path: Path, array: str | None, repeat_missing: bool = False) -> TiffStack:  # noqa: ARG001
    """Open a TIFF file whose largest, or named, series is a stack of grey or label slices."""
    tifffile = require_module("tifffile", "import")
    file = None
    try:
        with decoding(path.name):
            file = tifffile.TiffFile(path)
            return _stack(file, _series(file, path, array), path)
    except BaseException:
        if file is not None:
            file.close()
        raise


def _stack(file: Any, series: Any, path: Path) -> TiffStack:
    axes = _stack_axes(series, path)
    sizes = [n for n, a in zip(series.shape, series.axes, strict=True) if n > 1 or a in "YX"]
    shape = three([1] * (3 - len(sizes)) + sizes)
    return TiffStack(_facts(file, series, path, shape, axes), file, series)


@contextmanager
def decoding(where: str) -> Iterator[None]:
    """Turn what tifffile raises over broken files into `FormatError`; `where` names the file."""
    damage = _Damage()
    logger = logging.getLogger("tifffile")
    logger.addHandler(damage)
    try:
        yield
        damage.check(where)
    except FormatError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FormatError(
            f"{where} cannot be read ({type(error).__name__}: {error}); write it again"
        ) from error
    finally:
        logger.removeHandler(damage)


class _Damage(logging.Handler):
    """Remembers what tifffile says of damage."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message that tells of damage."""
        if DAMAGE.search(record.getMessage()):
            self.told.append(record.getMessage())

    def check(self, where: str) -> None:
        """Raise `FormatError` if there was any."""
        if self.told:
            raise FormatError(f"{where} is truncated or corrupt ({self.told[0]}); copy or write it again")


def as_plane(page: Any, shape: tuple[int, ...], where: str) -> NDArray[Any]:
    """A page's voxels, y, x, in the machine's byte order."""
    values = page.asarray()
    values = values.reshape(values.shape[-2:]) if values.ndim > 2 and max(values.shape[:-2]) == 1 else values
    if values.shape != shape:
        raise FormatError(f"{where} has {values.shape} voxels, the others {shape}")
    return np.asarray(values, values.dtype.newbyteorder("="))


def page_size(file: Any, page: Any) -> tuple[Nm | None, str]:
    """Voxel size as ImageJ, OME or the resolution of a page tells it, and what tells it."""
    if file.is_ome and file.ome_metadata:
        return _ome_size(file.ome_metadata)
    y, x = (_pixel_nm(file, page, name) for name in ("YResolution", "XResolution"))
    imagej = file.imagej_metadata or {}
    spacing, unit = imagej.get("spacing"), unit_nm(imagej.get("unit", ""))
    if unit and spacing and y and x:
        return voxel_size((float(spacing) * unit, y, x)), "the metadata of ImageJ"
    if y and x and max(y, x) < COARSEST_NM:
        return None, f"its file says pixels of {y:g} x {x:g} nm (y, x), but not how thick slices are"
    return None, "its file does not say"


def _pixel_nm(file: Any, page: Any, name: str) -> float | None:
    tag, unit = page.tags.get(name), page.tags.get("ResolutionUnit")
    if tag is None:
        return None
    numerator, denominator = tag.value
    imagej = file.imagej_metadata
    named = unit_nm(imagej.get("unit", "")) if imagej else None
    each = named or NM_PER_RESOLUTION_UNIT.get(int(unit.value) if unit is not None else 0)
    return each * denominator / numerator if each and numerator and denominator else None


def _ome_size(text: str) -> tuple[Nm | None, str]:
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None, "its OME metadata is broken"
    pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels")), None)
    found = {} if pixels is None else pixels.attrib
    sizes = []
    for axis in "ZYX":
        unit = unit_nm(found.get(f"PhysicalSize{axis}Unit", "µm"))
        size = found.get(f"PhysicalSize{axis}")
        sizes.append(float(size) * unit if size and unit else None)
    told = voxel_size(sizes)
    return told, "its OME metadata" if told else "its OME metadata does not say all three sizes"


def _series(file: Any, path: Path, wanted: str | None) -> Any:
    listed = file.series
    if wanted is not None:
        if not (wanted.isdigit() and int(wanted) < len(listed)):
            raise FormatError(f"{path} has no series {wanted}; it holds {_listing(listed)}")
        return listed[int(wanted)]
    if len(listed) > 1:
        raise FormatError(
            f"{path} holds pages of different sizes or types: {_listing(listed)}; "
            "choose one with --array NUMBER"
        )
    return listed[0]


def _listing(listed: Any) -> str:
    return ", ".join(
        f"{n}: {' x '.join(map(str, s.shape))} {s.dtype} ({s.axes})" for n, s in enumerate(listed[:20])
    )


def _stack_axes(series: Any, path: Path) -> str:
    """The axes that are longer than 1, of which y and x must be the last."""
    long = "".join(a for a, n in zip(series.axes, series.shape, strict=True) if n > 1 or a in "YX")
    if "S" in long:
        raise FormatError(f"{path} holds colours ({series.axes} {series.shape}); make it grey first")
    before = long.removesuffix("YX")
    channels = before == "C" and series.shape[series.axes.index("C")] <= MOST_CHANNELS
    if not long.endswith("YX") or len(before) > 1 or before not in SLICE_AXES or channels:
        raise FormatError(
            f"{path} has the axes {series.axes} of {series.shape}; a stack has z, y, x: "
            "write one channel and one time point"
        )
    return long


def _facts(file: Any, series: Any, path: Path, shape: Voxels, axes: str) -> Facts:
    check_numbers(np.dtype(series.dtype), str(path))
    first = series.pages[0]
    size, said = page_size(file, first)
    notes = [f"slices are stacked along {axes[0]} of {series.axes}"] if axes[0] in "TC" else []
    raw = series.dataoffset is not None
    facts = Facts("TIFF", path.name, shape, np.dtype(series.dtype).newbyteorder("="), (1, *shape[1:]),
                  size, said, None, tuple(notes), (path,))  # fmt: skip
    return replace(facts, pieces=(1, 1, shape[2])) if raw else facts
