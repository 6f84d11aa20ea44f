"""Many things at once, in threads that share one list of work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOOK_SECONDS = 0.02
"""How often `as_done` looks for results. To wake up for each would cost a tenth of the speed."""


def as_done(items: Iterable[T], work: Callable[[T], R], workers: int) -> Iterator[R]:
    """`work` on every item, `workers` at a time, results as they come; after an error nothing is begun.

    However many items there are, few are held, and one that takes long delays no other.
    """
    todo, results = _Shared(items), deque[R]()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            for item in todo:
                results.append(work(item))
        except BaseException as error:  # noqa: BLE001 it is raised where the results are read
            errors.append(error)
            todo.stop()

    threads = [threading.Thread(target=run) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive() or results:
                thread.join(LOOK_SECONDS if not results else 0)
                while results:
                    yield results.popleft()
        if errors:
            raise errors[0]
    finally:
        todo.stop()
        for thread in threads:
            thread.join()


class _Shared(Iterator[T]):
    """An iterator that several threads draw from, until one of them stops it."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items, self._lock = iter(items), threading.Lock()

    def __next__(self) -> T:
        with self._lock:
            return next(self._items)

    def stop(self) -> None:
        """Give out nothing more."""
        with self._lock:
            self._items = iter(())
