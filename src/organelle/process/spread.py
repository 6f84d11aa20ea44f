"""One class of one large volume, made by many workers together.

Whoever takes part follows the whole recipe, and all come to the same steps in the same order
(`organelle.process.steps`). A leader, any process that runs the command, has each step done before it goes on
to the next: its blocks are shared through a ledger of the step, with the leader's own workers and with other
leaders. Joint steps are leased in the same way, as one block, and done by one leader. A worker that is handed
a block of some step gets to it by following the recipe, too: what earlier steps found lies in files, so that
this takes no time.

A folder `volumeN` of the job::

    0003.ledger     which blocks of step 3 are done
    0003/           what step 3 found in each block
    0004.table      what the joint step 4 made of it
    layers/         the layers that are kept
    made/           the volume that grows
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from organelle.blocks import FailedBlock, Ledger
from organelle.errors import LedgerGone, RecipeError, WorkError
from organelle.files import whole
from organelle.geometry import Box
from organelle.process.kept import load_result, load_table, save_result, save_table
from organelle.process.plan import ProcessTask
from organelle.process.recipes import ProcessSettings
from organelle.process.scratch import Cut
from organelle.volumes import write_groups

if TYPE_CHECKING:
    from organelle.process.making import Processed

T = TypeVar("T")
WorkThrough = Callable[["StepWork", Ledger], Sequence[FailedBlock]]
"""Does every block of a step that can be done, and gives those that cannot."""


@dataclass(frozen=True, eq=False)
class Step:
    """A step that was come to.

    Attributes:
        number: of the step, from 0.
        part: of the recipe.
        cut: its blocks; None for a joint step.
        work: what is done on a block, or made.
        keeps: whether what it gives for a block is kept.
    """

    number: int
    part: str
    cut: Cut | None
    work: Callable[..., Any]
    keeps: bool = True


@dataclass(frozen=True)
class SpreadVolume:
    """A volume that is made by many: its task, and a folder that all see."""

    task: ProcessTask
    settings: ProcessSettings
    folder: Path
    overwrite: bool

    def follow(self, arrive: Callable[[Step], None]) -> Processed:
        """Go through all steps; `arrive` is called at each, and returns when it is done.

        Raises:
            RecipeError: a step stopped the recipe.
            WorkError: blocks that failed.
            LedgerGone, FileMissing: somebody has finished it, and removed the folder.
        """
        from organelle.process.making import make_volume, site_of
        from organelle.process.scratch_shared import SharedScratch

        steps = Following(self.folder, arrive)
        site = site_of(self.task, self.settings, SharedScratch(self.folder / "layers"), steps)
        made = self.folder / "made" / self.task.output.name
        found = make_volume(self.task, self.settings, site, made)
        site.once(lambda: self._move(made))
        return found

    def lead(self, work_through: WorkThrough) -> Processed:
        """Follow the recipe, and have every step done on the way; `begin` comes before. Errors: `follow`."""
        return self.follow(lambda step: self._have_done(step, work_through))

    def begin(self) -> None:
        """Make the folder; blocks that failed when somebody did this before are tried again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for ledger in self.ledgers():
            if not ledger.tally().left:
                ledger.retry_failed()

    def ledgers(self) -> Iterator[Ledger]:
        """Those of all steps that were begun."""
        yield from map(Ledger.at, sorted(self.folder.glob("[0-9]" * 4 + ".ledger")))

    def _have_done(self, step: Step, work_through: WorkThrough) -> None:
        if not self.folder.is_dir():
            raise LedgerGone(f"{self.folder} is gone: somebody finished the work; start again")
        work = StepWork(self, step.number, step.part, 1 if step.cut is None else len(step.cut), [step])
        ledger = Ledger.open(_ledger(self.folder, step.number), count=work.count, made_of=work.made_of)
        failed = work_through(work, ledger)
        if failed:
            raise WorkError(_told(failed, work.count))

    def _move(self, made: Path) -> None:
        """The volume at its place; it may be there, if a worker was killed just then."""
        if not made.exists():
            return
        for litter in made.rglob("*.partial"):  # of writers that were killed
            litter.unlink()
        write_groups(self.task.output.parent)
        with whole(self.task.output, overwrite=self.overwrite) as part:
            made.rename(part)


@dataclass(frozen=True)
class Results(Generic[T]):
    """What a step found in each block, read as it is gone through."""

    files: Path
    step: int
    cut: Cut

    def __iter__(self) -> Iterator[tuple[Box, T]]:
        for number, box in enumerate(self.cut):
            yield box, load_result(_result(self.files, self.step, number))


