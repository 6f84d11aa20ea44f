"""A batch on a Dask cluster: one task per submission, carried out by whichever worker is free."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from organelle.errors import ScoringError, SettingsError, require_module
from organelle.evaluate.batch_line import BatchTask, LineOutcome, evaluate_line, failed, require_versions
from organelle.evaluate.batch_table import BatchLine
from organelle.evaluate.scoring import library_versions

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 30


def evaluate_on_cluster(
    lines: Sequence[BatchLine], task: BatchTask, scheduler: str
) -> Iterator[tuple[BatchLine, LineOutcome]]:
    """Have each line scored by a worker of the cluster, and yield what became of it as soon as it is known.

    A worker that dies loses its line to another one; after several deaths (Dask's
    `distributed.scheduler.allowed-failures`) the line fails. Workers must see table, submissions, truth and
    results under the same paths as this process.

    Raises:
        MissingExtra: Dask is not installed.
        SettingsError: nothing answers at the address `scheduler`.
        ScoringError: a worker has another version of organelle or of a library that can move a number.
    """
    with _connect(scheduler) as client:
        _require_same_versions(client, task.versions)
        from distributed import as_completed

        futures: dict[Future[LineOutcome], BatchLine] = {
            client.submit(evaluate_line, line, task, pure=False): line for line in lines
        }
        for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
            line = futures.pop(future)
            yield line, _result(future, line)


@contextmanager
def _connect(scheduler: str) -> Iterator[Client]:
    require_module("distributed", "dask")
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"no Dask scheduler answers at {scheduler} ({error}); its address looks like tcp://HOST:8786 "
            "and is printed when it starts: dask scheduler"
        ) from error
    with _silent("distributed.client"), client:
        yield client


@contextmanager
def _silent(logger: str) -> Iterator[None]:
    """Without the traceback that Dask prints when the scheduler is gone; the lines themselves say so."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _require_same_versions(client: Client, expected: Mapping[str, str]) -> None:
    """Ask all workers that are there; those that join later are asked with each task."""
    answers = client.run(library_versions, on_error="return")
    if not answers:
        address = client.scheduler.address if client.scheduler else "tcp://..."
        told = f"the cluster has no worker yet, and the batch waits for one: dask worker {address}"
        warnings.warn(told, stacklevel=3)
    for worker, answer in answers.items():
        if isinstance(answer, BaseException):
            raise ScoringError(
                f"the worker {worker} cannot say which organelle it has ({answer!r}); install there: "
                f"pip install 'organelle[score,dask]=={expected['organelle']}'"
            )
        require_versions(expected, answer, f"on the worker {worker}")


def _result(future: Future[LineOutcome], line: BatchLine) -> LineOutcome:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except KilledWorker:
        return failed(
            line, "the worker that evaluated it died, and so did each that tried again; see its log"
        )
    except FutureCancelledError:
        return failed(line, "the cluster is gone; type the command again when it is back")
    except Exception as error:  # noqa: BLE001  (whatever went wrong on the way, the other lines go on)
        return failed(line, f"the cluster could not evaluate it: {error!r}")
