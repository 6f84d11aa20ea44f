"""A result on the terminal: what was reached per class, what happened per crop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from organelle.classes import Kind
from organelle.evaluate.records import SKIPPED, STOPPED, TRUTH_ERROR, UNREADABLE, Result
from organelle.evaluate.words import label, notes
from organelle.metrics import PanopticScore, Scores

Baselines = Mapping[str, Mapping[str, float]]
"""Name of a baseline -> class -> score."""

STATUS_STYLES = {
    "scored": "green",
    "missing": "yellow",
    SKIPPED: "magenta",
    UNREADABLE: "red",
    STOPPED: "red",
    TRUTH_ERROR: "red",
}


def print_result(
    result: Result, *, baselines: Baselines | None = None, console: Console | None = None
) -> None:
    """Print the tables of a result to `console` (default: standard output)."""
    (console or Console()).print(result_view(result, baselines=baselines))


def result_view(result: Result, *, baselines: Baselines | None = None) -> RenderableType:
    """Scores per class, rows per crop, remarks, and the overall scores, as something that rich prints.

    Args:
        result: What was found.
        baselines: Other scores to stand beside each class. A crop that the metric skips then counts as if
            its objects were missed, because a skipped class would win every comparison; the table says so.
    """
    classes = class_table(result, baselines=baselines)
    told = [] if baselines is None else [Text(told, "magenta") for told in skipped_classes(result)]
    return Group(classes, *told, row_table(result), *_remarks(result), *_problems(result), _overall(result))


def class_table(result: Result, *, baselines: Baselines | None = None) -> Table:
    """One line per class of the truth."""
    heads = score_parts(result.scores)
    table = _table("Score per class", ["class", "score", *(baselines or {}), "", *heads])
    shown = result.scores if baselines is None else result.strict_scores
    for name, score in shown.classes.items():
        others = [scores.get(name) for scores in (baselines or {}).values()]
        colour = _colour(score.score, others)
        parts = [_number(getattr(score, part, None)) for part in heads.values()]
        number = Text(_number(score.score), f"bold {colour}")
        table.add_row(name, number, *map(_number, others), _bar(score.score, colour), *parts)
    return table


def row_table(result: Result) -> Table:
    """One line per crop and class."""
    table = _table("Per crop", ["crop", "class", "TP", "FP", "FN", "counted in", "status"])
    last = -1
    for row in result.rows:
        crop = str(row.crop_id) if row.crop_id != last else ""
        found = row.counts
        counts = [f"{n:,}" for n in (found.tp, found.fp, found.fn)] if found else ["-"] * 3
        unit = "objects" if row.kind is Kind.INSTANCE else "voxels"
        table.add_row(
            crop, row.class_name, *counts, unit, Text(label(row), STATUS_STYLES.get(row.status, ""))
        )
        last = row.crop_id
    return table


def score_parts(scores: Scores) -> dict[str, str]:
    """Heading -> attribute of what the scores of the classes are made of."""
    if any(isinstance(score, PanopticScore) for score in scores.classes.values()):
        return {"SQ": "sq", "RQ": "rq", "IoU": "iou"}
    return {"F1": "f1", "Hausdorff": "hausdorff", "IoU": "iou"}


def comparable_scores(result: Result) -> dict[str, float]:
    """Score per class for comparisons: a class that the metric skips counts as 0 (see `strict_scores`)."""
    return {name: score.score for name, score in result.strict_scores.classes.items()}


def skipped_classes(result: Result) -> Iterator[str]:
    """A sentence for each class whose comparable score differs from the official one."""
    for name, strict in result.strict_scores.classes.items():
        official = result.scores.classes[name].score
        if strict.score != official:
            skipped = [row for row in result.rows if row.class_name == name and row.status == SKIPPED]
            crops = ", ".join(f"crop {row.crop_id}" for row in skipped)
            yield (
                f"{name}: too many objects, so the metric skips {crops} and says {official:.3f}; "
                f"compared as {strict.score:.3f}, with every object there counted as missed"
            )


def _remarks(result: Result) -> Iterator[Text]:
    for row in result.rows:
        style = "yellow" if row.status == "scored" else STATUS_STYLES.get(row.status, "")
        yield from (Text.assemble((row.place, style), f"  {note}") for note in notes(row))


def _problems(result: Result) -> Iterator[Text]:
    errors = sum(problem.severity == "error" for problem in result.problems)
    if errors:
        found = "1 error" if errors == 1 else f"{errors} errors"
        yield Text(f"\nThe validator finds {found} in this submission: csc validate names them", "yellow")


def _overall(result: Result) -> Text:
    scores, done = result.scores, f"{result.num_evals_done} of {result.total_evals} rows"
    return Text.assemble(
        "\nOverall ",
        (f"{scores.overall:.4f}", "bold"),
        f"  (instances {scores.overall_instance:.4f}, semantic {scores.overall_semantic:.4f})",
        f"\n{done}, metric {result.provenance.metric}",
        *(f"\nby metric {version}: {other.overall:.4f}" for version, other in result.other_scores.items()),
    )


def _table(title: str, columns: list[str]) -> Table:
    """A table without lines; numbers stand on the right."""
    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    for name in columns:
        is_text = name in ("crop", "class", "", "counted in", "status")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name == "class")
    return table


def _colour(score: float, others: list[float | None]) -> str:
    """Green when the score beats every baseline there is, red when not, none without baselines."""
    known = [other for other in others if other is not None]
    if not known:
        return ""
    return "green" if all(score > other for other in known) else "red"


def _bar(score: float, colour: str, width: int = 12) -> Text:
    filled = round(score * width)
    return Text.assemble(("━" * filled, colour or "cyan"), ("·" * (width - filled), "bright_black"))


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"
