"""Mails on their way: what waits, what has left, why something has not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from ninja.errors import HttpError

from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, plain
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.challenge.models import note
from organelle.portal.news.models import OutgoingMail
from organelle.portal.news.outgoing import send_again

router = Router(tags=["organise: news"], auth=ORGANISER)


class AnyMail(Schema):
    """A mail without its words, which may hold a link that signs in; `sent` is null until it has left."""

    id: int
    to: str
    subject: str
    created: datetime
    not_before: datetime
    attempts: int
    sent: datetime | None
    trouble: str


@router.get("/mails", response=answers(Listing[AnyMail], 403, 422), summary="Mails on their way")
def mails(
    request: HttpRequest,  # noqa: ARG001
    search: str = TEXT,
    left: bool | None = None,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first; `left` chooses those that have left, or have not, `search` looks into addresses."""
    found = OutgoingMail.objects.filter(to__icontains=plain(search)).order_by("-created", "-pk")
    if left is not None:
        found = found.filter(sent__isnull=not left)
    return listing(found, limit, offset)


@router.post("/mails/{int:number}/again", response=changes(AnyMail, 404, 409), summary="Try a mail again")
def again(request: HttpRequest, number: int) -> OutgoingMail:
    """Within minutes, and as often as at first."""
    mail: OutgoingMail = get_object_or_404(OutgoingMail, pk=number)
    if not send_again(OutgoingMail.objects.filter(pk=number)):
        raise HttpError(409, "this mail has left already")
    note(request.auth, "mail.again", f"mail {number}")
    mail.refresh_from_db()
    return mail
