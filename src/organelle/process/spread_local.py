"""Processes of this machine that lead a large volume together, from its first step to its last.

So each is started once, and not for every step. One that dies is replaced, and goes on at the step that all
are at; the block that it was doing counts as failed in the ledger of the step.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.blocks import FailedBlock, Ledger
from organelle.blocks.workers import reason_of, work_until_nothing_is_left
from organelle.errors import WorkError
from organelle.process.kept import load_result, save_result
from organelle.process.spread import SpreadVolume, StepWork
from organelle.progress import track

if TYPE_CHECKING:
    from organelle.process.making import Processed

DEATHS = 15
"""How often the process in one place is replaced."""


@dataclass(frozen=True)
class Leaders:
    """Processes that lead a volume (see `organelle.blocks.Work`): one is a block.

    Attributes:
        volume: what is made.
        count: how many.
        block_seconds: what a block of a step may take; joint steps, which grow with the volume, any time.
        words: folder for what stopped them.
    """

    volume: SpreadVolume
    count: int
    block_seconds: float | None
    words: Path

    @property
    def made_of(self) -> Mapping[str, Any]:
        """Nothing depends on them."""
        return {}

    def name(self, index: int) -> str:
        """Only for people who look into the ledger."""
        return f"leader {index}"

    def run(self, index: int) -> None:
        """Lead until all is done, or something stops it; what it was, the parent finds out."""
        try:
            self.volume.lead(self._do_here)
        except Exception as error:  # noqa: BLE001  (told by the parent)
            save_result(self.words / str(index), reason_of(error))

    def _do_here(self, work: StepWork, ledger: Ledger) -> Sequence[FailedBlock]:
        limit = None if work.is_joint else self.block_seconds
        for _ in work_until_nothing_is_left(work, ledger, block_seconds=limit):
            pass
        return ledger.failed()


def lead_in_processes(
    volume: SpreadVolume, workers: int, block_seconds: float | None, title: str
) -> Processed:
    """Have a volume made by so many processes.

    Raises:
        RecipeError: a step stopped the recipe.
        WorkError: blocks that failed, or processes that died again and again.
        LedgerGone, FileMissing: somebody else has finished it, and removed its folder.
    """
    from organelle.blocks.workers_local import work_in_processes

    place = volume.folder / f"leaders-{uuid.uuid4().hex}"
    leaders = Leaders(volume, workers, block_seconds, place)
    ledger = Ledger.open(place.with_suffix(".ledger"), count=workers, made_of={}, tries=DEATHS)
    steps = work_in_processes(leaders, ledger, workers, more=_settled(volume))
    for _ in track(steps, title):
        pass
    return volume.lead(lambda work, done: _require_done(work, done, place))


def _settled(volume: SpreadVolume) -> Callable[[], Iterable[int]]:
    """As many numbers as blocks were settled, in all steps, since it was asked last."""
    seen = 0

    def more() -> range:
        nonlocal seen
        before, seen = seen, sum(ledger.tally().done for ledger in volume.ledgers())
        return range(seen - before)

    return more


def _require_done(work: StepWork, ledger: Ledger, words: Path) -> Sequence[FailedBlock]:
    """What failed of a step; `WorkError` if it is not over."""
    failed = ledger.failed()
    if ledger.tally().left and not failed:
        told = sorted({load_result(word) for word in words.glob("*")}) if words.is_dir() else []
        raise WorkError(
            f"its processes stopped at {work.part}: "
            + ("; ".join(told) or "they died again and again; what they wrote to standard error says why")
        )
    return failed
