"""One row of the submission, packed into a small zip of its own: in this process or in a child."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import organelle
from organelle.classes import Kind
from organelle.errors import SubmissionError
from organelle.geometry import Grid, Voxels
from organelle.pack.plan import PackPlan, PlannedRow
from organelle.pack.records import PackedRow
from organelle.pack.settings import PackSettings
from organelle.pack.source import block_shape, blocks
from organelle.submission import ZarrZip

if TYPE_CHECKING:
    from organelle.volumes import Volume

FORM = 1
"""Raised whenever the bytes of a row may come out differently."""

FLAGGED_IDS = 1 << 24
"""Up to this id, distinct ids are counted with one flag each; beyond it they are sorted."""

METADATA = {".zgroup", ".zattrs", ".zarray", ".zmetadata", "zarr.json"}


@dataclass(frozen=True)
class RowTask:
    """All that the bytes of a row depend on; plain values, so that a child process can be told.

    `groups` are the folders that begin with this row, `stamp` says how its source stands on the disk.
    """

    name: str
    crop_id: int
    class_name: str
    kind: str
    grid: Mapping[str, Any]
    source: str | None
    stamp: str
    groups: tuple[str, ...]
    chunk_voxels: int
    compression_level: int

    @property
    def file_name(self) -> str:
        """How its finished files begin."""
        return self.name.replace("/", ".")

    @property
    def target(self) -> Grid:
        """The crop's grid."""
        return Grid(**{key: tuple(numbers) for key, numbers in self.grid.items()})

    @cached_property
    def key(self) -> str:
        """Names all of this: rows with the same key have the same bytes."""
        record = [FORM, organelle.__version__, asdict(self)]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def row_tasks(plan: PackPlan, settings: PackSettings) -> tuple[RowTask, ...]:
    """The rows of a plan as tasks; looks at the dates of all files of their sources."""
    begun: set[int] = set()
    tasks = []
    for row in plan.rows:
        groups = [f"{row.crop.name}/"] if row.crop.id not in begun else []
        tasks.append(_task(row, ("", *groups) if not begun else tuple(groups), settings))
        begun.add(row.crop.id)
    return tuple(tasks)


