"""What the intervals of the board are read from; nothing of it is ever shown as it is."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from organelle.portal.scoring.models import KnowsPrivate, Result


class Ranking(StrEnum):
    """Which crops count: the public ones, or the private ones alone."""

    PUBLIC = "public"
    FINAL = "final"


class Resample(KnowsPrivate):
    """One column of a result, scored anew for crops drawn with replacement: private, like the crops."""

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="resamples")
    ranking = models.CharField(max_length=8, default=Ranking.PUBLIC.value)
    """Of which crops; where the result knows other private crops by now, this is out of date."""
    column = models.CharField(max_length=40)
    score = models.FloatField()
    """Of all these crops; where the result says something else by now, this is out of date."""
    crops = models.IntegerField()
    """In how many crops something was counted."""
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    """Ends of the interval; none where the crops are too few."""
    draws = models.BinaryField()
    """The scores of all draws, as `intervals.packed` writes them."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["result", "ranking", "column"], name="one_resample_each"),
        ]

    def __str__(self) -> str:
        return f"{self.column} of {self.result}"
