"""What will be packed: one row for each crop and class of the test table, and where its voxels come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.catalog import Catalog, Crop, processed_path
from organelle.classes import Kind, kind_of
from organelle.errors import GridMismatch, SubmissionError, require_folder
from organelle.geometry import Grid

if TYPE_CHECKING:
    from rich.table import Table

    from organelle.volumes import Volume


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One crop and class; `source` is None where nobody predicted it and zeros are written."""

    crop: Crop
    class_name: str
    kind: Kind
    source: Path | None

    @property
    def name(self) -> str:
        """Its folder in the submission."""
        return f"{self.crop.name}/{self.class_name}"


@dataclass(frozen=True, slots=True)
class PackPlan:
    """All rows in the table's order."""

    rows: tuple[PlannedRow, ...]

    @property
    def filled(self) -> tuple[PlannedRow, ...]:
        """The rows that have a source."""
        return tuple(row for row in self.rows if row.source is not None)

    def __rich__(self) -> Table:
        from rich.table import Table

        title = f"{len(self.filled)} of {len(self.rows)} rows have a source, the others become zeros"
        table = Table("crop", "class", "source", title=title, title_justify="left")
        for row in self.rows:
            table.add_row(str(row.crop.id), row.class_name, str(row.source or "zeros"))
        return table


def plan_pack(catalog: Catalog, work: Path | str) -> PackPlan:
    """Look for a processed volume of every row of the test table below `work`; reads metadata only.

    Raises:
        FileMissing: no folder `processed` in `work`.
        GridMismatch: sources that do not cover their crop, all of them at once.
        SubmissionError: no row has a source, or sources hold no labels, all of them at once.
    """
    folder = require_folder(Path(work) / "processed", "processed volumes (written by csc process)")
    plan = PackPlan(tuple(_planned(work, crop, name) for crop, name in catalog.rows()))
    if not plan.filled:
        raise SubmissionError(
            f"{folder} holds no volume for any of the {len(plan.rows)} rows of {catalog.name}; "
            'run "csc process" on the test crops first, or name the right --catalog'
        )
    sources = {row.name: open_source(row) for row in plan.filled}
    floats = [f"{name}: {v.path} holds {v.dtype}" for name, v in sources.items() if v.dtype.kind == "f"]
    if floats:
        raise SubmissionError("\n".join((*floats, 'these are no labels; make them with "csc process"')))
    gaps = [gap for row in plan.filled for gap in _gaps(row, sources[row.name])]
    if gaps:
        raise GridMismatch("\n".join((*gaps, "predict and process these crops again")))
    return plan


def open_source(row: PlannedRow) -> Volume:
    """The finest level of a row's processed volume."""
    from organelle.volumes import open_multiscale

    if row.source is None:
        raise SubmissionError(f"{row.name} has no source")
    return open_multiscale(row.source).levels[0]


def _planned(work: Path | str, crop: Crop, class_name: str) -> PlannedRow:
    source = processed_path(work, crop, class_name)
    return PlannedRow(crop, class_name, kind_of(class_name), source if source.is_dir() else None)


def _gaps(row: PlannedRow, source: Volume) -> Iterator[str]:
    if not covers(source.grid, row.crop.grid):
        yield (
            f"{row.name}: {source.path} reaches {_span(source.grid)}, "
            f"which does not cover the crop, {_span(row.crop.grid)}"
        )


def covers(source: Grid, target: Grid) -> bool:
    """Whether every voxel of `target` lies inside of `source`, to a twentieth of a voxel."""
    return source.box.contains(source.box_of(target.extent, snap="outer"))


def _span(grid: Grid) -> str:
    start = ", ".join(f"{v:g}" for v in grid.extent.start_nm)
    stop = ", ".join(f"{v:g}" for v in grid.extent.stop_nm)
    size = ", ".join(f"{v:g}" for v in grid.voxel_size_nm)
    return f"({start}) to ({stop}) nm in voxels of ({size}) nm"
