"""The check before the queue: the validator that participants have, then a look for probes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from organelle.errors import OrganelleError
from organelle.files import sha256
from organelle.portal.accounts.models import Team
from organelle.portal.challenge.models import note
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.faults import KILLED, OurFault
from organelle.portal.scoring.finish import SYSTEM
from organelle.portal.scoring.models import Job, JobEvent, Worker
from organelle.portal.scoring.question import NoQuestion
from organelle.portal.submissions.limits import counted
from organelle.portal.submissions.models import Submission, move
from organelle.portal.submissions.store import stored_path

if TYPE_CHECKING:
    from organelle.submission import Report

Wait = Callable[[], AbstractContextManager[None]]

HELD = "An organiser looks at it before it is scored."
"""What its team reads; why it is held stands in the job's events."""


def check(job: Job, worker: Worker, wait: Wait = nullcontext) -> None:
    """Look at a submission, and refuse, hold or queue it.

    Args:
        job: leased by `worker`.
        worker: who checks.
        wait: entered while children look at the file; it may end the wait by an error.

    Raises:
        NoQuestion: the challenge's tables cannot be read.
        OurFault: the stored file is gone or damaged, or the processes that read it were killed.
    """
    from organelle.catalog import load_catalog
    from organelle.submission import validate

    submission = job.submission
    path = stored_path(submission)
    try:
        catalog = load_catalog(settings.PORTAL.catalog or None)
    except (OrganelleError, OSError) as error:
        raise NoQuestion(f"the tables of the challenge cannot be read: {error}") from error
    if not path.is_file():
        raise OurFault(f"the file {path} is gone; bring it back from a backup")
    with wait():
        report = validate(path, catalog, workers=settings.PORTAL.scoring_processes)
        _require_sound(report, path, submission)
        odd = [] if report.errors or submission.team.is_baseline else _suspicions(path, catalog)
    decide(job, worker, report_record(report, submission.name), odd)


def decide(job: Job, worker: Worker, record: dict[str, Any], odd: list[str]) -> bool:
    """Bring the submission into its next state; False if the job is somebody else's by now.

    Args:
        job: the check.
        worker: who has done it.
        record: what the validator found, as `report_record` makes it.
        odd: what looks like probing, for an organiser.
    """
    with transaction.atomic():
        mine = Job.objects.select_for_update().filter(
            pk=job.pk, state=Job.State.RUNNING, lease_owner=str(worker.pk)
        )
        submission = Submission.objects.get(pk=job.submission_id)
        if not mine.exists() or submission.state != Submission.State.CHECKING:
            return False
        _end(job, worker, "; ".join(odd))
        if not record["ok"]:
            move(submission, Submission.State.REFUSED, SYSTEM, _count(record["errors"]), report=record)
            return True
        # one at a time for each team: two checks do not share the last attempt
        Team.objects.select_for_update().get(pk=submission.team_id)
        when = _attempt_at(submission)
        if when is None:
            words = "The limit of submissions is reached; it cost no attempt."
            move(submission, Submission.State.REFUSED, SYSTEM, words, report=record)
        elif odd:
            move(submission, Submission.State.HELD, SYSTEM, HELD, report=record, attempt_at=when)
            note(None, "submission.held", f"submission {submission.pk}", why=odd)
        else:
            move(submission, Submission.State.QUEUED, SYSTEM, report=record, attempt_at=when)
    return True


def report_record(report: Report, name: str) -> dict[str, Any]:
    """The validator's report as JSON values, with the team's own name of the file in the place of ours."""
    record = report.to_dict()
    path = str(report.path)
    for problem in record["problems"]:
        for key in ("place", "found", "expected", "remedy"):
            problem[key] = problem[key].replace(path, name).replace(report.path.name, name)
    return record | {"path": name}


def _require_sound(report: Report, path: Path, submission: Submission) -> None:
    """Raise `OurFault` if what was found wrong is not the team's doing."""
    if any(problem.code == "stopped" and KILLED in problem.found for problem in report.problems):
        raise OurFault("the processes that read the file were killed; is memory scarce?")
    if report.errors and sha256(path) != submission.sha256:
        raise OurFault(f"the file {path} is damaged: its hash is another one; bring it back from a backup")


def _suspicions(path: Path, catalog: Any) -> list[str]:
    from organelle.portal.scoring.probing import suspicions

    return suspicions(path, catalog, workers=settings.PORTAL.scoring_processes)


def _attempt_at(submission: Submission) -> Any:
    """When it costs an attempt: now, else the day on which it was handed in; None when neither has one left.

    A check that lasts beyond midnight shall not cost an attempt of the new day that is used already.
    """
    limits, now = settings.PORTAL.limits, timezone.now()
    if submission.team.is_baseline:
        return now
    others = counted(submission.team).exclude(pk=submission.pk)
    others = others.exclude(state=Submission.State.CHECKING)
    if others.count() >= limits.total:
        return None
    for moment in (now, submission.created):
        if others.filter(at__date=moment.date()).count() < limits.per_day:
            return moment
    return None


def _end(job: Job, worker: Worker, reason: str) -> None:
    over = {"state": Job.State.DONE, "finished": database_time(), "reason": reason}
    Job.objects.filter(pk=job.pk).update(**over, lease_owner="", lease_until=None)
    JobEvent.objects.create(job=job, actor=worker.name, what="done", reason=reason)


def _count(errors: int) -> str:
    return f"The validator found {errors} error{'' if errors == 1 else 's'}; each says how to mend it."
