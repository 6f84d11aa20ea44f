"""Private crops: which crops may be, and the figures of kept results parted anew when others are.

Everything is scored once, with all crops. The rows of a result are kept, so its figures with and without
certain crops follow from them at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction

from organelle.classes import Kind
from organelle.errors import ScoringError, did_you_mean
from organelle.portal.scoring.finish import figures_of
from organelle.portal.scoring.models import Result, crops_in

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.evaluate import PlannedRow, Row
    from organelle.evaluate import Result as Evaluation

FIELDS = ("scores", "final", "private_crops")


def require_private(crops: Iterable[int], plan: Sequence[PlannedRow], catalog: Catalog) -> None:
    """Raise `ScoringError` unless these crops may be private: known, with truth, and others stay public.

    Args:
        crops: numbers of test crops; without any all is well.
        plan: every row of the truth.
        catalog: the table of test crops.
    """
    scored = {row.crop_id for row in plan if row.grid is not None}
    for crop in sorted(set(crops)):
        if crop not in catalog.test_crops:
            near = did_you_mean(crop, catalog.test_crops)
            raise ScoringError(f"private_crops: {catalog.name} has no test crop {crop}{near}")
        if crop not in scored:
            near = did_you_mean(crop, scored)
            raise ScoringError(f"private_crops: no truth of crop {crop} can be scored{near}")
    if not scored - set(crops):
        raise ScoringError("private_crops: no crop is left for the public board; leave one out")


def classes_without_public(crops: Collection[int], plan: Iterable[PlannedRow]) -> tuple[str, ...]:
    """Classes that only private crops hold: a board that stays empty tells that those crops are private."""
    held: dict[str, set[int]] = {}
    for row in plan:
        held.setdefault(row.class_name, set()).add(row.crop_id)
    return tuple(name for name, where in held.items() if where <= set(crops))


def make_figures_anew(private_crops: str) -> int:
    """Part all results for these private crops that were made for others; returns how many those were."""
    if new_figures := figures_to_change(private_crops):
        with transaction.atomic():
            keep_figures(new_figures)
    return len(new_figures)


def figures_to_change(private_crops: str) -> dict[int, dict[str, Any] | None]:
    """The new figures of results that were made for other private crops, by number of the result.

    None in their place where the kept rows cannot be read, as rows of an older version may be.
    """
    other = Result.objects.exclude(private_crops=private_crops).order_by("pk")
    return {result.pk: _parted(result, private_crops) for result in other.iterator(chunk_size=50)}


def keep_figures(found: Mapping[int, Mapping[str, Any] | None]) -> None:
    """Write down what `figures_to_change` found.

    A result whose rows cannot be read is forgotten, and scored again if it is asked for: its figures would
    tell of crops that are private.
    """
    for pk, figures in found.items():
        if figures is not None:
            Result(pk=pk, **figures).save(update_fields=FIELDS)
            continue
        for result in Result.objects.filter(pk=pk):
            result.forget(None)


def kept_row(record: Mapping[str, Any], metric: str) -> Row:
    """A row of a result.

    Raises:
        One of `organelle.evaluate.kept.NO_ROW`: it is none, or of another version.
    """
    from organelle.evaluate import PlannedRow
    from organelle.evaluate.kept import row_from_record

    planned = PlannedRow(record["crop_id"], record["class_name"], Kind(record["kind"]), None)
    return row_from_record(record, planned, metric)


def _parted(result: Result, private_crops: str) -> dict[str, Any] | None:
    from organelle.evaluate.kept import NO_ROW

    try:
        figures = figures_of(_evaluation(result), crops_in(private_crops))
    except (*NO_ROW, ScoringError):
        return None
    return figures | {"private_crops": private_crops}


def _evaluation(result: Result) -> Evaluation:
    from organelle.evaluate import Provenance, Source
    from organelle.evaluate import Result as Evaluation

    rows = tuple(kept_row(record, result.metric) for record in result.crops["rows"])
    made_with = Provenance(result.metric, Source("file", result.sha256), Source("truth", result.truth))
    return Evaluation(rows, len(rows), made_with)