def stamp_of(source: Path) -> str:
    """A hash of names, sizes and dates of a volume's metadata and of the files of its finest level.

    Voxels are not read. Whoever changes them changes the date of a file, too.
    """
    from organelle.volumes import open_multiscale

    level = open_multiscale(source).levels[0].path
    files = [source / name for name in METADATA]
    files += [Path(folder) / name for folder, _, names in os.walk(str(level)) for name in names]
    digest = hashlib.sha256()
    for file in sorted(set(files)):
        if file.is_file():
            status = file.stat()
            digest.update(f"{file.relative_to(source)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def write_row(task: RowTask, folder: Path) -> None:
    """Pack one row into `{folder}/{task.file_name}.zip`, and what it holds beside it as JSON.

    The source is read once where its ids need the 8 or 16 bits that they have, else twice. Memory: a few
    blocks of `organelle.pack.source.BLOCK_VOXELS`.

    Raises:
        SubmissionError: negative ids, or the source changed meanwhile.
        ChunkError: a source that cannot be decoded.
    """
    # An orphan of an earlier call may be writing the same row for another moment.
    part, final = folder / f"{task.file_name}.{os.getpid()}.part", folder / f"{task.file_name}.zip"
    if task.source is None:
        census, stored = _Census(), _write(task, part, np.dtype(np.uint8), None, _Census())
    else:
        census, stored = _write_source(task, part)
    row = PackedRow(
        crop=task.crop_id,
        class_name=task.class_name,
        source=None if task.source is None else Path(task.source),
        dtype=str(census.dtype),
        ids=census.ids if task.kind == Kind.INSTANCE.value else None,
        voxels=census.voxels,
        stored_bytes=stored,
    )
    part.rename(final)
    record = {"key": task.key, "crc": crc_of(final), "packed": row.to_dict()}
    part.write_text(json.dumps(record))
    part.rename(final.with_suffix(".json"))


def write_row_in_child(task: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """`write_row` of a task as plain values; a failure of the disk comes back as values, too."""
    try:
        write_row(RowTask(**{**task, "groups": tuple(task["groups"])}), Path(folder))
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror or str(error), "filename": error.filename}
    return {}


def crc_of(path: Path) -> int:
    """Checksum of a file's bytes."""
    crc = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def _task(row: PlannedRow, groups: tuple[str, ...], settings: PackSettings) -> RowTask:
    return RowTask(
        name=row.name,
        crop_id=row.crop.id,
        class_name=row.class_name,
        kind=row.kind.value,
        grid=asdict(row.crop.grid),
        source=None if row.source is None else str(row.source),
        stamp="" if row.source is None else stamp_of(row.source),
        groups=groups,
        chunk_voxels=settings.chunk_voxels,
        compression_level=settings.compression_level,
    )


def _write_source(task: RowTask, part: Path) -> tuple[_Census, int]:
    """Write with the type that the ids probably need; once more where they need another."""
    from organelle.volumes import open_multiscale

    place = Path(str(task.source))
    volume = open_multiscale(place).levels[0]
    dtype, census = _likely_dtype(task, volume), _Census()
    stored = _write(task, part, dtype, volume, census)
    if census.dtype != dtype:
        dtype, census = census.dtype, _Census()
        stored = _write(task, part, dtype, volume, census)
    if stamp_of(place) != task.stamp:
        raise SubmissionError(
            f"{place} changed while it was being packed; wait until it is written, then retry"
        )
    return census, stored


def _likely_dtype(task: RowTask, volume: Volume) -> np.dtype[Any]:
    """Up to 16 bits as they are stored; wider ids are read once to see, as most programs waste bits."""
    if task.kind == Kind.SEMANTIC.value or volume.dtype.kind == "b":
        return np.dtype(np.uint8)
    if volume.dtype.itemsize <= 2:
        return np.dtype(f"u{volume.dtype.itemsize}")
    census = _Census()
    for _ in _chunks(task, (task.chunk_voxels,) * 3, volume, census):
        pass
    return census.dtype


def _write(task: RowTask, part: Path, dtype: np.dtype[Any], volume: Volume | None, census: _Census) -> int:
    """Write the row's zip and count what is in it; returns the compressed size of its chunks."""
    grid, stored = task.target, 0
    with ZarrZip(part, chunk_voxels=task.chunk_voxels, compression_level=task.compression_level) as archive:
        for group in task.groups:
            archive.write_group(group)
        archive.write_array(task.name, grid, dtype)
        shape = archive.chunk_shape(grid)
        for index, voxels in _chunks(task, shape, volume, census):
            data = archive.encode(voxels.astype(dtype, copy=False), shape)
            archive.write_chunk(task.name, index, data)
            stored += len(data)
    return stored


def _chunks(
    task: RowTask, shape: Voxels, volume: Volume | None, census: _Census
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Number and voxels of every chunk that is not all 0, counted on the way."""
    if volume is None:
        return
    grid = task.target
    for box, labels in blocks(volume, grid, Kind(task.kind), block_shape(shape, grid, volume.grid)):
        for tile in box.tiles(shape):
            voxels = np.ascontiguousarray(labels[tile.slices(box.start)])
            if census.count(voxels):
                yield [a // n for a, n in zip(tile.start, shape, strict=True)], voxels


class _Census:
    """Counts voxels and distinct ids."""

    def __init__(self) -> None:
        self.highest = 0
        self.voxels = 0
        self._small = np.zeros(FLAGGED_IDS, bool)
        self._large: set[int] = set()

    @property
    def ids(self) -> int:
        """Number of distinct ids above 0."""
        return int(np.count_nonzero(self._small[1:])) + len(self._large)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned type that holds every id."""
        return np.dtype(np.min_scalar_type(self.highest))

    def count(self, labels: np.ndarray) -> int:
        """Take in some labels, unsigned, z y x; returns how many of them are not 0."""
        highest = int(labels.max(initial=0))
        if highest == 0:
            return 0
        self.highest = max(self.highest, highest)
        filled = int(np.count_nonzero(labels))
        self.voxels += filled
        if highest > 1 or not self._small[1]:
            self._flag(labels.reshape(-1), highest)
        return filled

    def _flag(self, labels: np.ndarray, highest: int) -> None:
        """Note the ids of a row of labels: one voxel of each run along x is enough."""
        last = np.append(np.flatnonzero(labels[1:] != labels[:-1]), len(labels) - 1)
        ids = labels[last]
        if highest < FLAGGED_IDS:
            self._small[ids] = True
        else:
            self._small[ids[ids < FLAGGED_IDS]] = True
            self._large.update(np.unique(ids[ids >= FLAGGED_IDS]).tolist())
