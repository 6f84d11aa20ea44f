"""Who gets the news by mail: seen, and taken off."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, plain
from organelle.portal.api.organise.keeping import drop
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.news.models import Subscriber

router = Router(tags=["organise: news"], auth=ORGANISER)


class AnySubscriber(Schema):
    """An address; `confirmed` is null until its owner has said that the news are wanted."""

    id: int
    email: str
    asked: datetime
    confirmed: datetime | None


@router.get("/subscribers", response=answers(Listing[AnySubscriber], 403, 422), summary="Who gets the news")
def subscribers(
    request: HttpRequest,  # noqa: ARG001
    search: str = TEXT,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """By address; `search` looks into addresses."""
    found = Subscriber.objects.filter(email__icontains=plain(search)).order_by("email")
    return listing(found, limit, offset)


@router.delete("/subscribers/{int:number}", response=changes(None, 404, status=204), summary="Take one off")
def take_off(request: HttpRequest, number: int) -> Status:
    """Somebody who wrote to an organiser; nobody can be added."""
    drop(get_object_or_404(Subscriber, pk=number), request.auth)
    return Status(204, None)
