"""How the portal is: what to look at, who works, how much room there is, who did what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from organelle.portal.api.about import TeamLimits
from organelle.portal.api.answers import Listing, answers, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, chosen
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.challenge.effective import of_this_process
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.scoring.metrics import concerns, living_workers
from organelle.portal.scoring.models import Worker
from organelle.portal.submissions.storage import Storage, storage

router = Router(tags=["organise: portal"], auth=ORGANISER)


class WorkerRecord(Schema):
    """A process that works; `doing` says what, or what keeps it from working."""

    id: UUID
    name: str
    version: str
    alive: bool
    doing: str
    started: datetime
    seen: datetime
    stopped: datetime | None


class Setting(Schema):
    """A key; `coming` is what holds from the next start on, empty when that is the same."""

    key: str
    text: str
    source: str
    coming: str


class LogEntry(Schema):
    """That somebody did something; `actor_id` is null for the portal itself, and for people who are gone."""

    id: int
    time: datetime
    actor_name: str
    actor_id: int | None
    action: str
    about: str
    detail: dict[str, Any]


@router.get("/concerns", response=answers(list[str], 403), summary="What to look at now")
def things(request: HttpRequest) -> list[str]:  # noqa: ARG001
    """In sentences; none when all goes its way."""
    return concerns()


@router.get("/workers", response=answers(list[WorkerRecord], 403), summary="Who works")
def workers(request: HttpRequest) -> list[dict[str, Any]]:  # noqa: ARG001
    """Those that were seen within a week, the last one seen first."""
    alive = {worker.pk for worker in living_workers()}
    names = ("id", "name", "version", "doing", "started", "seen", "stopped")
    return [worker | {"alive": worker["id"] in alive} for worker in Worker.objects.values(*names)]


@router.get("/storage", response=answers(Storage, 403), summary="Room that is taken, and left")
def room(request: HttpRequest) -> Storage:  # noqa: ARG001
    """In files and bytes; uploads are those that are not whole."""
    return storage()


@router.get("/limits", response=answers(TeamLimits, 403), summary="The limits of teams")
def limits(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """They are changed in `portal.toml`; what a team has left stands with the team."""
    record: dict[str, Any] = settings.PORTAL.limits.model_dump()
    return record


@router.get("/settings", response=answers(list[Setting], 403), summary="The settings that hold")
def effective(request: HttpRequest) -> list[dict[str, str]]:  # noqa: ARG001
    """Of this web server, without secrets, and where each comes from; `portal.toml` is where they change."""
    return [asdict(value) for value in of_this_process()]


@router.get("/log", response=answers(Listing[LogEntry], 403, 422), summary="The audit log")
def log(
    request: HttpRequest,  # noqa: ARG001
    action: str = TEXT,
    about: str = TEXT,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first; `action` (`team.made`) and `about` (`team 7`) choose some."""
    return listing(chosen(AuditEntry.objects, action=action, about=about), limit, offset)
