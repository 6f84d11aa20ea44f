"""What is to be done follows from the states of submissions; organisers may change it.

Jobs are made from states and never the other way round, so that none is lost between two transactions: a
process that dies in between leaves a state from which the next one makes the job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from organelle.portal.challenge.models import note
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.finish import SYSTEM, finish_if_done, settle
from organelle.portal.scoring.leases import ACTIVE
from organelle.portal.scoring.models import Job, JobEvent, Question, Result, Task
from organelle.portal.scoring.private import make_figures_anew
from organelle.portal.submissions.models import NotInThatState, Submission, move

if TYPE_CHECKING:
    from organelle.portal.scoring.question import Exam

NORMAL, LATER = 0, -10
"""Priorities: what nobody has seen a score of, and what is scored again."""

WAITING_FOR_A_SCORE = (Submission.State.QUEUED, Submission.State.SCORING)
AT_ONCE = 100
"""So many submissions get their jobs in one go; the next round makes the others."""


def derive_jobs(exam: Exam | None) -> None:
    """Make the jobs that the states of submissions ask for, and end those that nobody wants any more.

    Without an exam nothing can be scored, and only checks are made.
    """
    _drop_unwanted(exam)
    for submission in _without_job(Submission.State.CHECKING, Job.objects.filter(kind=Job.Kind.CHECK)):
        _open_check(submission)
    if exam is None:
        return
    if (asked := Question.current()) is not None:  # not the exam's: another worker may have come later
        make_figures_anew(asked.private_crops)
    jobs = Job.objects.filter(kind=Job.Kind.SCORE, **exam.key)
    for submission in _without_job(WAITING_FOR_A_SCORE, jobs):
        _open_score(submission, exam, NORMAL)
    for submission in _to_score_again(exam, jobs):
        _open_score(submission, exam, LATER)
    for job in _without_rows_left(jobs):
        finish_if_done(job, exam, SYSTEM)


def requeue(submission: Submission, actor: Any, reason: str = "") -> None:
    """Start a submission's way again, from any state: where its check was fine it is scored, else checked.

    What is scored stays on the board with its score until the new one is there. A held one is released. Rows
    that are done for the current question are kept, unless it was scored.

    Args:
        submission: any.
        actor: who wants it: an organiser, or None for the portal itself.
        reason: for the audit log, and for its team where its state changes.
    """
    submission.refresh_from_db()
    begin_again(submission, actor, reason)


def begin_again(submission: Submission, actor: Any, reason: str = "") -> None:
    """As `requeue`, from the state that `submission` says it is in.

    Raises:
        NotInThatState: it has moved meanwhile; nothing was changed.
    """
    state = submission.state
    with transaction.atomic():
        if state == Submission.State.SCORED:
            _score_again(submission, reason)
        elif state in (Submission.State.CHECKING, *WAITING_FOR_A_SCORE):
            for job in submission.jobs.filter(state__in=ACTIVE):
                reopen(job, str(actor or SYSTEM), reason=reason)
        elif (submission.report or {}).get("ok"):
            counted = submission.attempt_at or database_time()
            move(submission, Submission.State.QUEUED, str(actor or SYSTEM), reason, attempt_at=counted)
        else:
            move(submission, Submission.State.CHECKING, str(actor or SYSTEM), reason)
        note(actor, "submission.requeued", f"submission {submission.pk}", was=state, reason=reason)


def cancel(submission: Submission, actor: Any, reason: str = "") -> None:
    """Take a submission out of the queue; it costs no attempt.

    Raises:
        NotInThatState: its way is over already.
    """
    if submission.is_over:
        raise NotInThatState(f"{submission} is {submission.state} already")
    with transaction.atomic():
        move(submission, Submission.State.CANCELLED, str(actor or SYSTEM), reason)
        _cancel(submission.jobs.filter(state__in=ACTIVE), str(actor or SYSTEM), "cancelled")
        note(actor, "submission.cancelled", f"submission {submission.pk}", reason=reason)


def rescore_all(reason: str, actor: Any = None) -> int:
    """Have everything that is scored or failed scored anew; returns how many submissions that are.

    Args:
        reason: for the audit log.
        actor: who wants it: an organiser, or None for the portal itself.
    """
    states = (Submission.State.SCORED, Submission.State.FAILED)
    found = list(Submission.objects.filter(state__in=states).order_by("created"))
    for submission in found:
        requeue(submission, actor, reason)
    return len(found)


def reopen(
    job: Job, actor: str, *, reason: str = "", anew: bool = False, priority: int | None = None
) -> None:
    """Let a job begin again, without its faults; done rows are kept unless all is to be done `anew`."""
    with transaction.atomic():
        rows = job.tasks.all() if anew else job.tasks.exclude(state=Task.State.DONE, row__isnull=False)
        rows.update(state=Task.State.WAITING, row=None, lease_owner="", lease_until=None)
        fresh = {"state": Job.State.QUEUED, "attempts": 0, "reason": "", "started": None, "finished": None}
        if priority is not None:
            fresh["priority"] = priority
        Job.objects.filter(pk=job.pk).update(
            **fresh, not_before=database_time(), lease_owner="", lease_until=None
        )
        job.events.filter(what="lost").delete()
        JobEvent.objects.create(job=job, actor=actor, what="requeued", reason=reason)


def _score_again(submission: Submission, reason: str) -> None:
    """Its job for what is asked now, or that of another team with the same file, begins anew.

    Where there is none, `derive_jobs` makes one by itself.
    """
    jobs = Job.objects.filter(kind=Job.Kind.SCORE, submission__sha256=submission.sha256)
    if (question := Question.current()) is None:
        return
    if (job := jobs.filter(**question.key).first()) is not None:
        reopen(job, SYSTEM, reason=reason, anew=True, priority=LATER)


def _without_job(states: Any, jobs: QuerySet) -> Iterable[Submission]:
    """Submissions in these states that no active one of `jobs` is about, oldest first."""
    wanted = (states,) if isinstance(states, str) else states
    active = jobs.filter(submission=OuterRef("pk"), state__in=ACTIVE)
    return Submission.objects.filter(~Exists(active), state__in=wanted).order_by("created")[:AT_ONCE]


def _to_score_again(exam: Exam, jobs: QuerySet) -> Iterable[Submission]:
    """Scored submissions without a result for this question; those whose job failed wait for an organiser."""
    result = Result.objects.filter(sha256=OuterRef("sha256"), **exam.key)
    tried = jobs.filter(submission=OuterRef("pk")).exclude(state=Job.State.DONE)
    found = Submission.objects.filter(~Exists(result), ~Exists(tried), state=Submission.State.SCORED)
    return found.order_by("-created")[:AT_ONCE]


def _without_rows_left(jobs: QuerySet) -> Iterable[Job]:
    """Running jobs whose last row is there, but whose worker died before it said so."""
    left = Task.objects.filter(job=OuterRef("pk")).exclude(state=Task.State.DONE)
    return jobs.filter(~Exists(left), state=Job.State.RUNNING)


def _open_check(submission: Submission) -> None:
    with transaction.atomic():
        job, made = Job.objects.get_or_create(submission=submission, kind=Job.Kind.CHECK)
        if not made and job.state not in ACTIVE:
            reopen(job, SYSTEM)


def _open_score(submission: Submission, exam: Exam, priority: int) -> None:
    """A scoring job with a task for each row, unless somebody else's same file has its result already."""
    with transaction.atomic():
        if Result.objects.filter(sha256=submission.sha256, **exam.key).exists():
            settle(submission, actor=SYSTEM)
            return
        job, made = Job.objects.get_or_create(
            submission=submission, kind=Job.Kind.SCORE, **exam.key, defaults={"priority": priority}
        )
        if made:
            rows = [Task(job=job, crop_id=row.crop_id, class_name=row.class_name) for row in exam.plan]
            Task.objects.bulk_create(rows, batch_size=500)
        elif job.state not in ACTIVE:
            reopen(job, SYSTEM, priority=priority)


