"""Where the time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Stopwatch:
    """Wall-clock seconds per stage, in the order of the stages."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce the stage, and add the time that the block takes to it."""
        self.console.print(f"[bold]{name}[/bold] ...", highlight=False)
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def table(self) -> Table:
        """Stage, seconds and share."""
        total = sum(self.seconds.values()) or 1.0
        table = Table("stage", "seconds", "share", title="Where the time went", title_justify="left")
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}", f"{seconds / total:.0%}")
        table.add_row("total", f"{sum(self.seconds.values()):.1f}", "", style="bold")
        return table
