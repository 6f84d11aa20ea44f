"""Who works at what: jobs and rows are leased, renewed, given back, and taken over from the dead.

A lease that ran out may be taken by anybody; what its former holder still brings is not wanted any more. All
times are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from organelle.portal.scoring.clock import database_time, due, lapsed, lease_end
from organelle.portal.scoring.finish import SYSTEM
from organelle.portal.scoring.models import Job, JobEvent, Task, Worker
from organelle.portal.submissions.models import NotInThatState, Submission, move

ACTIVE = (Job.State.QUEUED, Job.State.RUNNING)
MOST_FAULTS = 3
"""So often a job is tried that meets faults of ours, before an organiser has to look."""

PAUSES = (timedelta(minutes=1), timedelta(minutes=10))
"""After the first fault, and after the second: a store that restarts, a network that is mended."""

MOST_LOST = 20
"""So many workers may die at a job. Hostile files die in children, so this is rarely the job's doing: far
more than faults, but not without end."""

OURS = "It could not be done for a reason that is ours. It cost no attempt, and the organisers see why."


@dataclass(frozen=True)
class Batch:
    """Rows of one job that a worker has leased."""

    job: Job
    tasks: tuple[Task, ...]


def take_check(worker: Worker) -> Job | None:
    """Lease the next submission to check; None when there is none."""
    with transaction.atomic():
        now = database_time()
        free = Q(state=Job.State.QUEUED) | Q(lapsed(now), state=Job.State.RUNNING)
        jobs = Job.objects.filter(due(now), free, kind=Job.Kind.CHECK)
        job: Job | None = jobs.select_for_update(skip_locked=True, of=("self",)).first()
        if job is None or (job.state == Job.State.RUNNING and not _may_be_taken_over(job, worker)):
            return None
        _begin(job, worker, lease_owner=str(worker.pk), lease_until=lease_end(now))
        return job


def take_rows(worker: Worker, key: Mapping[str, str], most: int) -> Batch | None:
    """Lease at most so many rows of the next job that asks the question `key`; None when there are none."""
    with transaction.atomic():
        now = database_time()
        rows = Task.objects.filter(_free_rows(now), job=OuterRef("pk"))
        jobs = Job.objects.filter(due(now), Exists(rows), kind=Job.Kind.SCORE, state__in=ACTIVE, **key)
        job = jobs.select_for_update(skip_locked=True, of=("self",)).first()
        if job is None or not _bring_to_scoring(job, worker):
            return None
        tasks = list(_locked(Task.objects.filter(_free_rows(now), job=job))[:most])
        if any(task.state == Task.State.LEASED for task in tasks) and not _may_be_taken_over(job, worker):
            return None
        _begin(job, worker)
        mine = {"state": Task.State.LEASED, "lease_owner": str(worker.pk), "lease_until": lease_end(now)}
        Task.objects.filter(pk__in=[task.pk for task in tasks]).update(**mine)
        return Batch(job, tuple(tasks))


def keep_row(task: Task, worker: Worker, record: Mapping[str, Any]) -> bool:
    """Keep what came of a row; False if it is no longer this worker's, and nothing was kept."""
    mine = Task.objects.filter(pk=task.pk, state=Task.State.LEASED, lease_owner=str(worker.pk))
    done = {"state": Task.State.DONE, "row": record, "lease_owner": "", "lease_until": None}
    return bool(mine.filter(job__state=Job.State.RUNNING).update(**done))


def renew(worker: Worker) -> None:
    """Tell that the worker lives, and make its leases last."""
    now = database_time()
    Worker.objects.filter(pk=worker.pk).update(seen=now)
    for model in (Job, Task):
        model.objects.filter(lease_owner=str(worker.pk)).update(lease_until=lease_end(now))


def give_back(worker: Worker) -> None:
    """Let others have what this worker has leased."""
    with transaction.atomic():
        mine = {"lease_owner": str(worker.pk)}
        free = {"lease_owner": "", "lease_until": None}
        Task.objects.filter(state=Task.State.LEASED, **mine).update(state=Task.State.WAITING, **free)
        Job.objects.filter(state=Job.State.RUNNING, kind=Job.Kind.CHECK, **mine).update(
            state=Job.State.QUEUED, **free
        )


def fault(job: Job, worker: Worker, reason: str) -> None:
    """A fault of ours: the job pauses, longer each time, and after the third it has failed."""
    with transaction.atomic():
        found = Job.objects.select_for_update().get(pk=job.pk)
        if found.state not in ACTIVE:
            return
        give_back(worker)
        faults = found.attempts + 1
        JobEvent.objects.create(job=found, actor=worker.name, what="fault", reason=reason)
        if faults >= MOST_FAULTS:
            _fail(found, worker, reason, attempts=faults)
            return
        later = database_time() + PAUSES[faults - 1]
        Job.objects.filter(pk=job.pk).update(attempts=faults, reason=reason, not_before=later)


def _fail(job: Job, worker: Worker, reason: str, **values: Any) -> None:
    """Give a job up; its submission has failed unless it was scored before."""
    over = {"state": Job.State.FAILED, "reason": reason, "finished": database_time()}
    Job.objects.filter(pk=job.pk).update(**over, lease_owner="", lease_until=None, **values)
    Task.objects.filter(job=job, state=Task.State.LEASED).update(
        state=Task.State.WAITING, lease_owner="", lease_until=None
    )
    JobEvent.objects.create(job=job, actor=worker.name, what="failed", reason=reason)
    submission = Submission.objects.get(pk=job.submission_id)
    if submission.state in (Submission.State.CHECKING, Submission.State.QUEUED, Submission.State.SCORING):
        move(submission, Submission.State.FAILED, SYSTEM, OURS)


def _may_be_taken_over(job: Job, worker: Worker) -> bool:
    """Note that a worker was lost at the job; False if it was one too many, and the job has failed."""
    lost = job.events.filter(what="lost").count() + 1
    reason = f"a worker fell silent at it, the {lost}. time"
    JobEvent.objects.create(job=job, actor=worker.name, what="lost", reason=reason)
    if lost < MOST_LOST:
        return True
    _fail(job, worker, f"{lost} workers died at it")
    return False


def _bring_to_scoring(job: Job, worker: Worker) -> bool:
    """The submission is being scored now; False if it went elsewhere meanwhile, and the job is over."""
    submission = Submission.objects.get(pk=job.submission_id)
    if submission.state in (Submission.State.SCORING, Submission.State.SCORED):
        return True
    try:
        if submission.state == Submission.State.QUEUED:
            move(submission, Submission.State.SCORING, SYSTEM)
            return True
    except NotInThatState:
        pass
    Job.objects.filter(pk=job.pk).update(state=Job.State.CANCELLED, reason="the submission went elsewhere")
    JobEvent.objects.create(job=job, actor=worker.name, what="cancelled")
    return False


def _begin(job: Job, worker: Worker, **values: Any) -> None:
    if job.state == Job.State.QUEUED:
        JobEvent.objects.create(job=job, actor=worker.name, what="started")
        values |= {"state": Job.State.RUNNING, "started": job.started or database_time()}
    if values:
        Job.objects.filter(pk=job.pk).update(**values)
        job.refresh_from_db()


def _free_rows(now: Any) -> Q:
    return Q(state=Task.State.WAITING) | Q(lapsed(now), state=Task.State.LEASED)


def _locked(rows: QuerySet) -> QuerySet:
    return rows.select_for_update(skip_locked=True, of=("self",))
