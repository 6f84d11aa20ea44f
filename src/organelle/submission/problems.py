"""What is wrong with a submission: one record per problem, told as text, table or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from organelle.errors import FormatError

if TYPE_CHECKING:
    from rich.table import Table

Severity = Literal["error", "warning"]

SHOWN_PROBLEMS = 60
"""Lines of the table in the terminal; the JSON form holds all problems."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and how to mend it.

    An `error` means that the row (or the whole file) cannot be scored as it was meant; a `warning` means
    that it is scored, but perhaps not as its maker thinks. `place` is a name inside the archive.
    """

    code: str
    place: str
    found: str
    expected: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; expected {self.expected}. {self.remedy}"


class ProblemError(FormatError):
    """A stored array that cannot be read, as an exception that carries the full `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Report:
    """All problems of one submission, worst first and then in the order of the file."""

    path: Path
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, path: Path | str, problems: Iterable[Problem]) -> Report:
        """Sort the problems: errors before warnings, otherwise as they came."""
        return cls(Path(path), tuple(sorted(problems, key=lambda p: p.severity)))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep a row or the file from being scored as meant."""
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that scoring survives."""
        return tuple(p for p in self.problems if p.severity == "warning")

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings are allowed."""
        return not self.errors

    @property
    def summary(self) -> str:
        """One sentence."""
        counts = f"{_count(self.errors, 'error')}, {_count(self.warnings, 'warning')}"
        return f"{self.path.name}: {counts if self.problems else 'no problems'}"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "path": str(self.path),
            "ok": self.ok,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "problems": [asdict(p) for p in self.problems],
        }

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.summary, title_justify="left", show_lines=False)
        for heading in ("", "code", "place", "found", "expected", "what to do"):
            table.add_column(heading, overflow="fold")
        for p in self.problems[:SHOWN_PROBLEMS]:
            style = "bold red" if p.severity == "error" else "yellow"
            cells = (p.code, p.place, p.found, p.expected, p.remedy)
            table.add_row(Text(p.severity, style=style), *(Text(cell) for cell in cells))
        if (hidden := len(self.problems) - SHOWN_PROBLEMS) > 0:
            table.caption = f"... and {hidden} more; the JSON form lists all of them"
        return table


def _count(problems: tuple[Problem, ...], what: str) -> str:
    return f"{len(problems)} {what}{'' if len(problems) == 1 else 's'}"
