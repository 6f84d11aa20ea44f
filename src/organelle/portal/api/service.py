"""The API as a whole, and the page that describes it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI

import organelle
from organelle.portal.api import about, people, public, submissions, tables, teams, uploads
from organelle.portal.api.answers import handle_errors
from organelle.portal.api.organise import people as organise_people
from organelle.portal.api.organise import phases, posts, watching
from organelle.portal.api.organise import submissions as organise_submissions
from organelle.portal.api.refusals import handle_refusals

METHODS = ("get", "post", "head", "patch", "put", "delete", "options")
DESCRIPTION = (
    "Everything that the pages do, for programs. Programs send a token that its owner made at "
    "/account/tokens/ as `Authorization: Bearer TOKEN`. Errors are JSON with `detail`, and `problems` where "
    "there are several. Times are UTC."
)

api = NinjaAPI(
    title="Portal of the challenge",
    version=organelle.__version__,
    description=DESCRIPTION,
    docs_url=None,
    urls_namespace="api",
)
handle_errors(api)
handle_refusals(api)
api.add_router("", about.router)
api.add_router("", people.router)
api.add_router("/team", teams.router)
api.add_router("", tables.router)
api.add_router("", public.router)
api.add_router("/submissions", submissions.router)
api.add_router("/uploads", uploads.router)
for room in (organise_submissions, watching, organise_people, phases, posts):
    api.add_router("/organise", room.router)


def docs(request: HttpRequest) -> HttpResponse:
    """All operations as a plain page."""
    schema = api.get_openapi_schema()
    context = {"operations": _by_tag(schema), "description": DESCRIPTION, "version": api.version}
    return render(request, "api/docs.html", context)


def _by_tag(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations under the first of their tags, in the order of the schema."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, item in schema["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                tag = operation.get("tags", ["other"])[0]
                found.setdefault(tag, []).append(_shown(path, method, operation))
    return found


def _shown(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    return {
        "path": path,
        "method": method.upper(),
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": operation.get("parameters", []),
        "body": ", ".join(content),
        "open": "security" not in operation,
    }