def _drop_unwanted(exam: Exam | None) -> None:
    """Cancel jobs whose submission went elsewhere, and those that ask what nobody asks any more."""
    active = Job.objects.filter(state__in=ACTIVE)
    checks, scores = active.filter(kind=Job.Kind.CHECK), active.filter(kind=Job.Kind.SCORE)
    scored = (*WAITING_FOR_A_SCORE, Submission.State.SCORED)
    elsewhere = checks.exclude(submission__state=Submission.State.CHECKING)
    _cancel(elsewhere, SYSTEM, "the submission went elsewhere")
    _cancel(scores.exclude(submission__state__in=scored), SYSTEM, "the submission went elsewhere")
    if exam is not None:
        _cancel(scores.filter(~Q(**exam.key)), SYSTEM, "another question is asked now")


def _cancel(jobs: QuerySet, actor: str, reason: str) -> None:
    for job in jobs:
        with transaction.atomic():
            over = {"state": Job.State.CANCELLED, "reason": reason, "finished": database_time()}
            if not Job.objects.filter(pk=job.pk, state__in=ACTIVE).update(
                **over, lease_owner="", lease_until=None
            ):
                continue
            Task.objects.filter(job=job, state=Task.State.LEASED).update(
                state=Task.State.WAITING, lease_owner="", lease_until=None
            )
            JobEvent.objects.create(job=job, actor=actor, what="cancelled", reason=reason)
