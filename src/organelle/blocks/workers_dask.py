"""Workers of a Dask cluster: each is told to lease and work for a while, again and again.

The scheduler knows one task per worker, whatever the number of blocks. A task lasts `TURN_SECONDS`: when
whoever asked is gone, the workers stop soon. What a worker held when it died, the ledger knows.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import organelle
from organelle.blocks.ledger import Ledger
from organelle.blocks.workers import Settled, ending_on_signals, reason_of, work_until_nothing_is_left
from organelle.errors import OrganelleError, SettingsError, WorkError, require_module

if TYPE_CHECKING:
    from distributed import Client, Future

    from organelle.blocks.work import Work

CONNECT_SECONDS = 8
LOOK_SECONDS = 0.5
TURN_SECONDS = 20.0
REPLACED_SECONDS = 15.0
"""A cluster replaces a worker that died within so long."""


def work_on_cluster(
    work: Work, ledger: Ledger, scheduler: str, block_seconds: float | None = None
) -> Iterator[int]:
    """Do blocks on the workers of the cluster at `scheduler`; yields a number per block that is settled.

    Each Dask worker does one block at a time, however many threads it has. Workers may come and go. They must
    see the ledger, and what the work reads and writes, under the same paths.

    Raises:
        MissingExtra: Dask is not installed.
        SettingsError: nothing answers at that address.
        WorkError: the cluster went away; a worker has no or another organelle; block after block fails.
        FileMissing: a worker does not see the ledger.
    """
    with ending_on_signals(), connected(scheduler) as client:
        settled = Settled(ledger)
        turns: dict[str, Future[None]] = {}
        absence = Absence()
        try:
            while settled.now.left:
                absence.look(_give_turns(client, turns, work, ledger, block_seconds))
                time.sleep(LOOK_SECONDS)
                yield from settled.news()
        finally:
            if client.status == "running":
                client.cancel(list(turns.values()))  # type: ignore[no-untyped-call]


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """A client of the cluster at `scheduler`; Dask itself stays silent.

    Raises:
        MissingExtra: Dask is not installed.
        SettingsError: nothing answers there within `CONNECT_SECONDS`.
    """
    require_module("distributed", "dask")
    from distributed import Client

    with _silent("distributed.client", "distributed.comm"):
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(
                f"no Dask scheduler answers at {scheduler} ({error}); its address looks like tcp://HOST:8786 "
                "and is printed when it starts: dask scheduler"
            ) from error
        with client:
            yield client


@contextmanager
def _silent(*loggers: str) -> Iterator[None]:
    logs = [logging.getLogger(name) for name in loggers]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


def _workers(client: Client) -> set[str]:
    try:
        return set(client.nthreads())  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, TimeoutError) as error:
        raise WorkError(
            f"the cluster is gone ({error}); start again when it is back: finished blocks stay"
        ) from error


def _give_turns(
    client: Client,
    turns: dict[str, Future[None]],
    work: Work,
    ledger: Ledger,
    block_seconds: float | None,
) -> int:
    """See how the last turns ended, and give each worker that has none a turn; how many workers there are."""
    there = _workers(client)
    for address, turn in list(turns.items()):
        if address not in there or turn.done():  # type: ignore[no-untyped-call]
            del turns[address]
            _look_at(turn, address)
    for address in sorted(there - turns.keys()):
        turns[address] = client.submit(
            take_turn,
            work,
            ledger,
            organelle.__version__,
            block_seconds,
            workers=[address],
            pure=False,
            retries=0,
        )
    return len(there)


@dataclass
class Absence:
    """Warns when nobody was there for longer than `REPLACED_SECONDS`."""

    since: float | None = None

    def look(self, workers: int) -> None:
        """Note how many workers are there now."""
        now = time.monotonic()
        if workers:
            self.since = None
        elif self.since is None:
            self.since = now
        elif now - self.since > REPLACED_SECONDS:
            warnings.warn(
                "the cluster has no worker, and the blocks wait for one; it is started by: "
                "dask worker tcp://...",
                stacklevel=2,
            )


def _look_at(turn: Future[None], address: str) -> None:
    """Raise what ended a turn early, unless it was its worker's death."""
    if turn.status != "error":
        turn.cancel()  # type: ignore[no-untyped-call]
        return
    from distributed import KilledWorker

    error = turn.exception()  # type: ignore[no-untyped-call]
    if isinstance(error, OrganelleError):
        raise error
    if not isinstance(error, KilledWorker):
        raise WorkError(
            f"the worker {address} cannot take part ({reason_of(error)}); install there: "
            f"pip install 'organelle[dask]=={organelle.__version__}' with the extras of this command"
        )


def take_turn(work: Work, ledger: Ledger, version: str, block_seconds: float | None = None) -> None:
    """What a worker is told to do: work for `TURN_SECONDS`, or until nothing is left.

    Raises:
        WorkError: its organelle is not that `version`; or block after block fails.
        FileMissing: it does not see the ledger.
    """
    if version != organelle.__version__:
        raise WorkError(
            f"a worker has organelle {organelle.__version__}, and this is {version}; install the same on both"
        )
    here = Ledger.at(ledger.folder)  # told, if this machine does not see it
    for _ in work_until_nothing_is_left(work, here, seconds=TURN_SECONDS, block_seconds=block_seconds):
        pass