class Following:
    """Steps whose results lie in files; see `organelle.process.steps.Steps`."""

    def __init__(self, folder: Path, arrive: Callable[[Step], None]) -> None:
        self._files = folder
        self._arrive = arrive
        self._number = 0
        self._part = ""

    def begin(self, part: str) -> None:
        """For messages."""
        self._part = part

    def each(self, cut: Cut, work: Callable[[Box], T]) -> Results[T]:
        """Come to a step over blocks."""
        return Results(self._files, self._come_to(cut, work), cut)

    def do(self, cut: Cut, work: Callable[[Box], object]) -> None:
        """Come to a step over blocks of which only what they write is kept."""
        self._come_to(cut, work, keeps=False)

    def once(self, make: Callable[[], T]) -> T:
        """Come to a joint step."""
        stopped, value = load_table(_table(self._files, self._come_to(None, make)))
        if stopped:
            raise RecipeError(stopped)
        made: T = value
        return made

    def _come_to(self, cut: Cut | None, work: Callable[..., Any], *, keeps: bool = True) -> int:
        number = self._number
        self._number += 1
        self._arrive(Step(number, self._part, cut, work, keeps))
        return number


@dataclass(frozen=True)
class StepWork:
    """The blocks of one step (see `organelle.blocks.Work`); a joint step is one block.

    Attributes:
        volume: what is made.
        number: of the step.
        part: of the recipe.
        count: of the blocks.
        at_hand: the step, for whoever has come to it; it does not travel to workers.
    """

    volume: SpreadVolume
    number: int
    part: str
    count: int
    at_hand: list[Step] = field(default_factory=list, compare=False, repr=False)

    @property
    def made_of(self) -> Mapping[str, Any]:
        """The job's folder has the hash of the rest."""
        return {"step": self.number, "part": self.part}

    @property
    def is_joint(self) -> bool:
        """Whether it brings results of blocks together."""
        return self._step().cut is None

    def name(self, index: int) -> str:
        """Part of the recipe, and where."""
        cut = self._step().cut
        if cut is None:
            return f"{self.part}, joint step {self.number}"
        return f"{self.part}, step {self.number}, at voxel ({', '.join(map(str, cut[index].start))})"

    def run(self, index: int) -> None:
        """Do a block, and keep what it gives."""
        step, files = self._step(), self.volume.folder
        if step.cut is not None:
            value = step.work(step.cut[index])
            if step.keeps:
                save_result(_result(files, self.number, index), value)
            return
        self.at_hand.clear()  # what it goes through may be used up: another try follows the recipe anew
        _latest.clear()
        try:
            save_table(_table(files, self.number), ("", step.work()))
        except RecipeError as error:
            save_table(_table(files, self.number), (str(error), None))

    def _step(self) -> Step:
        return self.at_hand[0] if self.at_hand else _come_to(self.volume, self.number)

    def __reduce__(self) -> tuple[Callable[..., StepWork], tuple[Any, ...]]:
        return StepWork, (self.volume, self.number, self.part, self.count)


class _ComeToError(Exception):
    """The step that was looked for."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.number)
        self.step = step


_latest: dict[tuple[str, int, int], Step] = {}
"""The step that this process came to last, by folder, number, and when its ledger was made."""


def _come_to(volume: SpreadVolume, number: int) -> Step:
    """Follow the recipe up to a step, unless this was the last one."""

    def look(step: Step) -> None:
        if step.number == number:
            raise _ComeToError(step)

    made = (_ledger(volume.folder, number) / "job.json").stat().st_mtime_ns
    key = str(volume.folder), number, made
    if key not in _latest:
        _latest.clear()
        try:
            _never(volume.follow(look))
        except _ComeToError as found:
            _latest[key] = found.step
    return _latest[key]


def _never(found: Processed) -> NoReturn:
    raise WorkError(
        f"the recipe for {found.path} ended before a step that another process came to; parts must take the "
        "same steps everywhere: install the same organelle, and the same parts of your own"
    )


def _ledger(files: Path, step: int) -> Path:
    return files / f"{step:04}.ledger"


def _table(files: Path, step: int) -> Path:
    return files / f"{step:04}.table"


def _result(files: Path, step: int, block: int) -> Path:
    return files / f"{step:04}" / str(block // 1000) / str(block)


def _told(failed: Sequence[FailedBlock], count: int) -> str:
    blocks = "block" if len(failed) == 1 else "blocks"
    return f"{len(failed)} {blocks} of {count} failed: {failed[0]}"
