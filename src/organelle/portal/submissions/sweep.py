"""Clearing away: uploads that nobody finished, and files that belong to nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from organelle.portal.submissions import bucket
from organelle.portal.submissions.intake import storing
from organelle.portal.submissions.models import Submission, Upload
from organelle.portal.submissions.store import folder
from organelle.portal.submissions.writing import Busy, discard

LEFTOVER_HOURS = 24.0
"""A file that belongs to nothing goes when it has not been touched for so long."""


@dataclass(frozen=True)
class Swept:
    """What was cleared away."""

    uploads: int
    leftovers: int


def sweep(now: datetime | None = None) -> Swept:
    """Remove expired uploads and leftovers; safe at any time, beside anything, as often as one likes.

    A submission's file is never touched: whatever has a row in the database stays.
    """
    moment = now or timezone.now()
    since = moment - timedelta(hours=settings.PORTAL.limits.upload_hours)
    uploads = sum(_drop(upload) for upload in Upload.objects.filter(touched__lte=since))
    return Swept(uploads, _sweep_uploads(moment) + _sweep_submissions(moment))


def _drop(upload: Upload) -> int:
    with suppress(Busy, Upload.DoesNotExist):
        discard(upload)
        return 1
    return 0


def _sweep_uploads(now: datetime) -> int:
    """Files in the folder of uploads that no upload owns: cut-off forms, uploads of people who are gone."""
    known = {f"{pk}.part" for pk in Upload.objects.values_list("pk", flat=True)}
    files = (path for path in folder().uploads.iterdir() if path.is_file() and path.name not in known)
    return sum(_unlink_old(path, now) for path in files)


def _sweep_submissions(now: datetime) -> int:
    """Files without a submission: handed in by a process that died, or of a team that is gone."""
    gone = 0
    for path in sorted(folder().submissions.glob("??/*")):
        with storing():
            if not _is_wanted(path.stem) and _unlink_old(path, now):
                gone += 1
                if bucket.is_used():
                    bucket.remove(path.name)
    return gone


def _is_wanted(sha256: str) -> bool:
    """Whether a submission has these bytes, or an upload that was about to become one."""
    waiting = Upload.objects.filter(sha256=sha256, whole=True, submission=None)
    return Submission.objects.filter(sha256=sha256).exists() or waiting.exists()


def _unlink_old(path: Path, now: datetime) -> int:
    if now.timestamp() - path.stat().st_mtime < LEFTOVER_HOURS * 3600:
        return 0
    path.unlink()
    return 1
