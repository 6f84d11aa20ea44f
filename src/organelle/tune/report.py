"""What tuning has brought: a table for people, and one for programs."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.files import whole
from organelle.tune.gains import Tuned

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

COLUMNS = (
    "class",
    "crops",
    "objects",
    "trials",
    "stopped",
    "before",
    "after",
    "gain",
    "gain_error",
    "cross_validated_gain",
    "changes",
)
"""Of the table for programs."""


@dataclass(frozen=True)
class Left:
    """A class whose recipe stays as it is, and why."""

    class_name: str
    why: str


@dataclass(frozen=True)
class TuneReport:
    """What `tune` found.

    Attributes:
        folder: where trials, table and pictures lie.
        metric: version of the metric.
        classes: those that were searched, in the table's order.
        left: those that were not.
    """

    folder: Path
    metric: str
    classes: tuple[Tuned, ...]
    left: tuple[Left, ...]

    @property
    def changed(self) -> tuple[Tuned, ...]:
        """The classes with a better recipe."""
        return tuple(tuned for tuned in self.classes if tuned.changes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        left = (f"{left.class_name} stays as it is: {left.why}" for left in self.left)
        return (*left, *(note for tuned in self.classes for note in tuned.notes))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, title=f"metric {self.metric}", title_justify="left")
        for heading in ("class", "crops", "objects", "before", "after", "gain", "on other crops"):
            table.add_column(heading, justify="left" if heading == "class" else "right")
        for tuned in self.classes:
            table.add_row(*_cells(tuned))
        yield table
        for tuned in self.changed:
            yield Text(f"{tuned.class_name}: {', '.join(map(str, tuned.changes))}")


def write_scores(classes: Sequence[Tuned], path: Path) -> None:
    """The table for programs, as CSV; replaces the one before. Empty where something is not known."""
    with whole(path, overwrite=True) as part, part.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for tuned in classes:
            numbers = (tuned.before, tuned.after, tuned.gain, tuned.error, tuned.crossed_gain)
            writer.writerow(
                (
                    tuned.class_name,
                    len(tuned.crops),
                    "" if tuned.objects is None else tuned.objects,
                    len(tuned.trials),
                    tuned.stopped,
                    *("" if math.isnan(number) else f"{number:.6f}" for number in numbers),
                    "; ".join(map(str, tuned.changes)),
                )
            )


def _cells(tuned: Tuned) -> tuple[str, ...]:
    error = "" if math.isnan(tuned.error) or not tuned.changes else f" ± {tuned.error:.3f}"
    return (
        tuned.class_name,
        str(len(tuned.crops)),
        "" if tuned.objects is None else f"{tuned.objects:,}",
        f"{tuned.before:.3f}",
        f"{tuned.after:.3f}",
        f"{tuned.gain:+.3f}{error}" if tuned.changes else "none",
        f"{tuned.crossed_gain:+.3f}" if not math.isnan(tuned.crossed) else "?",
    )
