"""The API as a whole, and the page that describes it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

import organelle
from organelle.portal.api import about, boards, news, people, submissions, tables, teams, uploads
from organelle.portal.api.organise import (
    backups,
    mails,
    phases,
    posts,
    results,
    rules,
    subscribers,
    tokens,
    watching,
)
from organelle.portal.api.organise import people as organise_people
from organelle.portal.api.organise import submissions as organise_submissions
from organelle.portal.api.pace import AnonymousPace, paced
from organelle.portal.api.refusals import handle_errors
from organelle.portal.challenge.markdown import to_html
from organelle.portal.explorer.answers import file_answer, json_text

GOOD_FOR_S = 300
METHODS = ("get", "post", "head", "patch", "put", "delete", "options")
DESCRIPTION = (
    "What the pages do, for programs, but for what wants a person. Programs send a token that its owner made "
    "at /account/tokens/ as `Authorization: Bearer TOKEN`. Errors are JSON with `detail`, and `problems` "
    "where there are several. Times are UTC. HEAD is answered wherever GET is. Whoever asks too "
    "often gets 429 with Retry-After."
)

api = NinjaAPI(
    title="Portal of the challenge",
    version=organelle.__version__,
    description=DESCRIPTION,
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    throttle=AnonymousPace(),
)
handle_errors(api)
api.add_router("", about.router)
api.add_router("", people.router)
api.add_router("/team", teams.router)
api.add_router("", tables.router)
api.add_router("", boards.router)
api.add_router("", news.router)
api.add_router("/submissions", submissions.router)
api.add_router("/uploads", uploads.router)
for room in (
    organise_submissions,
    results,
    watching,
    backups,
    organise_people,
    tokens,
    phases,
    rules,
    posts,
    subscribers,
    mails,
):
    api.add_router("/organise", room.router)


@require_safe
@paced
def docs(request: HttpRequest) -> HttpResponse:
    """All operations as a plain page."""
    context = {"operations": _by_tag(), "description": to_html(DESCRIPTION), "version": api.version}
    return render(request, "api/docs.html", context)


@require_safe
@paced
def openapi(request: HttpRequest) -> HttpResponse:
    """All operations as OpenAPI."""
    return file_answer(request, _schema_text(), "application/json", seconds=GOOD_FOR_S)


@cache
def _schema() -> dict[str, Any]:
    return dict(api.get_openapi_schema())


@cache
def _schema_text() -> bytes:
    return json_text(_schema())


@cache
def _by_tag() -> dict[str, list[dict[str, Any]]]:
    """Operations under the first of their tags, in the order of the schema."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, item in _schema()["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                tag = operation.get("tags", ["other"])[0]
                found.setdefault(tag, []).append(_shown(path, method, operation))
    return found


def _shown(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    parameters = operation.get("parameters", [])
    return {
        "path": path,
        "method": method.upper(),
        "summary": operation.get("summary", ""),
        "description": to_html(operation.get("description", "")),
        "parameters": [one | {"words": to_html(one.get("description", ""))} for one in parameters],
        "body": ", ".join(content),
        "open": "security" not in operation,
    }
