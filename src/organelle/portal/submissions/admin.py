"""Organisers' pages of this room: how much room there is, what teams have left, and backups."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from organelle.portal.accounts.models import Team
from organelle.portal.challenge.models import note
from organelle.portal.challenge.site import page, show
from organelle.portal.submissions import backups, bucket
from organelle.portal.submissions.limits import allowance, counted
from organelle.portal.submissions.storage import storage
from organelle.portal.submissions.store import RESERVE_BYTES

TEAMS_PER_PAGE = 100


@page("storage/", "Storage")
@require_safe
def storage_page(request: HttpRequest) -> HttpResponse:
    """What is kept where, and how much is free."""
    made = [one.size_bytes for one in _made() if one.size_bytes is not None]
    context = {
        "room": storage() if settings.FOLDER else None,
        "folder": settings.FOLDER and settings.FOLDER.root,
        "database_bytes": _database_bytes(),
        "backups": len(made),
        "backup_bytes": sum(made),
        "bucket": settings.PORTAL.bucket if bucket.is_used() else None,
        "reserve_bytes": RESERVE_BYTES,
    }
    return show(request, "submissions/admin_storage.html", "Storage", context)


def _database_bytes() -> int | None:
    """Of SQLite with its log; None when the database is elsewhere."""
    if settings.PORTAL.database or not settings.FOLDER:
        return None
    base = settings.FOLDER.database
    parts = (base, base.with_name(f"{base.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


@page("limits/", "Limits")
@require_safe
def limits_page(request: HttpRequest) -> HttpResponse:
    """What each team may hand in, has handed in, and has left."""
    teams = Team.objects.annotate(all=Count("submissions")).order_by("name")
    found = Paginator(teams, TEAMS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"limits": settings.PORTAL.limits, "page": found, "rows": [_use_of(team) for team in found]}
    return show(request, "submissions/admin_limits.html", "Limits", context)


def _use_of(team: Any) -> dict[str, Any]:
    return {"team": team, "left": allowance(team), "used": counted(team).count()}


@page("backups/", "Backups")
@require_http_methods(["GET", "HEAD", "POST"])
def backups_page(request: HttpRequest) -> HttpResponse:
    """What there is; a POST begins another one."""
    _require_all_rights(request)
    if request.method == "POST":
        _begin(request)
        return redirect("admin:portal-backups")
    context = {
        "rows": _made(),
        "root": settings.FOLDER and settings.FOLDER.root.resolve(),
        "postgresql": bool(settings.PORTAL.database),
        "bucket": bucket.is_used(),
        "needed": backups.needed_bytes() if settings.FOLDER and not settings.PORTAL.database else None,
    }
    return show(request, "submissions/admin_backups.html", "Backups", context)


def _begin(request: HttpRequest) -> None:
    if not settings.FOLDER:
        raise Http404
    try:
        name = backups.begin()
    except backups.NoBackup as error:
        messages.error(request, f"No backup was begun: {error}")
        return
    note(request.user, "backup.begun", f"backup {name}")
    messages.success(request, f"{name} is being made; look again in a while.")


@page("backups/<str:name>/")
@require_safe
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """The file: it holds mail addresses and the key by which sessions are signed."""
    _require_all_rights(request)
    path = backups.file_of(name) if settings.FOLDER else None
    if path is None:
        raise Http404
    note(request.user, "backup.downloaded", f"backup {name}")
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)


@page("backups/<str:name>/remove/")
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Make room."""
    _require_all_rights(request)
    if not settings.FOLDER or not backups.remove(name):
        raise Http404
    note(request.user, "backup.removed", f"backup {name}")
    messages.success(request, f"{name} was removed.")
    return redirect("admin:portal-backups")


def _made() -> list[backups.Backup]:
    return backups.backups() if settings.FOLDER else []


def _require_all_rights(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise PermissionDenied("Backups hold everything; they are for organisers with all rights.")
