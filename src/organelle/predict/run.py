"""Predict crops and regions with a checkpoint, and write one volume per class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from organelle.blocks import work_through
from organelle.catalog import Catalog, Region, prediction_path
from organelle.errors import LedgerGone, WorkError
from organelle.predict.job import PredictJob
from organelle.predict.plan import Classes, PredictPlan, plan_predict
from organelle.predict.settings import PredictSettings
from organelle.stores import Place

MOST_NAMED = 5
"""Blocks that failed, named in the error; the others are counted."""


@dataclass(frozen=True)
class PredictReport:
    """What `predict` did."""

    plan: PredictPlan
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    """Outputs that the same checkpoint had made before."""
    notes: tuple[str, ...] = field(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result should know."""
        return (*self.plan.warnings, *self.notes)


def predict(
    checkpoint: Path | str | Sequence[Path | str],
    catalog: Catalog,
    crops: str | int | Iterable[str | int] | None,
    *,
    data: Place | str,
    work: Path | str,
    settings: PredictSettings | None = None,
    classes: Classes = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    block_seconds: float | None = None,
) -> PredictReport:
    """Write `{work}/predictions/{dataset}.zarr/{crop or region}/{class}` for every class.

    Each is a multiscale image of uint8 probabilities (255 = 1.0) on the dataset's lattice at the model's
    voxel size: the smallest box that covers the crop. Where there is no EM it is 0. What a network tells
    beside masks becomes volumes like `mito.distance`. A volume appears when it is whole; what the same
    checkpoint made before, in the same way, is kept. An interrupted run goes on at the block where it
    stopped, and any number of processes that make the same call share the blocks.

    Args:
        checkpoint: file made by training, or several, whose answers are averaged.
        catalog: what exists.
        crops: as in `Catalog.select`: `"test"`, `"*"`, numbers; None for none.
        data: folder or address that holds the EM.
        work: folder for the outputs; on a cluster, one that all workers see.
        settings: the section `[predict]`.
        classes: those to write, or channels like `mito/distance`, or a function that names them for a crop;
            default: all that the checkpoint knows.
        regions: boxes of datasets beside the crops.
        overwrite: replace outputs that stand there.
        workers: local processes.
        scheduler: address of a Dask scheduler, whose workers do it instead.
        block_seconds: what one block may take until its worker is ended, see `organelle.blocks.work_through`;
            the first one of a worker opens the network. Default: any time.

    Raises:
        CheckpointError: a damaged checkpoint, or one that does not know a class.
        EMMissing: a crop without EM.
        OutputExists: another checkpoint's output stands there. Nothing was computed.
        WorkError: blocks failed three times, each named; crops without such a block are finished.
    """
    planned = partial(
        plan_predict,
        checkpoint,
        catalog,
        crops,
        data=data,
        work=work,
        settings=settings,
        classes=classes,
        regions=regions,
    )
    crew = _Crew(workers, scheduler, block_seconds)
    report = _carry_out(planned(overwrite=overwrite), overwrite, crew)
    while report is None:
        report = _carry_out(planned(), False, crew)
    return report


@dataclass(frozen=True)
class _Crew:
    """Who does it."""

    workers: int
    scheduler: str | None
    block_seconds: float | None

    @property
    def is_here(self) -> bool:
        """Whether it is this process alone."""
        return self.workers == 1 and self.scheduler is None and self.block_seconds is None


def _carry_out(plan: PredictPlan, overwrite: bool, crew: _Crew) -> PredictReport | None:
    """Do what a plan says; None when somebody else finished the same plan meanwhile, and removed its job."""
    kept = tuple(prediction_path(plan.work, c.crop, name) for c in plan.crops for name in c.kept)
    if not any(crop.classes for crop in plan.crops):
        return PredictReport(plan, (), kept)
    job = PredictJob.open(plan, overwrite=overwrite)
    if job.is_over:
        job.drop()
        return None
    try:
        return _work(job, kept, crew)
    except LedgerGone:
        return None


def _work(job: PredictJob, kept: tuple[Path, ...], crew: _Crew) -> PredictReport:
    ledger = job.ledger
    if not ledger.tally().left:
        ledger.retry_failed()  # whoever calls again wants them tried again
    # Torch may want a device that only workers have; other backends write a file that workers then find.
    opens = crew.is_here or job.plan.settings.backend != "torch"
    agreements = job.try_network() if opens else ()
    done = work_through(
        job,
        ledger,
        workers=crew.workers,
        scheduler=crew.scheduler,
        block_seconds=crew.block_seconds,
        title="predict",
    )
    left_out = job.left_out()
    written = job.finish()
    if done.failed:
        named = "\n  ".join(map(str, done.failed[:MOST_NAMED]))
        more = f"\n  and {len(done.failed) - MOST_NAMED} more" if done.failed[MOST_NAMED:] else ""
        raise WorkError(
            f"{len(done.failed)} of {job.count} blocks failed:\n  {named}{more}\n{len(written)} volumes are "
            "finished. The same command tries the others again, and does nothing twice"
        )
    if lost := [path for path in written if not path.exists()]:
        raise WorkError(
            f"{lost[0]} and {len(lost) - 1} more were finished by a run that was cut off, and are gone "
            "since; the same command predicts them anew"
        )
    told = (*map(str, agreements), *_notes(job, left_out))
    return PredictReport(job.plan, written, kept, told)


def _notes(job: PredictJob, left_out: Mapping[str, int]) -> Iterator[str]:
    """What plans of large regions could not foresee."""
    for crop in job.plan.crops:
        name = f"{crop.crop.dataset}/{crop.crop.name}"
        if (voxels := left_out.get(name, 0)) and not crop.em_missing:
            if voxels == crop.region.size:
                yield f"{name}: there was no EM at all; its volumes hold nothing but 0"
            else:
                share = voxels / crop.region.size
                yield f"{name}: {share:.1%} of it has no EM here and was left out (probability 0)"
