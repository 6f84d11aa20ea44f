"""Every class beside its two baselines, per dataset and over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from organelle.catalog import Catalog
from organelle.classes import Kind, kind_of
from organelle.demo.baselines import Thresholds
from organelle.evaluate import Result
from organelle.evaluate.records import SKIPPED
from organelle.files import write_json


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One class in one dataset.

    Attributes:
        present: whether the truth holds any of it; without, every score is about inventing nothing.
        score: of the networks.
        nothing: of a submission with nothing in it.
        threshold: of the best single grey value; None when no training crop shows the class.
        grey: that value, e.g. `<= 97`.
        skipped: whose crops the metric skips for too many objects ("networks", "grey value"): their
            objects count as missed here.
    """

    dataset: str
    class_name: str
    kind: str
    present: bool
    score: float
    nothing: float
    threshold: float | None
    grey: str
    skipped: tuple[str, ...]

    @property
    def better(self) -> bool:
        """Whether the networks beat both baselines."""
        return self.score > max(self.nothing, self.threshold or 0.0)


def compare(
    catalog: Catalog, result: Result, nothing: Result, grey: Result, thresholds: Thresholds
) -> tuple[ScoreRow, ...]:
    """The rows of the score table, dataset by dataset, classes in the table's order."""
    rows = []
    for dataset in dict.fromkeys(crop.dataset for crop in catalog.test_crops.values()):
        crops = {crop.id for crop in catalog.test_crops.values() if crop.dataset == dataset}
        ours, none, theirs = (_only(of, crops) for of in (result, nothing, grey))
        scores, zero, threshold = (r.strict_scores.classes for r in (ours, none, theirs))
        for name, score in scores.items():
            chosen = thresholds.get((dataset, name))
            rows.append(
                ScoreRow(
                    dataset,
                    name,
                    kind_of(name).value,
                    _is_there(none, name),
                    score.score,
                    zero[name].score,
                    threshold[name].score if chosen else None,
                    str(chosen or ""),
                    tuple(
                        who
                        for who, of in (("networks", ours), ("grey value", theirs))
                        if _is_skipped(of, name)
                    ),
                )
            )
    return tuple(rows)


def score_table(rows: Iterable[ScoreRow], result: Result) -> RenderableType:
    """The tables that the tour ends with, one per dataset."""
    tables = []
    for dataset, group in groupby(rows, key=lambda row: row.dataset):
        its_rows = list(group)
        title = f"Scores on the test crops of {dataset}"
        # narrow, so that a terminal of 80 columns shows every name whole
        table = Table(
            title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
        )
        for heading in ("class", "measure", "networks", "nothing", "grey value", "at", ""):
            numeric = heading in ("networks", "nothing", "grey value")
            table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
        for row in its_rows:
            table.add_row(*_cells(row))
        if any(row.skipped for row in its_rows):
            table.caption = "* flooded with specks and skipped by the metric; here it counts as missed"
        tables.append(table)
    scores = result.scores
    overall = (
        f"overall {scores.overall:.3f}   semantic {scores.overall_semantic:.3f}   "
        f"instance {scores.overall_instance:.3f}   (metric {result.provenance.metric})"
    )
    return Group(*tables, Text(overall, style="bold"))


def write_summary(rows: Iterable[ScoreRow], result: Result, path: Path) -> None:
    """Write the rows and the overall scores as JSON."""
    scores = result.scores
    record: dict[str, Any] = {
        "metric": result.provenance.metric,
        "overall": scores.overall,
        "overall_semantic": scores.overall_semantic,
        "overall_instance": scores.overall_instance,
        "rows": [_plain(row) for row in rows],
    }
    write_json(path, record, overwrite=True)


def _only(result: Result, crops: set[int]) -> Result:
    return replace(result, rows=tuple(row for row in result.rows if row.crop_id in crops))


def _is_there(nothing: Result, name: str) -> bool:
    """Whether the truth holds the class: then a submission of nothing misses something."""
    return any(row.counts.fn for row in nothing.rows if row.class_name == name and row.counts)


def _is_skipped(result: Result, name: str) -> bool:
    return any(row.status == SKIPPED for row in result.rows if row.class_name == name)


def _plain(row: ScoreRow) -> dict[str, Any]:
    record = asdict(row)
    return {"class": record.pop("class_name"), **record, "better": row.better}


def _cells(row: ScoreRow) -> tuple[Text | str, ...]:
    if not row.present:
        verdict = Text("not in the truth", style="dim")
    elif row.better:
        verdict = Text("better", style="green")
    else:
        verdict = Text("not better", style="red")
    measure = "IoU" if row.kind == Kind.SEMANTIC.value else "objects"
    ours = f"{row.score:.3f}" + "*" * ("networks" in row.skipped)
    grey = "-" if row.threshold is None else f"{row.threshold:.3f}" + "*" * ("grey value" in row.skipped)
    return row.class_name, measure, ours, f"{row.nothing:.3f}", grey, row.grey, verdict
