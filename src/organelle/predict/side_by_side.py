"""Patches go through a network several at a time, each in a thread of its own, and come out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Label = TypeVar("Label")
Shown = TypeVar("Shown")
Said = TypeVar("Said")


def side_by_side(
    forward: Callable[[Shown], Said], shown: Iterable[tuple[Label, Shown]], threads: int | None
) -> Iterator[tuple[Label, Said]]:
    """Each label with what `forward` says of its patch, in the order of `shown`.

    Twice as many patches as threads are under way, so that no thread waits while others are read, blended
    and written. An error is raised when its patch's turn comes.

    Args:
        forward: may be called by several threads at once.
        shown: labels and patches; taken by the thread that takes the answers.
        threads: how many; None calls `forward` in the thread that takes the answers.
    """
    if threads is None:
        yield from ((label, forward(patch)) for label, patch in shown)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="network")
    try:
        waiting: deque[tuple[Label, Future[Said]]] = deque()
        for label, patch in shown:
            waiting.append((label, pool.submit(forward, patch)))
            if len(waiting) >= 2 * threads:
                first, answer = waiting.popleft()
                yield first, answer.result()
        for first, answer in waiting:
            yield first, answer.result()
    finally:
        pool.shutdown(cancel_futures=True)
