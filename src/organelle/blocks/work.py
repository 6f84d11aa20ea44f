"""Work in blocks, carried out by this process, by local processes or on a cluster, through one ledger::

    ledger = Ledger.open(folder / "predict.ledger", count=work.count, made_of=work.made_of)
    done = work_through(work, ledger, workers=4, title="predicting")
    for block in done.failed:
        print(block)  # its name and its last reason

Any number of processes that call this for the same ledger share its blocks, as job arrays do. Whoever dies,
dies for itself: others take over its blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from organelle.blocks.ledger import FailedBlock, Ledger
from organelle.errors import SettingsError
from organelle.progress import track


@runtime_checkable
class Work(Protocol):
    """A job in `count` blocks, numbered from 0.

    It travels to workers by pickle: keep it small, and open models and volumes when `run` first needs them.
    It must be defined in a module that workers can import.
    """

    @property
    def count(self) -> int:
        """Number of blocks."""
        ...

    @property
    def made_of(self) -> Mapping[str, Any]:
        """All that determines the results, in values that JSON can hold."""
        ...

    def run(self, index: int) -> None:
        """Do one block, and write its results; when this returns, they are where they belong.

        Idempotent: a block may be done again, after half of it was done, and even by two workers at once. So
        its results depend on `index` alone, each file appears whole, and no two blocks write one file
        (blocks on the chunk grid of the output do not).
        """
        ...

    def name(self, index: int) -> str:
        """What people call the block."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the blocks of a ledger."""

    now: int
    """Done since this call began, by whichever worker."""
    before: int
    """Done before it."""
    failed: tuple[FailedBlock, ...]
    """Given up, now or before, in order."""


def work_through(
    work: Work,
    ledger: Ledger,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    block_seconds: float | None = None,
    title: str = "working",
) -> Done:
    """Do every block of `ledger` that is not done, and return when each is done or given up.

    Results do not depend on the number or kind of workers, nor on when they die. Blocks that other processes
    hold are waited for, and taken over when those die.

    Args:
        work: What a block is.
        ledger: The ledger of this work.
        workers: 1: in this process. More: in so many local processes; one that dies is replaced.
        scheduler: Address of a Dask scheduler (`tcp://...`), whose workers do it instead; see
            `docs/how-to/clusters.md`.
        block_seconds: What one block may take. A worker that is at one for longer, because it hangs, is ended
            and replaced, and the block counts as failed. One worker is then a process of its own, too, and
            one of Dask needs its nanny. None: any time.
        title: What the bar of progress says.

    Raises:
        SettingsError: no scheduler answers at that address; or no time at all for a block.
        WorkError: block after block fails and none is done, or workers die before they begin one.
        LedgerError: the ledger is damaged or locked for too long.
        LedgerGone: somebody removed the ledger: maybe another process that saw before this one that all is
            done. Look whether the results are there.
        MissingExtra: Dask is not installed.
    """
    if block_seconds is not None and not block_seconds > 0:
        raise SettingsError(f"a block cannot be done within {block_seconds:g} s; allow more, or any time")
    start = ledger.tally()
    steps = _steps(work, ledger, workers, scheduler, block_seconds) if start.left else iter(())
    for _ in track(steps, title, total=start.left):
        pass
    return Done(ledger.tally().done - start.done, start.done, tuple(ledger.failed()))


def _steps(
    work: Work, ledger: Ledger, workers: int, scheduler: str | None, block_seconds: float | None
) -> Iterator[object]:
    """One item per block that is settled."""
    if scheduler is not None:
        from organelle.blocks.workers_dask import work_on_cluster

        return work_on_cluster(work, ledger, scheduler, block_seconds)
    if workers > 1 or block_seconds is not None:
        from organelle.blocks.workers_local import work_in_processes

        return work_in_processes(work, ledger, workers, block_seconds)
    from organelle.blocks.workers import work_here

    return work_here(work, ledger)
