"""What an import will do: a plain record, made before a voxel is written."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from organelle.classes import Kind
from organelle.convert.sources import Facts, Source, open_foreign
from organelle.errors import FormatError, SettingsError
from organelle.files import refuse_existing
from organelle.geometry import Box, Grid, Nm, Voxels

COARSEST_AXIS = 256
"""Levels are added until no axis is longer: such a level shows the whole volume at a glance."""

MOST_LEVELS = 8
SAMPLED_SLICES = 16
RANGE_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class ImportSettings:
    """How to import.

    Attributes:
        voxel_size_nm: z, y, x; None: as the file says.
        offset_nm: centre of the first voxel, z, y, x; None: as the file says, else 0.
        array: which array of HDF5 or N5, which series of TIFF.
        labels: whether values are labels or ids: coarser levels then hold the most frequent value.
        dtype: type to store, which must hold every value; None: that of the file.
        to_uint8: the values that become 0 and 255, all others in proportion; `auto` takes them from slices
            all over the volume (0.5 % of the voxels lie beyond each end).
        chunks: shape of the stored chunks.
        levels: number of levels; None: until no axis is longer than 256 voxels.
        memory_bytes: for voxels under way; one row of chunks and one piece of the file always fit.
        repeat_missing: whether missing slices of a folder are filled with the slice before.
    """

    voxel_size_nm: Nm | None = None
    offset_nm: Nm | None = None
    array: str | None = None
    labels: bool = False
    dtype: str | None = None
    to_uint8: tuple[float, float] | Literal["auto"] | None = None
    chunks: Voxels = (64, 64, 64)
    levels: int | None = None
    memory_bytes: int = 256 * 2**20
    repeat_missing: bool = False

    def __post_init__(self) -> None:
        if self.labels and self.to_uint8 is not None:
            raise SettingsError("labels are not grey values: leave out one of --labels and --to-uint8")
        if self.dtype is not None and self.to_uint8 is not None:
            raise SettingsError("--to-uint8 decides the type: leave out --dtype")
        if isinstance(self.to_uint8, tuple) and not self.to_uint8[0] < self.to_uint8[1]:
            raise SettingsError(f"--to-uint8 needs two values, the lower one first, not {self.to_uint8}")
        if min(self.chunks) < 1 or (self.levels is not None and not 1 <= self.levels <= 16):
            raise SettingsError(f"chunks of {self.chunks} or {self.levels} levels are not possible")


@dataclass(frozen=True)
class ImportPlan:
    """The work of one import.

    Attributes:
        source: the file or folder.
        output: the image that will stand there.
        facts: what the file says.
        grid: where the volume lies.
        dtype: of the stored voxels.
        window: the values that become 0 and 255, if any do.
        levels: number of levels.
        settings: what was asked for.
        notes: what should be known.
    """

    source: Path
    output: Path
    facts: Facts
    grid: Grid
    dtype: np.dtype[Any]
    window: tuple[float, float] | None
    levels: int
    settings: ImportSettings
    notes: tuple[str, ...] = field(default=())

    @property
    def kind(self) -> Kind:
        """Image or labels, which decides how coarser levels are made."""
        return Kind.INSTANCE if self.settings.labels else Kind.IMAGE

    @property
    def output_bytes(self) -> int:
        """Size of all levels before compression."""
        grid, total = self.grid, 0
        for _ in range(self.levels):
            total += grid.box.size * self.dtype.itemsize
            grid = grid.downsampled()
        return total

    @property
    def chunks(self) -> Voxels:
        """Shape of the stored chunks: not larger than the volume."""
        z, y, x = (min(c, n) for c, n in zip(self.settings.chunks, self.grid.shape, strict=True))
        return z, y, x

    @property
    def band_rows(self) -> int:
        """Rows of a layer of chunks that are in memory at a time: whole chunks, at least one."""
        rows = self.settings.memory_bytes // self._row_bytes
        return max(self.chunks[1], rows // self.chunks[1] * self.chunks[1])

    @property
    def is_spooled(self) -> bool:
        """Whether layers go through a file: they do not fit, and pieces of the source reach over bands."""
        depth, height, _ = self.facts.pieces
        plane = math.prod(self.grid.shape[1:]) * self.facts.dtype.itemsize
        fits = depth == 1 or depth * plane <= self.settings.memory_bytes
        return self.band_rows < min(height, self.grid.shape[1]) and fits

    @property
    def memory_bytes(self) -> int:
        """Voxels in memory at a time: a band of chunks, and what is decoded for it."""
        band = min(self.band_rows, self.grid.shape[1]) * self._row_bytes
        return band + 2 * math.prod(self.facts.pieces) * self.facts.dtype.itemsize

    @property
    def _row_bytes(self) -> int:
        """Bytes of a row of a layer, as it is stored and as it is read."""
        thin = min(self.facts.pieces[0], self.chunks[0]) * self.facts.dtype.itemsize
        return self.grid.shape[2] * (self.chunks[0] * self.dtype.itemsize + thin)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """All that the output depends on, as JSON values: an import goes on only with the same."""
        files = [[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in self.facts.files]
        asked = {k: v for k, v in asdict(self.settings).items() if k != "memory_bytes"}
        return {
            "files": files,
            "array": self.facts.name,
            "settings": _plain(asked),
            "window": _plain(self.window),
        }


def plan_import(
    source: Path | str, output: Path | str, settings: ImportSettings | None = None, *, overwrite: bool = False
) -> ImportPlan:
    """Find out what importing `source` as the image `output` takes; nothing is written.

    Raises:
        FileMissing: no such source.
        FormatError: it cannot be read as one volume, does not say its voxel size, or has no integer labels.
        OutputExists: something stands at `output` and `overwrite` is false.
        SettingsError: settings that contradict each other or do not fit.
        MissingExtra: the library for the format is not installed.
    """
    settings = settings or ImportSettings()
    refuse_existing(output, overwrite=overwrite)
    with open_foreign(source, array=settings.array, repeat_missing=settings.repeat_missing) as opened:
        facts = opened.facts
        if min(facts.shape) < 1:
            raise FormatError(f"{source} holds no voxel ({facts.shape})")
        grid = Grid(
            _size(facts, settings), settings.offset_nm or facts.origin_nm or (0.0, 0.0, 0.0), facts.shape
        )
        window = _window(opened, settings)
        dtype = _dtype(facts, settings, window)
    levels = settings.levels or _enough_levels(grid)
    notes = (*facts.notes, *_dtype_notes(facts, settings, dtype))
    return ImportPlan(Path(source), Path(output), facts, grid, dtype, window, levels, settings, notes)


def _size(facts: Facts, settings: ImportSettings) -> Nm:
    size = settings.voxel_size_nm or facts.voxel_size_nm
    if size is None:
        raise FormatError(
            f"the voxel size of {facts.name} is not known: {facts.said}; "
            "name it, z, y, x in nm: --voxel-size 8,4,4"
        )
    return size


def _window(source: Source, settings: ImportSettings) -> tuple[float, float] | None:
    """The values that become 0 and 255."""
    if settings.to_uint8 != "auto":
        facts = source.facts
        signed_bytes = facts.dtype == np.int8 and not settings.labels and settings.dtype is None
        return settings.to_uint8 or ((-128.0, 127.0) if signed_bytes else None)
    depth, height, width = source.facts.shape
    chosen = sorted({(2 * k + 1) * depth // (2 * SAMPLED_SLICES) for k in range(SAMPLED_SLICES)})
    rows = min(height, max(1, settings.memory_bytes // (8 * width * SAMPLED_SLICES)))
    start = (height - rows) // 2
    step = max(1, rows * width // 2**18)
    values = np.concatenate(
        [source.read(Box((z, start, 0), (1, rows, width))).ravel()[::step] for z in chosen]
    ).astype(np.float64)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, RANGE_PERCENTILES) if values.size else (0.0, 0.0)
    if not low < high:
        raise FormatError(f"{source.facts.name} shows no range of grey values; name one: --to-uint8 LOW,HIGH")
    return float(low), float(high)


def _dtype(facts: Facts, settings: ImportSettings, window: tuple[float, float] | None) -> np.dtype[Any]:
    if settings.labels and facts.dtype.kind == "f":
        raise FormatError(f"{facts.name} holds {facts.dtype}; labels are whole numbers: leave out --labels")
    if window is not None:
        return np.dtype(np.uint8)
    if settings.dtype is not None:
        return _named_dtype(settings.dtype)
    if facts.dtype.kind == "b":
        if settings.labels:
            return np.dtype(np.uint8)
        raise FormatError(f"{facts.name} holds bool, which is no grey value; if it is a mask, add --labels")
    return np.dtype(np.float32) if facts.dtype == np.float16 else facts.dtype


def _named_dtype(name: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or dtype == np.float16:
        raise SettingsError(f"--dtype {name!r} is no type of voxels; name uint8, uint16, float32, ...")
    return dtype.newbyteorder("=")


def _dtype_notes(facts: Facts, settings: ImportSettings, dtype: np.dtype[Any]) -> list[str]:
    if settings.labels or dtype == np.uint8:
        signed = facts.dtype == np.int8 and not settings.labels and settings.to_uint8 is None
        return ["signed bytes: 128 was added to each"] if signed else []
    return [
        f"grey values stay {dtype}: train and predict take them, but a checkpoint trained on 8-bit EM "
        "does not know such values; --to-uint8 LOW,HIGH or --to-uint8 auto makes 8 bits of them"
    ]


def _enough_levels(grid: Grid) -> int:
    longest = max(grid.shape)
    return min(MOST_LEVELS, 1 + max(0, math.ceil(math.log2(longest / COARSEST_AXIS))))


def _plain(value: Any) -> Any:
    """As JSON reads it back: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
