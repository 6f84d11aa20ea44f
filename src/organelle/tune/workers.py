"""Who tries recipes: this process, or several beside it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import connection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from organelle.metrics import Counts
    from organelle.tune.exam import Exam

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Crew:
    """Workers that all sit the same exam; a context in which they live."""

    def __init__(self, exam: Exam, workers: int) -> None:
        self._exam = exam
        self._pool: Executor = (
            ThreadPoolExecutor(1)
            if workers <= 1
            else ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
        )

    def ask(self, class_name: str, recipes: Mapping[str, Any], crop: int) -> Future[Counts | str]:
        """`Exam.counts`, when a worker is free."""
        return self._pool.submit(_answer, self._exam, class_name, recipes, crop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def _answer(exam: Exam, class_name: str, recipes: Mapping[str, Any], crop: int) -> Counts | str:
    return exam.counts(class_name, recipes, crop)


def _begin() -> None:
    """In a new process: one thread each, Ctrl-C is the parent's matter, and none outlives the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
