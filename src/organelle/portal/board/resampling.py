"""What was drawn of each result, kept beside it: made when a result is stored, or when a board lacks it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.db import DatabaseError, transaction

from organelle.portal.board.intervals import Drawn, Floats, draw_columns
from organelle.portal.board.models import Ranking, Resample
from organelle.portal.scoring.models import Result

log = logging.getLogger("organelle.portal.board")

STEPS = 60_000
"""A score between 0 and 1 is kept in so many steps, which is finer than any figure that is shown."""

NOTHING = 65_535
"""In place of a score: none of the drawn crops holds the class."""


def resample(result: Result) -> None:
    """Draw all columns of a stored result, and keep what was drawn in place of what was there.

    Public and private crops are drawn apart: nothing of one says anything about the other.
    """
    drawn: dict[Ranking, list[Mapping[str, Any]]] = {Ranking.PUBLIC: [], Ranking.FINAL: []}
    for record in result.crops.get("rows", ()):
        is_private = record["crop_id"] in result.private
        drawn[Ranking.FINAL if is_private else Ranking.PUBLIC].append(record)
    kept = [
        _resample(result, ranking, found)
        for ranking, records in drawn.items()
        for found in draw_columns(records, result.metric).values()
    ]
    with transaction.atomic():
        result.resamples.all().delete()
        Resample.objects.bulk_create(
            kept,
            update_conflicts=True,  # another process may draw the same
            unique_fields=["result", "ranking", "column"],
            update_fields=["private_crops", "score", "crops", "low", "high", "draws"],
        )


def _resample(result: Result, ranking: Ranking, found: Drawn) -> Resample:
    low, high = found.interval or (None, None)
    return Resample(
        result=result,
        ranking=ranking,
        private_crops=result.private_crops,
        column=found.column,
        score=found.score,
        crops=found.crops,
        low=low,
        high=high,
        draws=packed(found.scores),
    )


def resample_when_kept(instance: Result, **_: Any) -> None:
    """Resample a result once its transaction is over; trouble with that never hurts the result."""
    transaction.on_commit(lambda: resample_safely(instance.pk), robust=True)


def resample_safely(pk: int) -> None:
    """Resample, if the result is still there; one whose crops cannot be read has no intervals.

    A database that cannot be written now is tried again when the board is looked at.
    """
    result = Result.objects.filter(pk=pk).first()
    if result is None:
        return
    try:
        resample(result)
    except (ArithmeticError, AttributeError, DatabaseError, LookupError, TypeError, ValueError):
        log.exception("result %s has no intervals", result)


def packed(scores: Floats) -> bytes:
    """Scores of draws as little-endian 16-bit numbers, NaN as `NOTHING`."""
    steps = np.where(np.isnan(scores), NOTHING, np.rint(np.clip(scores, 0, 1) * STEPS))
    return steps.astype("<u2").tobytes()


def unpacked(draws: bytes) -> Floats:
    """What `packed` wrote."""
    steps = np.frombuffer(draws, "<u2")
    return np.where(steps == NOTHING, np.nan, steps / STEPS)
