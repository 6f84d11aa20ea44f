"""Progress of long work: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

_shown: Progress | None = None
"""The bars on the terminal: work within tracked work adds one below."""


def track(work: Iterable[T], what: str, *, total: int | None = None) -> Generator[T, None, None]:
    """Yield the items of `work`, with a bar named `what` on standard error if that is a terminal.

    `total` is the number of items; it may be left out when `work` has a length. Work within tracked work gets
    a bar below. Threads beside the main one are silent: they may be many.
    """
    global _shown
    if (
        sys.stderr is None
        or not sys.stderr.isatty()
        or threading.current_thread() is not threading.main_thread()
    ):
        yield from work
        return
    if total is None and isinstance(work, Sequence):
        total = len(work)
    if _shown is not None:
        yield from _advance(_shown, work, what, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as _shown:
            yield from _advance(_shown, work, what, total)
    finally:
        _shown = None


def _advance(bars: Progress, work: Iterable[T], what: str, total: int | None) -> Generator[T, None, None]:
    task = bars.add_task(what, total=total)
    try:
        for item in work:
            yield item
            bars.advance(task)
    finally:
        bars.remove_task(task)
