"""What becomes of a submission at a portal, followed until its way is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from organelle.errors import printable
from organelle.pack.portal import PLACE, Portal

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0
SHOWN_PROBLEMS = 20
MEANS = ("overall", "instance", "semantic")


def watch(
    portal: Portal,
    number: str,
    tell: Callable[[str], None] = print,
    *,
    pause_s: float = FIRST_PAUSE_S,
) -> dict[str, Any]:
    """Follow the submission `number` until its way is over, or somebody holds it; returns its record.

    Args:
        portal: where it was handed in.
        number: as the receipt names it.
        tell: gets a line whenever something has changed.
        pause_s: between two looks; it grows to 15 s while nothing changes.

    Raises:
        TransferError: no answer after several attempts, or a token that may not look.
        SubmissionError: there is no such submission.
    """
    shown, pause = "", pause_s
    while True:
        record = _look(portal, number)
        if (line := describe(record)) != shown:
            tell(line)
            shown, pause = line, pause_s
        if record.get("over", True) or record.get("state") == "held":
            return record
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 1.5)


def describe(record: dict[str, Any]) -> str:
    """One line: the state, its reason, and how far it is."""
    parts = [printable(str(record.get("state", "unknown"))), printable(str(record.get("reason", "")))]
    progress = record.get("progress")
    if isinstance(progress, dict):
        if progress.get("place_in_queue"):
            parts.append(f"place {progress['place_in_queue']} in the queue")
        if progress.get("total"):
            parts.append(f"{progress.get('done')} of {progress['total']} rows")
        if isinstance(left := progress.get("estimate_seconds"), int | float):
            parts.append(f"about {max(1, round(left / 60))} min left")
    return ", ".join(part for part in parts if part)


def outcome(record: dict[str, Any]) -> list[str]:
    """What there is to say in the end: the score, or what the validator found."""
    score = record.get("score")
    if isinstance(score, dict):
        figures = [f"{name} {score[name]}" for name in MEANS if score.get(name) is not None]
        metric = f" (metric {printable(str(score['metric']))})" if "metric" in score else ""
        return [", ".join(figures) + metric] if figures else []
    found = record.get("problems")
    problems = [p for p in found if isinstance(p, dict)] if isinstance(found, list) else []
    lines = [_problem(problem) for problem in problems[:SHOWN_PROBLEMS]]
    more = len(problems) - len(lines)
    return lines + (
        [f"... and {more} more; {printable(str(record.get('url', 'the portal')))}"] if more else []
    )


def _problem(problem: dict[str, Any]) -> str:
    code, place, found, expected, remedy = (
        printable(str(problem.get(key, ""))) for key in ("code", "place", "found", "expected", "remedy")
    )
    where = "" if place == "." else f"{place}: "
    return f"{code}: {where}found {found}; expected {expected}. {remedy}"


def _look(portal: Portal, number: str) -> dict[str, Any]:
    path = portal.path_of(f"{PLACE}/{quote(number, safe='')}")
    return portal.understand(*portal.ask_again("GET", path))
