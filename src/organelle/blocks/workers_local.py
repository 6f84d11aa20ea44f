"""Workers in processes of this machine; one that dies is replaced, and its block counted.

Not the pool of `children`: that one hands single jobs of JSON values to its children, each within limits of
its own. Here a child takes its blocks from the ledger, so that it needs nobody once it runs, and the parent
only looks who died. Children are spawned, never forked: threads and file locks do not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from organelle.blocks.leases import Process
from organelle.blocks.ledger import Ledger
from organelle.blocks.workers import Settled, ending_on_signals, reason_of, work_until_nothing_is_left
from organelle.children import cores
from organelle.errors import OrganelleError, WorkError

if TYPE_CHECKING:
    from organelle.blocks.work import Work

LOOK_SECONDS = 0.5
"""Time between looks at the ledger, for the bar."""

STOP_SECONDS = 10
"""What a child has to end by itself before it is killed."""

MOST_EARLY_DEATHS = 5
"""Children that may die one after the other before they begin a block: then none ever will."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class _Child:
    process: BaseProcess
    words: connection.Connection


def work_in_processes(
    work: Work,
    ledger: Ledger,
    workers: int,
    block_seconds: float | None = None,
    *,
    more: Callable[[], Iterable[int]] = tuple,
) -> Iterator[int]:
    """Do blocks in `workers` processes, or fewer if fewer blocks are left; yields a number per settled block.

    One that is at a block for more than `block_seconds` ends itself. `more` is asked again and again for what
    else should be yielded.

    Threads of the numeric libraries are shared out among them, unless `OMP_NUM_THREADS` and the like are set.

    Raises:
        WorkError: one block after the other failed, or children die before they begin one.
    """
    message = pickle.dumps((work, ledger, block_seconds))
    early, settled = 0, Settled(ledger)
    workers = min(workers, settled.now.left)
    threads = max(1, cores() // max(1, workers))
    crew = [_start(message, threads) for _ in range(workers)]
    try:
        with ending_on_signals():
            while crew:
                connection.wait([child.process.sentinel for child in crew], timeout=LOOK_SECONDS)
                found = [(child, _status(child.process)) for child in crew]
                for child, status in [(child, code) for child, code in found if code is not None]:
                    crew.remove(child)
                    if _ended_well(child, status):
                        child.process.join()
                        continue
                    death = _death(child.process, status)
                    early = 0 if _take_back(ledger, child, work, f"its worker {death}") else early + 1
                    child.process.join()  # only now: what it held was left to us until here
                    if early >= MOST_EARLY_DEATHS:
                        raise WorkError(
                            f"{early} workers died before they began a block, the last one {death}; what "
                            "they wrote to standard error says why"
                        )
                    if ledger.tally().left:
                        crew.append(_start(message, threads))
                if news := settled.news():
                    early = 0
                yield from news
                yield from more()
    finally:
        _stop(crew, ledger, work)


def _start(message: bytes, threads: int) -> _Child:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(message, threads, there), daemon=True)
    process.start()
    there.close()
    return _Child(process, here)


def _serve(message: bytes, threads: int, words: connection.Connection) -> None:
    """The child: work until nothing is left, and tell what ended it otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter: it sends SIGTERM
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in _THREADS:
        os.environ.setdefault(name, str(threads))
    try:
        work, ledger, block_seconds = pickle.loads(message)
        with ending_on_signals():
            for _ in work_until_nothing_is_left(work, ledger, block_seconds=block_seconds):
                pass
    except OrganelleError as error:
        words.send(error)
    except Exception as error:  # noqa: BLE001  (told to the parent, which stops with it)
        words.send(WorkError(f"a worker cannot go on: {reason_of(error)}"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _status(process: BaseProcess) -> int | None:
    """What `exitcode` would say, without taking it: till then others leave what it held to its parent."""
    try:
        found = os.waitid(os.P_PID, process.pid or 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # it was taken, as the start of another child does with all that have ended
        return process.exitcode
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _ended_well(child: _Child, status: int) -> bool:
    """Whether there was nothing left; raises what the child told."""
    try:
        if child.words.poll():
            raise child.words.recv()
    except EOFError:
        pass
    finally:
        child.words.close()
    return status == 0


def _take_back(ledger: Ledger, child: _Child, work: Work, reason: str | None) -> bool:
    """Free what a dead child held; whether it held anything. Without a reason, nothing counts as failed."""
    own = Process.own()
    found = [
        lease
        for lease in ledger.leases()
        if (lease.owner.host, lease.owner.boot, lease.owner.pid) == (own.host, own.boot, child.process.pid)
    ]
    for lease in found:
        ledger.take_back(lease, reason, work.name)
    return bool(found)


def _death(process: BaseProcess, status: int) -> str:
    if status >= 0:
        return f"(process {process.pid}) ended with status {status}"
    hint = ", as a system does that runs out of memory" if -status == signal.SIGKILL else ""
    return f"(process {process.pid}) was ended by {signal.Signals(-status).name}{hint}"


def _stop(crew: list[_Child], ledger: Ledger, work: Work) -> None:
    """End those that still run, and give back what they could not."""
    for child in crew:
        child.process.terminate()
    for child in crew:
        child.process.join(STOP_SECONDS)
        if child.process.exitcode is None:
            child.process.kill()
            child.process.join()
            _take_back(ledger, child, work, None)
        child.words.close()
