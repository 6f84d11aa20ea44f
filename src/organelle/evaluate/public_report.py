"""The report that participants may see: ratios and words, nothing that betrays the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from organelle.evaluate import page
from organelle.evaluate.costliest import Loss, measure_of, perfect_gains
from organelle.evaluate.explain_page import MEASURES, share_bars
from organelle.evaluate.records import SKIPPED, STOPPED, TRUTH_ERROR, UNREADABLE, Result, Row
from organelle.evaluate.report import write_page
from organelle.evaluate.table import score_parts
from organelle.metrics import Score

_STATUSES = {
    "missing": "not handed in: it counts as missed as a whole.",
    UNREADABLE: "unreadable: it counts as missed as a whole. csc validate says what is wrong with the file.",
    STOPPED: "stopped: scoring it took more memory or time than a row may, so it counts as missed.",
    SKIPPED: "skipped: far too many objects, as a rule specks. Remove small objects.",
    "matching_failed": "not counted: the objects could not be matched.",
    TRUTH_ERROR: "not counted: the organisers have to look at it.",
}

_REMARKS = {
    "are NaN": "holds voxels that are NaN.",
    "are negative": "holds negative voxels: everything but 0 is an object, so write background as 0.",
    "multiscale group": "is a multiscale group; the official evaluator sees only plain arrays.",
    "ids reach 255": "has ids up to 255 in 8 bits: higher ids are lost or merged; use 16 or 32 bits.",
}
"""What may be told of a row's remarks, known by a part of them. Others stay with the organisers."""

NOT_HANDED_IN = "classes not handed in"


def write_public_report(
    result: Result, path: Path | str, *, title: str = "Scored submission", overwrite: bool = False
) -> Path:
    """Write scores, where points are lost by class, and what happened to rows, for the submission's maker.

    It holds what `public_record` holds, what follows from that, and the status of rows in words: no counts,
    places, ids or pictures, and nothing about single crops but their status.

    Args:
        result: What `evaluate` found.
        path: The HTML file.
        title: Heading of the page.
        overwrite: Replace the file if it exists.

    Raises:
        OutputExists: the file is there and `overwrite` is false.
    """
    body = (
        page.header(title, result),
        "".join(_remarks(result)),
        _classes(result),
        _lost(result),
        page.provenance(result),
    )
    return write_page(path, title, body, overwrite=overwrite)


def _remarks(result: Result) -> Iterator[str]:
    told = [(row.place, note) for row in result.rows for note in _notes(row)]
    if told:
        items = "".join(f"<li><strong>{escape(place)}</strong> {escape(note)}</li>" for place, note in told)
        yield (
            f'<section class="notes"><strong>What happened to single rows</strong><ul>{items}</ul></section>'
        )


def _notes(row: Row) -> Iterator[str]:
    if row.status in _STATUSES:
        yield _STATUSES[row.status]
    for sign, told in _REMARKS.items():
        if row.status == "scored" and any(sign in remark for remark in row.remarks):
            yield told


def _classes(result: Result) -> str:
    """Ratios of the classes that were handed in at least once."""
    parts = score_parts(result.scores)
    shown = {n: s for n, s in result.scores.classes.items() if n in result.submitted_classes}
    rows = "".join(_class_row(name, score, parts.values()) for name, score in shown.items())
    heads = "".join(f'<th scope="col" class="right">{name}</th>' for name in ("Score", *parts))
    head = f'<thead><tr><th scope="col">Class</th><td class="wide"></td>{heads}</tr></thead>'
    hidden = len(result.scores.classes) - len(shown)
    note = f"<p class='small'>Not handed in, but counted in the means: {hidden}.</p>" if hidden else ""
    return f'<h2>Classes</h2><div class="card scroll"><table>{head}<tbody>{rows}</tbody></table>{note}</div>'


def _class_row(name: str, score: Score, parts: Iterable[str]) -> str:
    cells = "".join(
        f'<td class="right">{page.number(value)}</td>'
        for value in (score.score, *(getattr(score, part, None) for part in parts))
    )
    return (
        f'<tr><th scope="row">{page.dot(name)}{escape(name)}</th>'
        f'<td class="wide">{page.bar(score.score, tone=page.tone(name))}</td>{cells}</tr>'
    )


def _lost(result: Result) -> str:
    losses = _losses(result)
    if not any(loss.gain > 0 for loss in losses):
        return ""
    return (
        "<h2>Where points are lost</h2>"
        '<p class="soft small">The bars share out what the score lacks and add up to 100 %. The last '
        f"number is what {MEASURES[measure_of(result.scores)]} would gain if the class were perfect.</p>"
        f"{share_bars('By class', losses)}"
    )


def _losses(result: Result) -> list[Loss]:
    """Shares of the classes handed in, and of all others together."""
    gains = perfect_gains(result.scores)
    total = sum(gains.values()) or 1.0
    shown = {name: gain for name, gain in gains.items() if name in result.submitted_classes}
    losses = [Loss(name, gain, gain / total, {}) for name, gain in shown.items()]
    rest = sum(gains.values()) - sum(shown.values())
    if len(shown) < len(gains):
        losses.append(Loss(NOT_HANDED_IN, rest, rest / total, {}))
    return sorted(losses, key=lambda loss: (-loss.gain, loss.name))
