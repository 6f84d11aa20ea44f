"""The job table, which is the truth about what is to be done: jobs, their tasks, who works, and results."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from organelle.portal.challenge.models import note
from organelle.portal.submissions.models import Submission


class Job(models.Model):
    """Something that a worker does for a submission: check it, or score it with one metric and truth."""

    class Kind(models.TextChoices):
        """What is done."""

        CHECK = "check"
        SCORE = "score"

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED, db_index=True)
    metric = models.CharField(max_length=32, blank=True)
    truth = models.CharField(max_length=64, blank=True)
    """Hash of the truth store."""
    configuration = models.CharField(max_length=64, blank=True)
    """Hash of what is scored and how: rows, grids, versions of libraries."""
    priority = models.IntegerField(default=0)
    """The highest comes first; scoring again after a new metric has a low one."""
    attempts = models.IntegerField(default=0)
    reason = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(default=timezone.now)
    """A fault of ours is tried again after a pause."""
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-priority", "created", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "kind", "metric", "truth", "configuration"], name="one_job_per_question"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.submission} ({self.state})"


class Task(models.Model):
    """One row of a scoring job: one class of one crop."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        LEASED = "leased"
        DONE = "done"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tasks")
    crop_id = models.IntegerField()
    class_name = models.CharField(max_length=32)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.IntegerField(default=0)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    row = models.JSONField(null=True, blank=True)
    """`organelle.evaluate`'s record of the row, with counts: never shown to participants."""

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "crop_id", "class_name"], name="one_task_per_row"),
        ]
        indexes = [models.Index(fields=["job", "state"], name="tasks_of_a_job")]

    def __str__(self) -> str:
        return f"crop{self.crop_id}/{self.class_name} ({self.state})"


class JobEvent(models.Model):
    """What happened to a job, when, by whom and why."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    time = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150)
    what = models.CharField(max_length=32)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["time", "id"]

    def __str__(self) -> str:
        return f"{self.what} by {self.actor}"


class Worker(models.Model):
    """A process that works; two of one name are two."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    version = models.CharField(max_length=32)
    started = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now, db_index=True)
    stopped = models.DateTimeField(null=True, blank=True)
    doing = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-seen"]

    def __str__(self) -> str:
        return self.name


class KnowsPrivate(models.Model):
    """Something that was made for certain private crops."""

    private_crops = models.TextField(blank=True, default="")
    """Their numbers, as `crops_as_text` writes them: which crops count only in the final ranking."""

    class Meta:
        abstract = True

    @property
    def private(self) -> frozenset[int]:
        """The numbers."""
        return crops_in(self.private_crops)


def crops_as_text(crops: Iterable[int]) -> str:
    """`21,22`: in order, each once; empty without any."""
    return ",".join(map(str, sorted(set(crops))))


def crops_in(text: str) -> frozenset[int]:
    """The numbers that `crops_as_text` has written."""
    return frozenset(int(number) for number in text.split(",") if number)


class Question(KnowsPrivate):
    """What scoring asks: which metric, which truth, scored how. The one that began last is asked now.

    Workers announce it when they have read the truth; web processes, which may have no truth, learn it here.
    Which crops are private is no part of its key: the rows are the same, and figures are made of them anew.
    """

    metric = models.CharField(max_length=32)
    truth = models.CharField(max_length=64)
    configuration = models.CharField(max_length=64)
    versions = models.JSONField(default=dict)
    """Of the libraries that can move a number."""
    rows = models.IntegerField(default=0)
    turn = models.IntegerField(default=0, db_index=True)
    """Counts up whenever another question is asked: clocks may jump."""
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-turn", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["metric", "truth", "configuration"], name="a_question_once"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}, truth {self.truth[:12]}, configuration {self.configuration[:12]}"

    @classmethod
    def current(cls) -> Question | None:
        """The question that is asked now; None while no worker has read a truth."""
        return cls.objects.first()

    @property
    def key(self) -> dict[str, str]:
        """The fields by which jobs and results name it."""
        return {"metric": self.metric, "truth": self.truth, "configuration": self.configuration}


class Result(KnowsPrivate):
    """What a file is worth under one metric, truth and configuration; teams with the same file share it."""

    sha256 = models.CharField(max_length=64)
    metric = models.CharField(max_length=32)
    truth = models.CharField(max_length=64)
    configuration = models.CharField(max_length=64)
    scores = models.JSONField()
    """Of the public crops, in full precision: `{"overall": ..., "instance": ..., "semantic": ...,
    "classes": {name: {...}}}`."""
    final = models.JSONField(default=dict, blank=True)
    """The same of the private crops alone: shown in the final ranking, and nowhere before. Else empty."""
    crops = models.JSONField(default=dict)
    """Private: per-crop counts by class, from which intervals are drawn."""
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(
                fields=["sha256", "metric", "truth", "configuration"], name="one_result_per_question"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} under {self.metric}"

    def forget(self, by: Any) -> None:
        """Drop it; what is asked now is scored again. `by` is an organiser, None the portal itself."""
        with transaction.atomic():
            note(by, "result.forgotten", f"file {self.sha256[:12]}", metric=self.metric)
            self.delete()
