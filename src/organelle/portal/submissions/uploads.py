"""Uploads: who may open one, where its bytes come in, and how many of them are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from organelle.portal.accounts.models import User
from organelle.portal.submissions.fields import file_name, read_fields
from organelle.portal.submissions.intake import require_may_hand_in, team_of
from organelle.portal.submissions.models import Upload
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import folder, place_of, require_room, sync_folder

SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def begin(
    user: User, *, length: int, name: str, sha256: str = "", fields: Mapping[str, Any] | None = None
) -> Upload:
    """Open an upload; if this person has one open for a file with this hash already, that one.

    Args:
        user: whose it is.
        length: of the file, in bytes.
        name: of the file.
        sha256: of the file, if it is known already: compared in the end.
        fields: see `organelle.portal.submissions.fields.read_fields`.

    Raises:
        Refused: too long, too many open, or nothing may be handed in; see `require_may_hand_in`.
        NoRoom: the disk would be full.
    """
    digest = require_hash(sha256)
    require_length(length)
    values = read_fields(fields or {})
    require_may_hand_in(user, team_of(user))
    upload = _open(user, length, file_name(name), digest, values)
    path_of(upload).touch(mode=0o600)
    sync_folder(path_of(upload).parent)
    return upload


def _open(user: User, length: int, name: str, digest: str, values: dict[str, Any]) -> Upload:
    """One at a time of each person, so that several at once do not share the last place."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        mine = open_uploads(user)
        if digest and (same := mine.filter(sha256=digest, length=length).first()):
            same.fields = values
            same.save(update_fields=["fields"])
            return cast("Upload", same)
        limit = settings.PORTAL.limits.open_uploads
        if mine.count() >= limit:
            raise Refused(
                f"you have {limit} unfinished uploads, as many as one may; finish or remove one at /submit/",
                "uploads",
            )
        require_room(length)
        return Upload.objects.create(user=user, length=length, name=name, sha256=digest, fields=values)


def require_hash(sha256: str) -> str:
    """`sha256` in small letters, if it is empty or a SHA-256; else `Refused`."""
    found = sha256.strip().lower()
    if found and not SHA256.match(found):
        raise Refused("sha256 is to be the SHA-256 of the file, 64 hexadecimal letters", "field")
    return found


def require_length(length: int) -> None:
    """Raise `Refused` if no file of this length is taken."""
    most = settings.PORTAL.limits.submission_bytes
    if length < 1:
        raise Refused("the file is empty; hand in the zip that csc pack-results has made", "empty")
    if length > most:
        raise Refused(f"the file has {length} bytes; at most {most} are taken", "length")


def open_uploads(user: User, now: datetime | None = None) -> Any:
    """The uploads of somebody that are not finished and not expired."""
    since = (now or timezone.now()) - timedelta(hours=settings.PORTAL.limits.upload_hours)
    return Upload.objects.filter(user=user, submission=None, touched__gt=since).order_by("created")


def expires(upload: Upload) -> datetime:
    """When it is dropped if nothing comes any more."""
    return upload.touched + timedelta(hours=settings.PORTAL.limits.upload_hours)


def path_of(upload: Upload) -> Path:
    """Where its bytes come in."""
    return folder().uploads / f"{upload.pk}.part"


def offset_of(upload: Upload) -> int:
    """How many bytes are there for sure.

    Fewer than the database says are there if a backup of it was brought back without the file.
    """
    if upload.submission_id or (upload.whole and is_kept(upload)):
        return upload.length
    try:
        return min(upload.offset, path_of(upload).stat().st_size)
    except FileNotFoundError:
        return 0


def is_kept(upload: Upload) -> bool:
    """Whether a process died after it had moved the file to where submissions lie."""
    return place_of(folder(), upload.sha256).exists()
