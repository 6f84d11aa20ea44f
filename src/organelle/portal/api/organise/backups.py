"""Backups: listed; made, fetched and removed in person, since they hold everything and take room."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from ninja import Router, Schema, Status
from ninja.errors import HttpError

from organelle.portal.api.answers import answers, changes
from organelle.portal.api.scopes import ORGANISER, ORGANISER_IN_PERSON
from organelle.portal.challenge.models import note
from organelle.portal.submissions import backups

router = Router(tags=["organise: portal"], auth=ORGANISER)


class BackupRecord(Schema):
    """A backup; without `size_bytes` it is being made, or says in `trouble` why it failed."""

    name: str
    size_bytes: int | None
    begun: datetime
    trouble: str


class BackupBegun(Schema):
    """The name of a backup that is being made."""

    name: str


@router.get("/backups", response=answers(list[BackupRecord], 403), summary="Backups")
def made(request: HttpRequest) -> Any:  # noqa: ARG001
    """The newest first."""
    return backups.backups() if settings.FOLDER else []


@router.post(
    "/backups",
    auth=ORGANISER_IN_PERSON,
    response=changes(BackupBegun, 404, 409, status=202),
    summary="Begin a backup",
)
def begin(request: HttpRequest) -> Status:
    """In the background; 409 when that cannot be now, with the reason. Only from a session: it takes room."""
    if not settings.FOLDER:
        raise Http404
    try:
        name = backups.begin()
    except backups.NoBackup as error:
        raise HttpError(409, str(error)) from None
    note(request.auth, "backup.begun", f"backup {name}")
    return Status(202, {"name": name})


@router.get(
    "/backups/{name}", auth=ORGANISER_IN_PERSON, response=answers(None, 403, 404), summary="Fetch a backup"
)
def fetch(request: HttpRequest, name: str) -> HttpResponseBase:
    """A tar; only from a session: it holds mail addresses, and the key by which sessions are signed."""
    path = backups.file_of(name) if settings.FOLDER else None
    if path is None:
        raise Http404
    try:
        stream = path.open("rb")
    except FileNotFoundError:  # removed at this moment
        raise Http404 from None
    note(request.auth, "backup.downloaded", f"backup {name}")
    return FileResponse(stream, as_attachment=True, filename=name)


@router.delete(
    "/backups/{name}",
    auth=ORGANISER_IN_PERSON,
    response=changes(None, 404, status=204),
    summary="Remove a backup",
)
def remove(request: HttpRequest, name: str) -> Status:
    """Only from a session."""
    if not settings.FOLDER or not backups.remove(name):
        raise Http404
    note(request.auth, "backup.removed", f"backup {name}")
    return Status(204, None)
