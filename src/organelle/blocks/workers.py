"""What every worker does: lease a few blocks, do them one after the other, until nothing is left."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from organelle.blocks.leases_holder import Holder
from organelle.blocks.ledger import Ledger
from organelle.blocks.limits import OneBlock, time_limit
from organelle.errors import OrganelleError, WorkError

if TYPE_CHECKING:
    from organelle.blocks.work import Work

LEASE_SECONDS = 2.0
"""Work that one lease holds, about: enough that leasing costs nothing, little enough to share the end."""

MOST_LEASED = 1024

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
"""What clusters send ahead of SIGKILL (LSF: SIGUSR2 at the run limit), and terminals when they are closed."""

MOST_IN_A_ROW = 25
"""Blocks that may fail and none be done, unless more were done before: beyond it, it is not the blocks."""


def work_here(work: Work, ledger: Ledger) -> Iterator[int]:
    """Do blocks in this process, and yield each one that was done or failed.

    The signals `ENDING` give back what is leased; so does Ctrl-C.
    """
    with ending_on_signals():
        yield from work_until_nothing_is_left(work, ledger)


def work_until_nothing_is_left(
    work: Work, ledger: Ledger, *, seconds: float = float("inf"), block_seconds: float | None = None
) -> Iterator[int]:
    """Lease and do blocks for about so many `seconds`, or until all are done or given up; yields each.

    A block that takes more than `block_seconds` ends this process.

    Raises:
        WorkError: more than `MOST_IN_A_ROW` blocks failed and none was done between them, nor as many before.
    """
    end, most, row = time.monotonic() + seconds, 1, _Row()
    with Holder(ledger, work.name) as holder, time_limit(ledger.folder, block_seconds) as one_block:
        while time.monotonic() < end and (blocks := holder.wait(most)):
            began = time.monotonic()
            for at, block in enumerate(blocks, 1):
                if time.monotonic() > end or not holder.begin(block):
                    break
                reason = _do(work, holder, block, one_block)
                row.add(block, reason and f"{work.name(block)}: {reason}")
                yield block
                most = _next_lease((time.monotonic() - began) / at)


class Settled:
    """Counts what all workers of a ledger settle, for whoever waits for them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = ledger.tally()
        self._start = self._last_done = self.now

    def news(self) -> range:
        """As many numbers as blocks were settled since the last call.

        Raises:
            WorkError: blocks were given up and none was done, for so long that it is not the blocks.
        """
        before, self.now = self.now, self.ledger.tally()
        if self.now.done > self._last_done.done:
            self._last_done = self.now
        in_a_row = self.now.failed - self._last_done.failed
        if self.now.left and in_a_row > max(MOST_IN_A_ROW, self.now.done - self._start.done):
            raise _not_the_blocks(in_a_row, str(self.ledger.failed()[-1]))
        return range(before.left - self.now.left)


@dataclass
class _Row:
    """Which blocks of one worker failed one after the other."""

    done: int = 0
    failed: set[int] = field(default_factory=set)

    def add(self, block: int, failure: str) -> None:
        if not failure:
            self.done += 1
            self.failed.clear()
            return
        self.failed.add(block)
        if len(self.failed) > max(MOST_IN_A_ROW, self.done):
            raise _not_the_blocks(len(self.failed), failure)


def _not_the_blocks(number: int, last: str) -> WorkError:
    return WorkError(
        f"{number} blocks failed one after the other, the last one {last}. "
        "Start again when the cause is gone; finished blocks stay"
    )


def reason_of(error: BaseException) -> str:
    """What went wrong, as a line; for an error outside of the family, with the place where it was raised."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    if isinstance(error, OrganelleError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Make `ENDING` raise `SystemExit`, so that leases are given back; does nothing in other threads.

    A signal that somebody handles or ignores already is left to them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    unused = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in unused:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in unused:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _do(work: Work, holder: Holder, block: int, one_block: OneBlock) -> str:
    """Do one block and note what became of it; the reason if it failed."""
    try:
        with one_block():
            work.run(block)
    except Exception as error:  # noqa: BLE001  (whatever it is, the other blocks go on)
        reason = reason_of(error)
        holder.fail(block, reason)
        return reason
    holder.finish(block)
    return ""


def _next_lease(seconds_per_block: float) -> int:
    return max(1, min(MOST_LEASED, int(LEASE_SECONDS / max(seconds_per_block, 1e-6))))
