"""What will be packed: one row for each crop and class of the test table, and where its voxels come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.catalog import Catalog, Crop, processed_path
from organelle.classes import Kind, kind_of
from organelle.errors import FileMissing, FormatError, GridMismatch, SubmissionError
from organelle.geometry import Grid
from organelle.pack.assemble import Assembly, Choice, require_found
from organelle.pack.settings import ZEROS, AssembleSettings

if TYPE_CHECKING:
    from rich.table import Table

    from organelle.volumes import Volume


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One crop and class; `source` is None where nobody predicted it and zeros are written.

    `work` is the work folder that the source lies in, `passed_over` names others that hold the row, too.
    """

    crop: Crop
    class_name: str
    kind: Kind
    source: Path | None
    work: Path | None = None
    passed_over: tuple[Path, ...] = ()

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

    @property
    def runs(self) -> dict[Path, tuple[str, ...]]:
        """For each work folder the names of the rows that are taken from it."""
        works = dict.fromkeys(row.work for row in self.rows if row.work is not None)
        return {work: tuple(row.name for row in self.rows if row.work == work) for work in works}

    def __rich__(self) -> Table:
        from rich.table import Table

        title = f"{len(self.filled)} of {len(self.rows)} rows have a source, the others become zeros"
        table = Table("crop", "class", "source", title=title, title_justify="left")
        for row in self.rows:
            table.add_row(str(row.crop.id), row.class_name, str(row.source or ZEROS))
        return table


def plan_pack(catalog: Catalog, work: Path | str, *, assemble: AssembleSettings | None = None) -> PackPlan:
    """Look for a processed volume of every row of the test table; reads metadata only.

    Args:
        catalog: its test table.
        work: the work folder of all rows for which `assemble` names no other.
        assemble: the section `[assemble]`.

    Raises:
        FileMissing: a work folder without a folder `processed`; rows that are not where `assemble` says.
        GridMismatch: sources that do not cover their crop, all of them at once.
        SubmissionError: no row has a source, or sources are no labels, all of them at once.
    """
    assembly = Assembly(assemble or AssembleSettings(), catalog, work)
    choices = {f"{crop.name}/{name}": assembly.choose(crop, name) for crop, name in catalog.rows()}
    require_found(choices)
    plan = PackPlan(
        tuple(_planned(crop, name, choices[f"{crop.name}/{name}"]) for crop, name in catalog.rows())
    )
    if not plan.filled:
        raise SubmissionError(
            f"{assembly.default / 'processed'} holds no volume for any of the {len(plan.rows)} rows of "
            f'{catalog.name}; run "csc process" on the test crops first, or name the right --catalog'
        )
    _check_sources(plan)
    return plan


def _check_sources(plan: PackPlan) -> None:
    sources: dict[str, Volume] = {}
    wrong = []
    for row in plan.filled:
        try:
            sources[row.name] = open_source(row)
        except (FormatError, FileMissing) as error:
            wrong.append(f"{row.name}: {error}")
    wrong += [f"{name}: {v.path} holds {v.dtype}" for name, v in sources.items() if v.dtype.kind not in "biu"]
    if wrong:
        raise SubmissionError("\n".join((*wrong, 'these are no labels; make them with "csc process"')))
    gaps = [gap for row in plan.filled for gap in _gaps(row, sources[row.name])]
    if gaps:
        raise GridMismatch("\n".join((*gaps, "predict and process these crops again")))


def open_source(row: PlannedRow) -> Volume:
    """The finest level of a row's processed volume."""
    from organelle.volumes import open_multiscale

    if row.source is None:
        raise SubmissionError(f"{row.name} has no source")
    return open_multiscale(row.source).levels[0]


def _planned(crop: Crop, class_name: str, choice: Choice) -> PlannedRow:
    source = None if choice.work is None else processed_path(choice.work, crop, class_name)
    return PlannedRow(crop, class_name, kind_of(class_name), source, choice.work, choice.passed_over)


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
