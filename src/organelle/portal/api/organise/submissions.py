"""Everybody's submissions, their jobs, and what is done to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, Asked, Words, chosen
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.api.submitted import Full, Short, full_record, submission_record
from organelle.portal.scoring.desk import BY_AN_ORGANISER, DEEDS, do
from organelle.portal.scoring.models import Job, Task
from organelle.portal.scoring.queue import rescore_all
from organelle.portal.submissions.models import Submission

router = Router(tags=["organise: submissions"], auth=ORGANISER)
TEAM: Any = Query(None, ge=1, lt=1 << 63, description="a team's number")
DONE = Count("tasks", filter=Q(tasks__state=Task.State.DONE))


class Watched(Short):
    """A submission of anybody, as lists show it."""

    team_id: int
    user_id: int | None = Field(description="who handed it in; null when they are gone")


class JobRecord(Schema):
    """Something that a worker does for a submission; `rows` and `rows_done` are 0 for a check."""

    id: int
    submission_id: UUID
    kind: str
    state: str
    metric: str
    priority: int
    attempts: int
    reason: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    rows: int
    rows_done: int


class Happened(Schema):
    """What happened to a job."""

    time: datetime
    actor: str
    what: str
    reason: str


class JobFull(JobRecord):
    """A job with all that happened to it, the oldest first."""

    events: list[Happened]


class WatchedFull(Full, Watched):
    """A submission of anybody with its history and its jobs, the newest job first."""

    jobs: list[JobRecord]


class Reason(Asked):
    """Why: for the audit log, and for its team where the state changes."""

    reason: Words = ""


class Begun(Schema):
    """How many begin again."""

    count: int


@router.get(
    "/submissions", response=answers(Listing[Watched], 403, 422), by_alias=True, summary="All submissions"
)
def listed(
    request: HttpRequest,  # noqa: ARG001
    state: str = TEXT,
    team: int | None = TEAM,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first; `state` and `team` choose some."""
    found = chosen(Submission.objects.select_related("team"), state=state)
    if team is not None:
        found = found.filter(team=team)
    return listing(found, limit, offset, _watched)


@router.get(
    "/submissions/{uuid:submission_id}",
    response=answers(WatchedFull, 403, 404),
    by_alias=True,
    summary="Anybody's submission",
)
def one(request: HttpRequest, submission_id: UUID) -> dict[str, Any]:  # noqa: ARG001
    """With its history and its jobs."""
    return _full(_found(submission_id))


@router.post(
    "/submissions/{uuid:submission_id}/{deed}",
    response=changes(WatchedFull, 404, 409),
    by_alias=True,
    summary="Requeue, release, cancel or rescore a submission",
)
def act(
    request: HttpRequest,
    submission_id: UUID,
    deed: Literal["requeue", "release", "cancel", "rescore"],
    why: Reason,
) -> dict[str, Any]:
    """From any state, or of what is held, under way, or scored, in this order; 409 for the others."""
    submission = _found(submission_id)
    do(DEEDS[deed], submission, request.auth, why.reason)
    return _full(_found(submission_id))


@router.post("/rescore", response=changes(Begun, 409), summary="Score everything again")
def rescore(request: HttpRequest, why: Reason) -> dict[str, int]:
    """All that is scored or failed. Old scores stay until the new ones are there."""
    return {"count": rescore_all(why.reason or BY_AN_ORGANISER, request.auth)}


@router.get("/jobs", response=answers(Listing[JobRecord], 403, 422), summary="Jobs")
def jobs(
    request: HttpRequest,  # noqa: ARG001
    state: str = TEXT,
    kind: str = TEXT,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first; `state` and `kind` (check or score) choose some."""
    return listing(_counted(chosen(Job.objects, state=state, kind=kind)), limit, offset)


@router.get("/jobs/{int:number}", response=answers(JobFull, 403, 404), summary="One job")
def job(request: HttpRequest, number: int) -> Job:  # noqa: ARG001
    """With all that happened to it."""
    found: Job = get_object_or_404(_counted(Job.objects.prefetch_related("events")), pk=number)
    return found


def _counted(found: QuerySet) -> QuerySet:
    return found.annotate(rows=Count("tasks"), rows_done=DONE).order_by("-created", "-id")


def _found(submission_id: UUID) -> Submission:
    found: Submission = get_object_or_404(Submission.objects.select_related("team"), pk=submission_id)
    return found


def _watched(submission: Submission) -> dict[str, Any]:
    return submission_record(submission) | _owner(submission)


def _full(submission: Submission) -> dict[str, Any]:
    return full_record(submission) | _owner(submission) | {"jobs": list(_counted(submission.jobs.all()))}


def _owner(submission: Submission) -> dict[str, Any]:
    return {"team_id": submission.team_id, "user_id": submission.user_id}
