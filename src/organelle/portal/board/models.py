"""What the intervals of the board are read from; nothing of it is ever shown as it is."""

from __future__ import annotations

from django.db import models

from organelle.portal.scoring.models import Result


class Resample(models.Model):
    """One column of a result, scored anew for crops drawn with replacement: private, like the crops."""

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="resamples")
    column = models.CharField(max_length=40)
    score = models.FloatField()
    """Of all crops; where the result says something else by now, this is out of date."""
    crops = models.IntegerField()
    """In how many crops something was counted."""
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    """Ends of the interval; none where the crops are too few."""
    draws = models.BinaryField()
    """The scores of all draws, as `intervals.packed` writes them."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["result", "column"], name="one_resample_per_column"),
        ]

    def __str__(self) -> str:
        return f"{self.column} of {self.result}"
