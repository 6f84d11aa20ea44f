"""Pack: every row of the test table into one zip, ids intact, exactly on the crop's grid."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from organelle.catalog import Catalog
from organelle.classes import Kind
from organelle.errors import SubmissionError
from organelle.files import refuse_existing, whole
from organelle.geometry import Box
from organelle.pack.plan import PackPlan, PlannedRow, open_source, plan_pack
from organelle.pack.records import PackedRow, PackReport
from organelle.pack.settings import PackSettings
from organelle.pack.source import slabs
from organelle.progress import track
from organelle.submission import ZarrZip, validate

FLAGGED_IDS = 1 << 24
"""Up to this id, distinct ids are counted with one flag each; beyond it they are sorted."""


def pack(
    catalog: Catalog,
    work: Path | str,
    out: Path | str,
    *,
    overwrite: bool = False,
    workers: int = 1,
    settings: PackSettings | None = None,
) -> PackReport:
    """Write the submission for the test crops of `catalog` to the zip `out`.

    Each row is read from `{work}/processed`, wherever in there an experiment left it, and laid on the crop's
    grid; rows that nobody predicted become zeros, because a missing row scores worse. The same input gives
    the same bytes, for any number of `workers` (threads that compress). Memory: a few slabs of one crop.

    Raises:
        OutputExists: `out` exists; nothing was read.
        FileMissing, GridMismatch, SubmissionError: see `plan_pack`; also negative ids.
        ChunkError: a source that cannot be decoded. Nothing stands under `out` then.
    """
    refuse_existing(out, overwrite=overwrite)
    plan = plan_pack(catalog, work)
    stored = settings or PackSettings()
    with whole(out, overwrite=overwrite) as part:
        archive = ZarrZip(part, chunk_voxels=stored.chunk_voxels, compression_level=stored.compression_level)
        with archive, ThreadPoolExecutor(workers) as pool:
            rows = tuple(_pack_rows(archive, pool, plan))
        _check(part, catalog)
    return PackReport(Path(out), rows)


def _pack_rows(archive: ZarrZip, pool: Executor, plan: PackPlan) -> Iterator[PackedRow]:
    archive.write_group("")
    begun: set[int] = set()
    for row in track(plan.rows, "packing"):
        if row.crop.id not in begun:
            archive.write_group(f"{row.crop.name}/")
            begun.add(row.crop.id)
        yield _pack_row(archive, pool, row)


def _pack_row(archive: ZarrZip, pool: Executor, row: PlannedRow) -> PackedRow:
    """Read the source twice: once for its largest id, which decides the dtype, and once to write it."""
    height = archive.chunk_shape(row.crop.grid)[0]
    census = _Census()
    for _, labels in _slabs_of(row, height):
        census.count(labels)
    archive.write_array(row.name, row.crop.grid, census.dtype)
    stored = sum(
        _write_slab(archive, pool, row, box, labels.astype(census.dtype, copy=False))
        for box, labels in _slabs_of(row, height)
    )
    return PackedRow(
        crop=row.crop.id,
        class_name=row.class_name,
        source=row.source,
        dtype=str(census.dtype),
        ids=census.ids if row.kind is Kind.INSTANCE else None,
        voxels=census.voxels,
        stored_bytes=stored,
    )


def _slabs_of(row: PlannedRow, height: int) -> Iterator[tuple[Box, np.ndarray]]:
    if row.source is not None:
        yield from slabs(open_source(row), row.crop.grid, row.kind, height)


def _write_slab(archive: ZarrZip, pool: Executor, row: PlannedRow, box: Box, labels: np.ndarray) -> int:
    """Write the chunks of one slab that are not all 0; returns their compressed size."""
    shape = archive.chunk_shape(row.crop.grid)
    tiles = [tile for tile in box.tiles(shape) if labels[tile.slices(box.start)].any()]
    encoded = pool.map(lambda tile: archive.encode(labels[tile.slices(box.start)], shape), tiles)
    stored = 0
    for tile, data in zip(tiles, encoded, strict=True):
        archive.write_chunk(row.name, [a // n for a, n in zip(tile.start, shape, strict=True)], data)
        stored += len(data)
    return stored


def _check(path: Path, catalog: Catalog) -> None:
    """Let the validator look at the finished file before it gets its name."""
    report = validate(path, catalog, read_values=False)
    if report.problems:
        raise SubmissionError(
            "what was packed does not pass the validator, so it was not kept:\n"
            + "\n".join(f"{p.code}: {p}" for p in report.problems)
        )


class _Census:
    """Counts voxels and distinct ids, plane by plane."""

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

    def count(self, labels: np.ndarray) -> None:
        """Take in some labels, unsigned, z y x."""
        for plane in labels:
            highest = int(plane.max(initial=0))
            self.highest = max(self.highest, highest)
            self.voxels += int(np.count_nonzero(plane))
            if highest < FLAGGED_IDS:
                self._small[plane] = True
            else:
                self._small[plane[plane < FLAGGED_IDS]] = True
                self._large.update(np.unique(plane[plane >= FLAGGED_IDS]).tolist())
