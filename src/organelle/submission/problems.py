"""What is wrong with a submission: one record per problem, told as text, table or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from organelle.errors import FormatError, printable

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from organelle.submission.scored_view import RowView

Severity = Literal["error", "warning"]

SHOWN_PROBLEMS = 60
"""Lines of the table in the terminal; the JSON form holds all problems."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and how to mend it.

    An `error` means that the row (or the whole file) cannot be scored as it was meant; a `warning` means
    that it is scored, but perhaps not as its maker thinks. `place` is a name inside the archive.

    Names come from a stranger's file: `place`, `found` and `expected` are made `printable`, so that they
    can be shown anywhere.
    """

    code: str
    place: str
    found: str
    expected: str
    remedy: str
    severity: Severity = "error"

    def __post_init__(self) -> None:
        for name in ("place", "found", "expected"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        where = "" if self.place == "." else f"{self.place}: "
        return f"{where}found {self.found}; expected {self.expected}. {self.remedy}"


class ProblemError(FormatError):
    """A stored array that cannot be read, as an exception that carries the full `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Report:
    """All problems of one submission, worst first and then in the order of the file.

    `rows` is what the scorer will see of each row, in the order of the test table; None when nobody asked,
    or when the file as a whole cannot be scored.
    """

    path: Path
    problems: tuple[Problem, ...]
    rows: tuple[RowView, ...] | None = None

    @classmethod
    def of(
        cls, path: Path | str, problems: Iterable[Problem], rows: tuple[RowView, ...] | None = None
    ) -> Report:
        """Sort the problems: errors before warnings, otherwise as they came."""
        return cls(Path(path), tuple(sorted(problems, key=lambda p: p.severity)), rows)

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
        return f"{printable(self.path.name)}: {counts if self.problems else 'no problems'}"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; `rows` only when the rows were looked at."""
        record: dict[str, Any] = {
            "path": str(self.path),
            "ok": self.ok,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "problems": [asdict(p) for p in self.problems],
        }
        return record if self.rows is None else record | {"rows": [asdict(row) for row in self.rows]}

    def __rich__(self) -> Table | Group:
        if self.rows is None:
            return self._table()
        from rich.console import Group

        from organelle.submission.scored_table import scored_table

        return Group(scored_table(self.rows), "", self._table())

    def _table(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.summary), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("problem", no_wrap=True)
        table.add_column("where", overflow="fold")
        table.add_column("found, expected, what to do", overflow="fold")
        for p in self.problems[:SHOWN_PROBLEMS]:
            style = "bold red" if p.severity == "error" else "yellow"
            words = f"found {p.found}\nexpected {p.expected}\n{p.remedy}"
            table.add_row(Text(f"{p.code}\n{p.severity}", style=style), Text(p.place), Text(words))
        if (hidden := len(self.problems) - SHOWN_PROBLEMS) > 0:
            table.caption = f"... and {hidden} more; the JSON form lists all of them"
        table.show_header = bool(self.problems)
        return table


def _count(problems: tuple[Problem, ...], what: str) -> str:
    return f"{len(problems)} {what}{'' if len(problems) == 1 else 's'}"
