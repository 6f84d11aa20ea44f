"""Answers that may be kept: pages, tables and pictures with an ETag, and for how long they are good.

A page says who is signed in, so only that of an anonymous reader is kept, and apart by cookie; and none that
holds a message or a form's secret. Tables and pictures are the same for everybody. For readers without any
cookie the web server itself keeps a page for `BEHIND_S`: a crowd is answered from one look into the database.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from django.contrib.messages import get_messages
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers

View = Callable[..., HttpResponse]

BEHIND_S = 5.0
"""How old a page from the web server's own memory may be."""

LARGEST_BYTES = 256 << 10
"""Longer pages are not kept there."""

STEERING = ("=", "+", "-", "@", "\t", "\r")
"""With these a cell becomes a formula in a spreadsheet."""


def kept(seconds: int) -> Callable[[View], View]:
    """A page that an anonymous reader may keep for so long."""

    def decorate(show: View) -> View:
        @wraps(show)
        def answer(request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
            place = _place(request)
            if place and (page := caches["pages"].get(place)):
                return _keep(request, _with_vary(HttpResponse(page)), seconds)
            told = len(get_messages(request))
            response = show(request, *args, **values)
            is_own = told or request.user.is_authenticated or "CSRF_COOKIE_NEEDS_UPDATE" in request.META
            if response.status_code != 200 or is_own:
                return response
            if place and len(response.content) <= LARGEST_BYTES:
                caches["pages"].set(place, response.content, BEHIND_S)
            return _keep(request, _with_vary(response), seconds)

        return answer

    return decorate


def file_answer(
    request: HttpRequest, content: bytes, kind: str, *, seconds: int, name: str = ""
) -> HttpResponse:
    """Bytes that are the same for everybody; with `name` the browser saves them under it."""
    response = HttpResponse(content, content_type=kind)
    if name:
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return _keep(request, response, seconds)


def csv_answer(
    request: HttpRequest,
    keys: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    name: str,
    *,
    seconds: int,
) -> HttpResponse:
    """A table as CSV in UTF-8; lists are separated by blanks, what is not stated is left empty."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(keys)
    writer.writerows([[_cell(row.get(key)) for key in keys] for row in rows])
    content = stream.getvalue().encode()
    return file_answer(request, content, "text/csv; charset=utf-8", seconds=seconds, name=f"{name}.csv")


def json_answer(request: HttpRequest, record: object, *, seconds: int) -> HttpResponse:
    """A record as JSON in UTF-8."""
    return file_answer(request, json_text(record), "application/json", seconds=seconds)


def json_text(record: object) -> bytes:
    """A record as JSON in UTF-8, to be read by people, too."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    if isinstance(value, str) and value.startswith(STEERING):
        return f"'{value}"
    return value


def _place(request: HttpRequest) -> str:
    """Under which an anonymous page is kept here; empty when it is asked for with anything personal."""
    if not BEHIND_S or request.COOKIES or "Authorization" in request.headers:
        return ""
    asked = (
        request.scheme,
        request.get_host(),
        request.headers.get("HX-Request", ""),
        request.get_full_path(),
    )
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def _with_vary(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response


def _keep(request: HttpRequest, response: HttpResponse, seconds: int) -> HttpResponse:
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = etag
    response["Cache-Control"] = f"public, max-age={seconds}"
    answer: HttpResponse = get_conditional_response(request, etag=etag, response=response)
    return answer
