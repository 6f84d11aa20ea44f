"""How often somebody may ask who does not say who they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja.errors import AuthorizationError, Throttled
from ninja.throttling import BaseThrottle

from organelle.portal.api.callers import spend
from organelle.portal.api.refusals import too_fast
from organelle.portal.api.scopes import ANYBODY
from organelle.portal.challenge.pace import client_of

ANONYMOUS_PER_MINUTE = 300
"""Of one client address. Pages of ours never come near it, nor does a script that reads everything once."""


class AnonymousPace(BaseThrottle):
    """So many requests a minute from one client address; more only for those who say who they are.

    Requests are counted in the memory of the process that answers them: of a portal with `n` web processes a
    client gets up to `n` times as many answers, and a restart begins anew. Whoever shows a token or a session
    goes on at their own pace, so that a lab behind one address is not kept from its own submissions.
    """

    def allow_request(self, request: HttpRequest) -> bool:
        """Whether this request is answered."""
        if getattr(request, "auth", None) is not None:
            return True  # counted where it was found out who asks
        try:
            spend(f"anonymous {client_of(request)}", ANONYMOUS_PER_MINUTE)
        except Throttled:
            return _says_who(request)
        return True

    def wait(self) -> float:
        """Seconds left of this minute, at least one."""
        return float(60 - int(time.time() % 60))


def paced(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """`AnonymousPace` for a page beside the operations."""
    pace = AnonymousPace()

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
        if pace.allow_request(request):
            return view(request, *args, **values)
        return too_fast(request, Throttled(wait=int(pace.wait())))

    return answer


def _says_who(request: HttpRequest) -> bool:
    ways: Sequence[Any] = ANYBODY
    try:
        return any(way(request) for way in ways)
    except (Throttled, AuthorizationError):
        return False
