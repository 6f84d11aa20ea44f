"""MRC files (and .rec, .st, .map): https://www.ccpem.ac.uk/mrc-format/mrc2014/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.convert.sources import Facts, check_numbers, three, voxel_size
from organelle.errors import FormatError, require_module
from organelle.geometry import Box, Nm

HEADER_BYTES = 1024
IMOD_STAMP = 1146047817
"""In bytes 152 to 155: IMOD wrote the file, and bit 0 of the next number says whether bytes are signed
(https://bio3d.colorado.edu/imod/doc/mrc_format.txt)."""

TURNED_DEPTH = 64
"""Planes that are read together where the file holds z as rows or columns: each reading passes through all
of the file."""


@dataclass
class MrcVolume:
    """One volume, read row by row from the file: nothing is mapped into memory."""

    facts: Facts
    path: Path
    offset: int
    stored: np.dtype[Any]
    stored_shape: tuple[int, int, int]
    order: tuple[int, int, int]
    """Which stored axis is z, y, x: 0 are sections, 1 rows, 2 columns."""
    unsigned: bool

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`."""
        start, stop = [0] * 3, [0] * 3
        for axis, held in enumerate(self.order):
            start[held], stop[held] = box.start[axis], box.stop[axis]
        sections = [self._rows(s, start[1], stop[1])[:, start[2] : stop[2]] for s in range(start[0], stop[0])]
        values = np.stack(sections).transpose(self.order)
        values = values.view(np.uint8) if self.unsigned else values
        return np.ascontiguousarray(values, self.facts.dtype)

    def close(self) -> None:
        """Nothing is kept open."""

    def _rows(self, section: int, start: int, stop: int) -> NDArray[Any]:
        _, rows, columns = self.stored_shape
        count = (stop - start) * columns
        offset = self.offset + (section * rows + start) * columns * self.stored.itemsize
        values = np.fromfile(self.path, self.stored, count, offset=offset)
        if values.size != count:
            raise FormatError(f"{self.path} is truncated: section {section} is not complete; copy it again")
        return values.reshape(-1, columns)


def open_mrc(path: Path, array: str | None, repeat_missing: bool = False) -> MrcVolume:  # noqa: ARG001
    """Open an MRC file of one volume."""
    mrcfile = require_module("mrcfile", "import")
    if array is not None:
        raise FormatError(f"{path}: an MRC file holds one volume; leave out --array")
    header, unsigned = _header(mrcfile, path)
    shape = three(mrcfile.utils.data_shape_from_header(header))
    stored = mrcfile.utils.data_dtype_from_header(header)
    check_numbers(stored, str(path))
    offset = HEADER_BYTES + int(header.nsymbt)
    needed = offset + int(np.prod(shape, dtype=np.int64)) * stored.itemsize
    if path.stat().st_size < needed:
        raise FormatError(
            f"{path} is truncated: {path.stat().st_size} of {needed} bytes are there; copy it again"
        )
    order = _order(header, path)
    unsigned = unsigned and stored == np.int8
    dtype = np.dtype(np.uint8) if unsigned else stored.newbyteorder("=")
    size, said = _size(header)
    z, y, x = (shape[a] for a in order)
    pieces = (1 if order == (0, 1, 2) else min(TURNED_DEPTH, z), 1, x)
    notes = _notes(header, order, unsigned=unsigned)
    facts = Facts("MRC", path.name, (z, y, x), dtype, pieces, size, said, None, notes, (path,))
    return MrcVolume(facts, path, offset, stored, shape, order, unsigned)


def _header(mrcfile: Any, path: Path) -> tuple[Any, bool]:
    """The header, and whether IMOD says that bytes are unsigned."""
    import warnings

    try:
        with warnings.catch_warnings(), mrcfile.open(path, permissive=True, header_only=True) as file:
            warnings.simplefilter("ignore")
            header = file.header.copy()
    except (ValueError, RuntimeWarning, UserWarning) as error:
        raise FormatError(f"{path} is no MRC file that can be read ({error}); write it again") from error
    if header is None or int(header.mode) == 4 or int(header.nz) < 1:
        raise FormatError(f"{path}: its header describes no real volume; write it again")
    if 401 <= int(header.ispg) <= 630:
        raise FormatError(f"{path} holds a stack of volumes; write one volume per file")
    with path.open("rb") as stream:
        stream.seek(152)
        stamp, flags = np.frombuffer(
            stream.read(8), header.mode.dtype.newbyteorder(header.mode.dtype.byteorder)
        )
    return header, bool(stamp == IMOD_STAMP and not flags & 1)


def _order(header: Any, path: Path) -> tuple[int, int, int]:
    """Which stored axis (sections, rows, columns) is z, y, x."""
    named = [int(header.maps), int(header.mapr), int(header.mapc)]  # 1 is x, 2 is y, 3 is z
    if named == [0, 0, 0]:
        named = [3, 2, 1]
    if sorted(named) != [1, 2, 3]:
        raise FormatError(f"{path}: mapc, mapr, maps are {named[::-1]}, not 1, 2 and 3; mend its header")
    return named.index(3), named.index(2), named.index(1)


def _size(header: Any) -> tuple[Nm | None, str]:
    cell, count = header.cella, (int(header.mz), int(header.my), int(header.mx))
    edges = (float(cell.z), float(cell.y), float(cell.x))
    if min(count) < 1 or not any(edges):
        return None, "its header does not say"
    angstrom = [e / n for e, n in zip(edges, count, strict=True)]
    if all(abs(a - 1) < 1e-6 for a in angstrom):
        return None, "its header says 1 angstrom, which is what programs write that do not know"
    return voxel_size([round(a / 10, 6) for a in angstrom]), "its header"


def _notes(header: Any, order: tuple[int, int, int], *, unsigned: bool) -> tuple[str, ...]:
    notes = []
    if order != (0, 1, 2):
        notes.append("the header names other axes than x for columns, y for rows: they were turned")
    if unsigned:
        notes.append("mode 0 counts as unsigned, as IMOD's flag says")
    if any(float(header.origin[a]) for a in "xyz"):
        notes.append("the origin in its header was not used; name a place with --offset")
    return tuple(notes)
