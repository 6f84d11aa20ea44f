"""Process crops: read probabilities, follow each class's recipe, write objects and masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from organelle.catalog import Catalog, Region
from organelle.errors import LedgerGone, RecipeError, WorkError
from organelle.files import require_local
from organelle.process.job import Crew, carry_out
from organelle.process.making import Processed
from organelle.process.plan import Classes, ProcessPlan, plan_process
from organelle.process.recipes import ProcessSettings

MOST_NAMED = 5
"""Volumes that failed, named in the error."""


@dataclass(frozen=True)
class ProcessReport:
    """What `process` did."""

    plan: ProcessPlan
    results: tuple[Processed, ...]

    @property
    def written(self) -> tuple[Path, ...]:
        """The outputs of this call."""
        return tuple(result.path for result in self.results)

    @property
    def kept(self) -> tuple[Path, ...]:
        """Outputs that were there already."""
        return self.plan.kept

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        return tuple(warning for result in self.results for warning in result.warnings)


def process(
    catalog: Catalog,
    crops: str | int | Iterable[str | int] | None,
    *,
    work: Path | str,
    settings: ProcessSettings | None = None,
    output: Path | str | None = None,
    classes: Classes = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    block_seconds: float | None = None,
) -> ProcessReport:
    """Write `{output}/processed/{dataset}.zarr/{crop or region}/{class}` for every class.

    Instance classes become ids 1..N in the order of their first voxel, in the smallest type that holds
    them; semantic classes become 0 and 1. The grid is that of the prediction. Each output appears when it
    is whole; what the same recipe made from the same predictions before is kept.

    Args:
        catalog: what exists.
        crops: as in `Catalog.select`: `"test"`, `"*"`, numbers; None for none.
        work: folder with the predictions.
        output: another work folder for what is made; default: `work`.
        settings: the section `[process]`.
        classes: those to process, or a function that names them for a crop; default: all that are predicted.
        regions: boxes of datasets beside the crops.
        overwrite: replace outputs that stand there.
        workers: local processes, which share the volumes: one class of one crop each, or together a large
            one, block by block (see `alone_voxels` in `settings`).
        scheduler: address of a Dask scheduler, whose workers do it instead.
        block_seconds: what one volume may take, or one block of a large one, until its worker is ended, see
            `organelle.blocks.work_through`. Default: any time.

    Raises:
        FileMissing: a class, or one that its recipe needs, is not predicted.
        GridMismatch: predictions that a recipe needs lie on different grids.
        OutputExists: the output of another recipe or prediction stands there. Nothing was computed.
        RecipeError: recipes were stopped, since they make specks; all others were followed.
        WorkError: volumes that failed three times, each named; all others are finished.
    """
    settings = settings or ProcessSettings()
    planned = partial(
        plan_process,
        catalog,
        crops,
        work=work,
        settings=settings,
        output=output,
        classes=classes,
        regions=regions,
    )
    place = require_local(output or work)
    crew = Crew(workers, scheduler, block_seconds)
    report = _carry_out(planned(overwrite=overwrite), settings, place, overwrite, crew)
    while report is None:
        report = _carry_out(planned(), settings, place, False, crew)
    return report


def _carry_out(
    plan: ProcessPlan,
    settings: ProcessSettings,
    output: Path,
    overwrite: bool,
    crew: Crew,
) -> ProcessReport | None:
    """Do what a plan says; None when somebody else finished the same tasks meanwhile."""
    if not plan.tasks:
        return ProcessReport(plan, ())
    try:
        finished = carry_out(plan.asked, settings, output, overwrite=overwrite, crew=crew)
    except LedgerGone:
        return None
    results = tuple(
        Processed(**{**one, "path": Path(one["path"]), "warnings": tuple(one["warnings"])})
        for one in finished.done
    )
    if finished.failed:
        raise WorkError(
            f"{len(finished.failed)} of {len(plan.tasks)} volumes failed:\n  "
            + "\n  ".join(map(str, finished.failed[:MOST_NAMED]))
            + f"\n{len(results)} are finished. The same command tries the others again"
        )
    if finished.stopped:
        raise RecipeError("\n".join(finished.stopped))
    if not {task.output for task in plan.tasks} <= {result.path for result in results}:
        return None
    return ProcessReport(plan, results)
