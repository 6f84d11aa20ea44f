"""What became of a batch: a table for the terminal, and a file for programs."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.errors import OutputExists
from organelle.evaluate.batch_line import OVERALL, LineOutcome, LineStatus
from organelle.files import whole

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADINGS = ("evaluation_id", "status", *OVERALL, "rows", "error", "data_path", "result_path")

STYLES = {LineStatus.SCORED: "green", LineStatus.KEPT: "cyan", LineStatus.FAILED: "red"}


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The outcomes in the order of the table, and where they were written down."""

    outcomes: tuple[LineOutcome, ...]
    summary_path: Path

    @property
    def failed(self) -> tuple[LineOutcome, ...]:
        """The lines without a result."""
        return tuple(found for found in self.outcomes if found.status is LineStatus.FAILED)

    def __rich__(self) -> RenderableType:
        """One line per submission, and below them why the failed ones have no score."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self._title(), title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name in ("evaluation", "status"):
            table.add_column(name, overflow="fold")
        for name in ("overall", "instances", "semantic"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("rows")
        for found in self.outcomes:
            scores = [f"{found.scores[name]:.4f}" if found.scores else "-" for name in OVERALL]
            status = Text(found.status.value, STYLES[found.status])
            table.add_row(Text(found.line.evaluation_id), status, *scores, _counted(found.rows))
        return Group(table, *(Text(f"{f.line.evaluation_id}: {f.problem}", "red") for f in self.failed))

    def _title(self) -> str:
        times = [found.status for found in self.outcomes]
        counts = ", ".join(f"{times.count(status)} {status.value}" for status in LineStatus)
        return f"{len(times)} submission{'s' * (len(times) != 1)}: {counts}"


def summary_path(csv_path: Path | str, output: Path | str | None) -> Path:
    """`table.csv` -> `table_summary.csv`, beside it or in the folder `output`."""
    table = Path(csv_path).absolute()
    folder = table.parent if output is None else Path(output).absolute()
    return folder / f"{table.stem}_summary.csv"


def refuse_other_table(path: Path, *, overwrite: bool) -> None:
    """Raise `OutputExists` if something other than a summary stands at `path` and may not be replaced."""
    if not path.exists() or overwrite:
        return
    head = path.read_bytes().partition(b"\n")[0] if path.is_file() else b""
    if head.strip() != ",".join(HEADINGS).encode():
        raise OutputExists(
            f"{path} is no summary of a batch and is not overwritten; rename it, or --overwrite"
        )


def write_summary(report: BatchReport) -> Path:
    """Write one line per submission to `report.summary_path`, in place of an older one."""
    with (
        whole(report.summary_path, overwrite=True) as part,
        part.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADINGS)
        writer.writerows(map(_cells, report.outcomes))
    return report.summary_path


def _cells(found: LineOutcome) -> list[str]:
    line, failed = found.line, found.status is LineStatus.FAILED
    scores = [repr(found.scores[name]) if found.scores else "" for name in OVERALL]
    result = "" if failed else str(line.result_path)
    cells = (found.status.value, *scores, _counted(found.rows), found.problem, str(line.data_path), result)
    return [line.evaluation_id, *cells]


def _counted(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in rows.items())
