"""HEAD wherever there is GET, OPTIONS everywhere, and words for every other method."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from organelle.portal.api.answers import say

View = Callable[..., HttpResponse]


def with_all_methods(patterns: list[URLPattern]) -> list[URLPattern]:
    """The same addresses; what an operation itself answers stays as it is."""
    return [URLPattern(one.pattern, _answering(one.callback), one.default_args, one.name) for one in patterns]


def _answering(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
        response = view(request, *args, **values)
        if response.status_code != 405:
            return response
        methods = _allowed(response)
        if request.method == "HEAD" and "GET" in methods:
            return _as_get(view, request, *args, **values)
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": ", ".join(methods)})
        words = f"{request.method} is not answered here; {', '.join(methods)} are"
        return say(request, {"detail": words}, 405, Allow=", ".join(methods))

    return answer


def _allowed(refused: HttpResponse) -> list[str]:
    named = {name.strip() for name in refused.headers.get("Allow", "").split(",")} - {""}
    return sorted(named | {"OPTIONS"} | ({"HEAD"} if "GET" in named else set()))


def _as_get(view: View, request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
    """With the headers of a GET; the web server leaves the body out."""
    request.method = "GET"
    try:
        return view(request, *args, **values)
    finally:
        request.method = "HEAD"
