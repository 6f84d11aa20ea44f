"""How far a submission is, for those who wait."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median

from django.db.models import Count, Exists, OuterRef, QuerySet

from organelle.portal.scoring.leases import ACTIVE
from organelle.portal.scoring.models import Job, Question, Task
from organelle.portal.submissions.models import Submission

STEP_SECONDS = 10
"""Estimates are rounded up to it: nothing is known better, and nothing shall be told of single rows."""

LOOKED_AT = 10
"""Jobs from which the time for a row is estimated."""


@dataclass(frozen=True)
class Progress:
    """Where a submission is in the queue, and how far.

    Attributes:
        place_in_queue: 1 is the next to be taken; None unless it waits to be checked or scored.
        done: rows that are scored.
        total: rows that there are; 0 while that is not known.
        estimate_seconds: until it is scored, from the pace of the last ones; None when nothing is known.
    """

    place_in_queue: int | None
    done: int
    total: int
    estimate_seconds: int | None


def progress_of(submission: Submission) -> Progress:
    """How far `submission` is; nothing about single rows is told."""
    state = submission.state
    if state == Submission.State.CHECKING:
        earlier = Submission.objects.filter(state=state, created__lt=submission.created)
        return Progress(earlier.count() + 1, 0, 0, None)
    if state not in (Submission.State.QUEUED, Submission.State.SCORING):
        return Progress(None, 0, 0, None)
    done, total = _rows(submission)
    place, left = None, total - done
    if state == Submission.State.QUEUED:
        ahead = _ahead(submission)
        place = ahead.filter(state=Submission.State.QUEUED).count() + 1
        left += _rows_left(ahead)
    pace = seconds_a_row()
    estimate = STEP_SECONDS * ceil(pace * left / STEP_SECONDS) if pace is not None and total else None
    return Progress(place, done, total, estimate)


def seconds_a_row() -> float | None:
    """What a row took lately, from the first to the last of a job; None before the first one is done."""
    done = Job.objects.filter(kind=Job.Kind.SCORE, state=Job.State.DONE).exclude(started=None)
    found = done.annotate(rows=Count("tasks")).order_by("-finished")[:LOOKED_AT]
    paces = [(j.finished - j.started).total_seconds() / j.rows for j in found if j.rows and j.finished]
    return max(0.0, median(paces)) if paces else None


def _ahead(submission: Submission) -> QuerySet:
    """What was queued before it and is not scored yet."""
    waiting = Submission.objects.filter(state__in=(Submission.State.QUEUED, Submission.State.SCORING))
    return waiting.filter(attempt_at__lt=submission.attempt_at) if submission.attempt_at else waiting.none()


def _rows_left(submissions: QuerySet) -> int:
    """Rows of these submissions that are still to be scored."""
    jobs = Job.objects.filter(kind=Job.Kind.SCORE, state__in=ACTIVE)
    left = Task.objects.filter(job__in=jobs.filter(submission__in=submissions))
    without = submissions.filter(~Exists(jobs.filter(submission=OuterRef("pk")))).count()
    question = Question.current()
    return left.exclude(state=Task.State.DONE).count() + without * (question.rows if question else 0)


def _rows(submission: Submission) -> tuple[int, int]:
    """Rows that are done, and all of them, of its job for what is asked now."""
    job = submission.jobs.filter(kind=Job.Kind.SCORE, state__in=ACTIVE).first()
    if job is None:
        question = Question.current()
        return 0, question.rows if question else 0
    return job.tasks.filter(state=Task.State.DONE).count(), job.tasks.count()
