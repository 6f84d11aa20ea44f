"""Reading before and writing after: a thread each, so that the network never waits for a disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

Label = TypeVar("Label")
Read = TypeVar("Read")


def read_ahead(items: Iterable[tuple[Label, Callable[[], Read]]]) -> Iterator[tuple[Label, Read]]:
    """Each label with what its function returns; one thread is one item ahead of whoever takes them.

    Functions are called one after the other, in order. An error is raised when its item's turn comes.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="read")
    try:
        waiting: deque[tuple[Label, Future[Read]]] = deque()
        for label, read in items:
            waiting.append((label, pool.submit(read)))
            if len(waiting) > 1:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


class WriteBehind:
    """Calls handed over are made by one thread, in order; at most `most` wait.

    As a context it ends when all were made. An error that a call raised is raised by the next one handed
    over, or at the end.
    """

    def __init__(self, most: int = 2) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._waiting: deque[Future[None]] = deque()
        self._most = most

    def __call__(self, write: Callable[[], None]) -> None:
        """Hand over one call; waits while too many others do."""
        self._waiting.append(self._pool.submit(write))
        while len(self._waiting) > self._most:
            self._waiting.popleft().result()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._waiting and kind is None:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
