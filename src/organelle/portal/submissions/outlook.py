"""What can be said of a submission on its way: its place, how far it is, and in the end its score.

Scoring and board lie above this room, so they are asked only when somebody wants to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import groupby
from typing import Any

from organelle.portal.submissions.models import Submission

PROGRESS = ("organelle.portal.scoring.progress", "progress_of")
SCORE = ("organelle.portal.board.standings", "score_of")


@dataclass(frozen=True)
class Findings:
    """All problems of one kind: code, severity, what to do, and where they are.

    Attributes:
        places: for each problem where it is, what was found and what was expected.
    """

    code: str
    severity: str
    remedy: str
    places: tuple[dict[str, str], ...]


def progress_of(submission: Submission) -> dict[str, Any] | None:
    """Place in the queue, rows done and in all, seconds left; None when it is over or nobody knows."""
    ask = _function(PROGRESS)
    return None if submission.is_over or ask is None else asdict(ask(submission))


def score_of(submission: Submission) -> dict[str, Any] | None:
    """The rounded figures that the board shows of it; None before it is scored."""
    ask = _function(SCORE)
    return None if submission.state != Submission.State.SCORED or ask is None else ask(submission)


def problems_of(submission: Submission) -> list[dict[str, str]]:
    """What the validator found, errors first; nothing but the words meant for people."""
    keys = ("code", "severity", "place", "found", "expected", "remedy")
    problems = (submission.report or {}).get("problems", [])
    return [{key: str(problem.get(key, "")) for key in keys} for problem in problems]


def findings_of(submission: Submission) -> list[Findings]:
    """The problems grouped by what they are and how to mend them, errors first."""

    def kind(problem: dict[str, str]) -> tuple[str, str, str]:
        return problem["severity"], problem["code"], problem["remedy"]

    return [
        Findings(code, severity, remedy, tuple(group))
        for (severity, code, remedy), group in groupby(sorted(problems_of(submission), key=kind), key=kind)
    ]


def mark_of(submission: Submission, *shown: object) -> str:
    """A short word for what a page shows of a submission: its state, and a hash of that and what is `shown`.

    A page that asks with its mark learns whether anything is new.
    """
    told = repr((submission.state, submission.reason, *shown))
    return f"{submission.state}.{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _function(where: tuple[str, str]) -> Callable[[Submission], Any] | None:
    """A function of a higher room; None where this portal lacks that room."""
    module, name = where
    try:
        found: Callable[[Submission], Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return found
