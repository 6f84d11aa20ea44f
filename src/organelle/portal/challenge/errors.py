"""What people see when something cannot be: what, where, what next."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:  # noqa: ARG001
    """400, without a glance at the request, which may be what is wrong."""
    return _bare("400.html", 400)


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """500, without a glance at the database, which may be what is wrong."""
    return _bare("500.html", 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """403 for a form that was not sent from our page, or from one that was open for too long."""
    return render(request, "403_csrf.html", status=403)


def too_often(request: HttpRequest, text: str, seconds: int) -> HttpResponse:
    """429: `text` says what was too often; after `seconds` it is surely possible again."""
    response = render(request, "challenge/too_often.html", {"text": text}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def _bare(template: str, status: int) -> HttpResponse:
    return HttpResponse(render_to_string(template, {"title": settings.PORTAL.title}), status=status)
