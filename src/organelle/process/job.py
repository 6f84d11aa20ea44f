"""Recipes as work that many processes share: one class of one crop is a block, a large one is many.

A job is a folder below `{output}/jobs`, named by a hash of its tasks, as a prediction's is: a ledger per
wave, a folder per large volume, and a record per task that is done. Tasks whose recipes use finished objects
come in a later wave than those.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.blocks import Done, FailedBlock, Ledger, Work, work_through
from organelle.errors import LedgerGone, OrganelleError, OutputExists, RecipeError, WorkError
from organelle.files import read_json, write_json
from organelle.process.plan import ProcessTask, stands
from organelle.process.recipes import ProcessSettings
from organelle.process.spread import SpreadVolume, StepWork
from organelle.process.spread_local import lead_in_processes

if TYPE_CHECKING:
    from organelle.process.making import Processed


@dataclass(frozen=True)
class Crew:
    """Who does it; see `work_through`."""

    workers: int = 1
    scheduler: str | None = None
    block_seconds: float | None = None

    def work_through(self, work: Work, ledger: Ledger, title: str) -> Done:
        """Do every block of a ledger."""
        return work_through(
            work,
            ledger,
            workers=self.workers,
            scheduler=self.scheduler,
            block_seconds=self.block_seconds,
            title=title,
        )

    def lead(self, volume: SpreadVolume) -> Processed:
        """Have a large volume made."""
        title = volume.task.title
        if self.scheduler is None and (self.workers > 1 or self.block_seconds is not None):
            return lead_in_processes(volume, self.workers, self.block_seconds, title)

        def work_through(work: StepWork, ledger: Ledger) -> Sequence[FailedBlock]:
            # A joint step belongs to whoever leads: on a cluster it would take all workers' time, too.
            crew = Crew() if work.is_joint else self
            return crew.work_through(work, ledger, f"{title}: {work.part}").failed

        return volume.lead(work_through)


@dataclass(frozen=True)
class Wave:
    """Tasks that need none of each other (see `organelle.blocks.Work`).

    Attributes:
        tasks: one is a block.
        settings: the section `[process]`.
        folder: of the job.
        number: of the wave.
        overwrite: replace outputs that stand there.
    """

    tasks: tuple[ProcessTask, ...]
    settings: ProcessSettings
    folder: Path
    number: int
    overwrite: bool

    @cached_property
    def small(self) -> tuple[int, ...]:
        """The tasks that are done by one worker each."""
        return tuple(i for i in range(len(self.tasks)) if i not in self.large)

    @cached_property
    def large(self) -> tuple[int, ...]:
        """The tasks that all workers do together, one after the other."""
        most = self.settings.alone_voxels
        return tuple(i for i, task in enumerate(self.tasks) if task.grid.box.size > most)

    @property
    def count(self) -> int:
        """Number of small tasks: a block each."""
        return len(self.small)

    @property
    def made_of(self) -> Mapping[str, Any]:
        """What each output depends on."""
        return made_of(self.tasks)

    @property
    def ledger(self) -> Ledger:
        """Which tasks are done."""
        place = self.folder / f"wave{self.number}.ledger"
        return Ledger.open(place, count=self.count, made_of=self.made_of)

    def name(self, index: int) -> str:
        """Dataset, crop and class."""
        return self.tasks[self.small[index]].title

    def record(self, task: int) -> Path:
        """Where it is written what became of a task."""
        return self.folder / f"wave{self.number}" / f"{task}.json"

    def run(self, index: int) -> None:
        """Follow a recipe, unless somebody has done so; one that is stopped is done, too."""
        from organelle.process.making import process_one

        number = self.small[index]
        task = self.tasks[number]
        if self._is_over(number):
            return
        try:
            self._require_objects(task)
            told: dict[str, Any] = asdict(process_one(task, self.settings, overwrite=self.overwrite))
        except RecipeError as error:
            told = {"stopped": str(error)}
        except OutputExists:
            if stands(task):
                return  # another worker, taken for dead, has just finished it
            raise
        self._tell(number, told)

    def make_large(self, crew: Crew) -> Iterator[FailedBlock]:
        """Have the large tasks done, one after the other; yields those of which blocks failed.

        Raises:
            LedgerGone: somebody finished the job, and removed its folder.
        """
        for number in self.large:
            if self._is_over(number):
                continue
            try:
                self._make_together(number, crew)
            except (OrganelleError, FileNotFoundError) as error:
                if not self.folder.is_dir():
                    raise LedgerGone(f"{self.folder} is gone: somebody finished the work") from error
                if self._is_over(number):
                    continue  # somebody else was faster, and has cleared away
                if not isinstance(error, WorkError):
                    raise
                yield FailedBlock(number, self.tasks[number].title, str(error))

    def _make_together(self, number: int, crew: Crew) -> None:
        task = self.tasks[number]
        volume = SpreadVolume(
            task, self.settings, self.folder / f"wave{self.number}" / f"volume{number}", self.overwrite
        )
        volume.begin()
        try:
            self._require_objects(task)
            self._tell(number, asdict(crew.lead(volume)))
        except RecipeError as error:
            self._tell(number, {"stopped": str(error)})
        shutil.rmtree(volume.folder, ignore_errors=True)

    @property
    def has_lost_outputs(self) -> bool:
        """Whether outputs that a run before had finished are gone since: somebody removed them."""
        done = {self.small[i] for i in self.ledger.done()} | {
            i for i in self.large if self.record(i).exists()
        }
        return any(not (self.tasks[i].output.exists() or self._was_stopped(i)) for i in done)

    def _was_stopped(self, task: int) -> bool:
        return self.record(task).exists() and "stopped" in read_json(self.record(task))

    def _is_over(self, task: int) -> bool:
        """Whether somebody has done it."""
        return self.record(task).exists() or (not self.overwrite and stands(self.tasks[task]))

    def told(self) -> Iterator[dict[str, Any]]:
        """What became of the tasks that are done."""
        for task in range(len(self.tasks)):
            if self.record(task).exists():
                yield read_json(self.record(task))

    def _tell(self, task: int, told: dict[str, Any]) -> None:
        with suppress(OutputExists):
            write_json(self.record(task), told | {"path": str(self.tasks[task].output)})

    def _require_objects(self, task: ProcessTask) -> None:
        """Raise `RecipeError` when a task needs objects whose recipe was stopped."""
        for name, path in task.objects.items():
            if not path.exists():
                raise RecipeError(f"{task.title}: needs the objects of {name}, which was stopped")


@dataclass(frozen=True)
class Finished:
    """What became of all tasks: records as `Processed` has them, why recipes were stopped, and failures."""

    done: tuple[dict[str, Any], ...]
    stopped: tuple[str, ...]
    failed: tuple[FailedBlock, ...]


def carry_out(
    tasks: Sequence[ProcessTask],
    settings: ProcessSettings,
    output: Path,
    *,
    overwrite: bool,
    crew: Crew,
) -> Finished:
    """Follow the recipes of all tasks, shared with whoever makes the same call; see `work_through`."""
    text = json.dumps({**made_of(tasks), "overwrite": overwrite}, sort_keys=True)
    folder = output / "jobs" / f"process-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    told: list[dict[str, Any]] = []
    failed: list[FailedBlock] = []
    waves = [Wave(tuple(t), settings, folder, n, overwrite) for n, t in enumerate(in_waves(tasks))]
    if any(wave.has_lost_outputs for wave in waves):
        shutil.rmtree(folder)
    for number, wave in enumerate(waves):
        failed += wave.make_large(crew)
        ledger = wave.ledger
        if not ledger.tally().left:
            ledger.retry_failed()
        title = "process" if number == 0 else "process, on objects"
        failed += crew.work_through(wave, ledger, title).failed
        told += wave.told()
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    return Finished(
        tuple(one for one in told if "stopped" not in one),
        tuple(one["stopped"] for one in told if "stopped" in one),
        tuple(failed),
    )


def made_of(tasks: Sequence[ProcessTask]) -> dict[str, Any]:
    """All that determines the outputs, in values that JSON can hold."""
    return {str(task.output): json.loads(json.dumps(task.way)) for task in tasks}


def in_waves(tasks: Sequence[ProcessTask]) -> list[list[ProcessTask]]:
    """Tasks in order, those that use the objects of others among them in later waves."""
    waves: list[list[ProcessTask]] = []
    level: dict[Path, int] = {}
    for task in tasks:  # a plan lists tasks after those whose objects they use
        at = 1 + max((level[path] for path in task.objects.values() if path in level), default=-1)
        level[task.output] = at
        waves += [[] for _ in range(at + 1 - len(waves))]
        waves[at].append(task)
    return waves
