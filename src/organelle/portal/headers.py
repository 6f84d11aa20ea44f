"""Headers that every answer carries: nothing is loaded from elsewhere, nothing runs that we did not write."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class HeadersMiddleware:
    """Adds the headers of `ALWAYS`; pages of people who are signed in are kept in no cache."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with headers."""
        response = self.get_response(request)
        for name, value in ALWAYS.items():
            response.headers.setdefault(name, value)
        if _is_own(request):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


def _is_own(request: HttpRequest) -> bool:
    """Whether somebody is signed in; when the database cannot tell, rather yes."""
    user = getattr(request, "user", None)
    try:
        return user is not None and bool(user.is_authenticated)
    except DatabaseError:
        return True
