"""Rows scored by child processes: what each may use, and what becomes of those that use more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from organelle.children import Allowance, Event, Job, Outcome, run_jobs, total_memory
from organelle.errors import ScoringError
from organelle.evaluate import judge
from organelle.evaluate.allowances import honest_bytes, scoring_allowance
from organelle.evaluate.kept import NO_ROW, row_from_record
from organelle.evaluate.records import Row
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.truth import Truth
from organelle.evaluate.warming import WARM

if TYPE_CHECKING:
    from organelle.submission import Submission

MOST_MEMORY = 0.9
"""Share of this machine's memory that a single row may ask for."""


@dataclass(frozen=True, slots=True)
class Crew:
    """How many child processes there are at a time, and what memory they share; see `run_jobs`."""

    workers: int | None = None
    memory_bytes: int | None = None
    listen: Callable[[Event], None] | None = None

    def score(
        self, plan: Sequence[PlannedRow], truth: Truth, submission: Submission, *, metric: str
    ) -> Iterator[tuple[PlannedRow, Row]]:
        """Score rows, in any order; a row that runs away counts as missing and says why.

        Raises:
            ScoringError: a crop too large for this machine, or truth that a process cannot read.
        """
        planned = {row.place: row for row in plan}
        allowances = {place: scoring_allowance(row, truth, submission) for place, row in planned.items()}
        stopped = dict(_too_large(planned, allowances, truth))
        jobs = [
            Job(place, judge.arguments(row, submission, truth, stopped=""), allowances[place])
            for place, row in planned.items()
            if place not in stopped
        ]
        for outcome in self.run(judge.SCORE, jobs):
            row = _row(outcome, planned[outcome.key], metric)
            if isinstance(row, Row):
                yield planned[outcome.key], row
            else:
                stopped[outcome.key] = row
        yield from self._without(stopped, planned, truth, submission, metric)

    def run(self, call: str, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """`run_jobs` with functions of `judge`."""
        yield from run_jobs(
            call,
            jobs,
            workers=self.workers,
            memory_bytes=self.memory_bytes,
            warm=WARM,
            on_event=self.listen,
        )

    def _without(
        self,
        stopped: Mapping[str, str],
        planned: Mapping[str, PlannedRow],
        truth: Truth,
        submission: Submission,
        metric: str,
    ) -> Iterator[tuple[PlannedRow, Row]]:
        """The rows that could not be scored, from their truth alone."""
        jobs = []
        for place, why in stopped.items():
            arguments = judge.arguments(planned[place], submission, truth, stopped=f"not scored: {why}")
            allowance = replace(Allowance(), memory_bytes=honest_bytes(planned[place], truth))
            jobs.append(Job(place, arguments, allowance))
        for outcome in self.run(judge.SCORE, jobs):
            row = _row(outcome, planned[outcome.key], metric)
            if not isinstance(row, Row):
                raise ScoringError(f"the truth of {outcome.key} cannot be read: {row}")
            yield planned[outcome.key], row


def _too_large(
    planned: Mapping[str, PlannedRow], allowances: Mapping[str, Allowance], truth: Truth
) -> Iterator[tuple[str, str]]:
    """Rows that ask for more than the machine has, and why they are not begun."""
    most = int(MOST_MEMORY * total_memory())
    for place, allowance in allowances.items():
        if allowance.memory_bytes > most:
            needed, there = allowance.memory_bytes / 2**30, most / 2**30
            why = f"it needs {needed:.1f} GiB of memory, and this machine gives {there:.1f} GiB"
            if allowance.memory_bytes <= honest_bytes(planned[place], truth):
                raise ScoringError(f"{place} cannot be scored here: {why}; use a larger machine")
            yield place, why


def _row(outcome: Outcome, planned: PlannedRow, metric: str) -> Row | str:
    """The row that a child made, or why there is none."""
    if outcome.failure is not None:
        return str(outcome.failure)
    try:
        return row_from_record(outcome.value, planned, metric)
    except NO_ROW:
        return "the process that read it answered nonsense"
