"""Uploads that come in piece by piece, submissions, and the way of each through its states."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from organelle.portal.accounts.models import Team


class Upload(models.Model):
    """Bytes that are still coming in: `offset` of them are on disk for sure."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    length = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    name = models.CharField(max_length=200)
    """Of the file, as its owner calls it; never a path here."""
    sha256 = models.CharField(max_length=64, blank=True)
    """As the sender announced it; compared when all has come."""
    fields = models.JSONField(default=dict)
    """What goes with it: description, code link, consent, lineage."""
    created = models.DateTimeField(default=timezone.now)
    touched = models.DateTimeField(default=timezone.now, db_index=True)
    whole = models.BooleanField(default=False)
    """All bytes are here, and `sha256` is their hash: from now on they may lie where submissions lie."""
    submission = models.ForeignKey(
        "Submission", null=True, blank=True, on_delete=models.CASCADE, related_name="uploads"
    )
    """What became of it; two uploads of the same bytes become one submission."""

    def __str__(self) -> str:
        return f"{self.name}, {self.offset} of {self.length} bytes"


class Submission(models.Model):
    """What a team handed in."""

    class State(models.TextChoices):
        """Where it is on its way."""

        CHECKING = "checking", "being checked"
        REFUSED = "refused", "refused: it cannot be scored as it is"
        HELD = "held", "held for an organiser to look at"
        QUEUED = "queued", "waiting to be scored"
        SCORING = "scoring", "being scored"
        SCORED = "scored", "scored"
        FAILED = "failed", "failed for a reason that is ours"
        CANCELLED = "cancelled", "cancelled"

    OVER = (State.REFUSED, State.SCORED, State.FAILED, State.CANCELLED)
    COUNTED = (State.HELD, State.QUEUED, State.SCORING, State.SCORED)
    """States that cost an attempt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="submissions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="submissions"
    )
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.BigIntegerField()
    name = models.CharField(max_length=200)
    method = models.CharField(max_length=100, blank=True)
    """Name of the method, as the board shows it."""
    description = models.TextField(max_length=4000, blank=True)
    code_url = models.URLField(max_length=300, blank=True)
    publish = models.BooleanField(default=True)
    """Whether it may stand on the board."""
    anonymous = models.BooleanField(default=False)
    """Whether the board calls its team by another name."""
    lineage = models.JSONField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.CHECKING, db_index=True)
    reason = models.TextField(blank=True)
    """Why it is in this state, for its team to read."""
    report = models.JSONField(null=True, blank=True)
    """What the validator found."""
    created = models.DateTimeField(default=timezone.now, db_index=True)
    attempt_at = models.DateTimeField(null=True, blank=True, db_index=True)
    """When it was queued, which is when it cost an attempt."""
    chosen = models.BooleanField(default=False)
    """The team's choice for the board; without one its best counts."""

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(fields=["team", "sha256"], name="one_submission_per_team_and_file"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.team}"

    @property
    def is_over(self) -> bool:
        """Whether nothing happens to it any more by itself."""
        return self.state in self.OVER


class Transition(models.Model):
    """That a submission went from one state into another."""

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="transitions")
    time = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150)
    source = models.CharField(max_length=16, blank=True)
    target = models.CharField(max_length=16)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["time", "id"]

    def __str__(self) -> str:
        return f"{self.source} to {self.target}"


class NotInThatState(Exception):
    """Somebody else was faster: the submission is in another state by now."""


def move(submission: Submission, target: Any, actor: str, reason: str = "", **values: Any) -> None:
    """Bring a submission into another state, with its trace; `values` are set along.

    It moves only if it still is in the state that `submission` says, so that of two who try one succeeds.

    Raises:
        NotInThatState: it has moved meanwhile; nothing was changed.
    """
    from django.db import transaction

    with transaction.atomic():
        changed = {"state": target, "reason": reason, **values}
        found = Submission.objects.filter(pk=submission.pk, state=submission.state)
        if not found.update(**changed):
            raise NotInThatState(f"{submission} is no longer {submission.state}")
        Transition.objects.create(
            submission=submission, actor=actor, source=submission.state, target=target, reason=reason
        )
    for key, value in changed.items():
        setattr(submission, key, value)
