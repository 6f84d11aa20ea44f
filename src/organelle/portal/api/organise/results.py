"""What files are worth, with full precision, and under which question; forgotten, to be scored anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, chosen
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.scoring.models import Question, Result

router = Router(tags=["organise: submissions"], auth=ORGANISER)


class AnyQuestion(Schema):
    """Which metric, which truth, scored how; the first of a list is asked now."""

    id: int
    metric: str
    truth: str
    configuration: str
    versions: dict[str, Any]
    rows: int
    private_crops: str
    since: datetime


class AnyResult(Schema):
    """`scores` are of the public crops, `final` of the private ones; counts of single crops are not told."""

    id: int
    sha256: str
    metric: str
    truth: str
    configuration: str
    scores: dict[str, Any]
    final: dict[str, Any]
    private_crops: str
    created: datetime


@router.get("/questions", response=answers(Listing[AnyQuestion], 403, 422), summary="What scoring asked")
def questions(
    request: HttpRequest,  # noqa: ARG001
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """The newest first: it is what is asked now."""
    return listing(Question.objects.all(), limit, offset)


@router.get("/results", response=answers(Listing[AnyResult], 403, 422), summary="What files are worth")
def results(
    request: HttpRequest,  # noqa: ARG001
    sha256: str = TEXT,
    metric: str = TEXT,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first; of one file, of one metric."""
    found = chosen(Result.objects.defer("crops").order_by("-created", "-pk"), sha256=sha256, metric=metric)
    return listing(found, limit, offset)


@router.delete("/results/{int:number}", response=changes(None, 404, status=204), summary="Forget a result")
def forget(request: HttpRequest, number: int) -> Status:
    """The board lacks it until it is there again; what is asked now is scored anew."""
    found: Result = get_object_or_404(Result, pk=number)
    found.forget(request.auth)
    return Status(204, None)
