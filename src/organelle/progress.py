"""Progress of long work: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def track(work: Iterable[T], what: str, *, total: int | None = None) -> Generator[T, None, None]:
    """Yield the items of `work`, with a bar named `what` on standard error if that is a terminal.

    `total` is the number of items; it may be left out when `work` has a length.
    """
    if not sys.stderr.isatty():
        yield from work
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if total is None and isinstance(work, Sequence):
        total = len(work)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in work:
            yield item
            bar.advance(task)
