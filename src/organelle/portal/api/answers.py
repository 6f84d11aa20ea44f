"""What operations answer, and how the description tells it: lists, and why something was not done."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Schema

Item = TypeVar("Item")
TUS = "1.0.0"
"""Version of the protocol of uploads."""

OWN_REASONS = {460: "Checksum Mismatch"}
"""Words of statuses that HTTP itself does not know."""


class Fault(Schema):
    """One thing that is wrong with a request."""

    code: str
    place: str
    found: str


class Trouble(Schema):
    """Why something was not done: in words, and for programs."""

    detail: str
    code: str = ""
    problems: list[Fault] = []


class Listing(Schema, Generic[Item]):
    """Some of a list, and how many there are in all."""

    count: int
    items: list[Item]


def say(request: HttpRequest, record: dict[str, Any], status: int, **headers: str) -> HttpResponse:
    """A JSON answer; those about uploads name the protocol."""
    response = JsonResponse(record, status=status, reason=OWN_REASONS.get(status))
    if "/uploads/" in request.path:
        response["Tus-Resumable"] = TUS
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def listing(found: QuerySet, limit: int, offset: int, record: Any = None) -> dict[str, Any]:
    """Some rows of `found`, each as `record` tells it, and how many there are."""
    rows = found[offset : offset + limit]
    return {"count": found.count(), "items": [record(row) for row in rows] if record else list(rows)}


def answers(good: Any, *codes: int, status: int = 200) -> dict[int, Any]:
    """The answers of an operation for those who show who they are: what it says, and its errors."""
    return {status: good} | dict.fromkeys(sorted({401, 429, 503, *codes}), Trouble)


def changes(good: Any, *codes: int, status: int = 200) -> dict[int, Any]:
    """`answers` of an operation that changes something: pages must show a token, bodies must be readable."""
    return answers(good, 400, 403, 413, 422, *codes, status=status)


def public_answers(good: Any, *codes: int, status: int = 200) -> dict[int, Any]:
    """The answers of an operation that is open to everybody: what it says, and its errors."""
    return {status: good} | dict.fromkeys(sorted({429, 503, *codes}), Trouble)
