"""What was made truth, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

STORE = "truth.zarr"
"""The truth store's name beside the tables that belong to it."""


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One class of one crop as it was written.

    `voxels` are those above 0, `objects` the distinct ids (None for semantic labels), `unknown` the voxels
    that the mask takes out of the score. `notes` say what a reader of the score should know.
    """

    crop_id: int
    class_name: str
    dtype: str
    voxels: int
    unknown: int
    objects: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not written, and why; `class_name` is None for a whole crop."""

    crop_id: int
    class_name: str | None
    reason: str

    def __str__(self) -> str:
        name = f"/{self.class_name}" if self.class_name else ""
        return f"crop{self.crop_id}{name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class TruthReport:
    """A finished folder: `path` holds the store and the tables of its catalog."""

    path: Path
    rows: tuple[TruthRow, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def store(self) -> Path:
        """What `evaluate` takes as truth."""
        return self.path / STORE

    @property
    def summary(self) -> str:
        """One sentence."""
        crops = len({row.crop_id for row in self.rows})
        masked = sum(row.unknown > 0 for row in self.rows)
        return f"{self.store}: {len(self.rows)} classes of {crops} crops, {masked} with unknown voxels masked"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table
        from rich.text import Text

        table = Table("crop", "class")
        for heading in ("objects", "voxels", "unknown", "dtype"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            objects = "" if row.objects is None else f"{row.objects:,}"
            numbers = (objects, f"{row.voxels:,}", f"{row.unknown:,}", row.dtype)
            table.add_row(str(row.crop_id), row.class_name, *numbers)
        yield table
        for row in self.rows:
            for note in row.notes:
                yield Text(f"note: crop{row.crop_id}/{row.class_name}: {note}")
        for left in self.left_out:
            yield Text(f"left out: {left}")
        yield Text(self.summary)
