"""Who calls the API: a program with a token, or a page with a session; decided before a body is read."""

from __future__ import annotations

import hashlib
import time
from copy import copy
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from ninja.errors import AuthorizationError, Throttled
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie

from organelle.portal.accounts.models import ApiToken, User
from organelle.portal.challenge.pace import client_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PER_MINUTE = 600
PIECES_PER_MINUTE = 6000
WRONG_PER_MINUTE = 60
"""Wrong tokens from one address."""


class Token(HttpBearer):
    """`Authorization: Bearer TOKEN`, with one of these scopes."""

    def __init__(self, *scopes: Any) -> None:
        super().__init__()
        self.scopes = scopes

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """The person that the token is of; None when it is wrong, over, or not enough."""
        word = token.strip()
        found = next((t for scope in self.scopes if (t := ApiToken.of(word, scope))), None)
        if found is None:
            spend(f"wrong token {client_of(request)}", WRONG_PER_MINUTE)
            return None
        _spend(request, f"token {found.pk}")
        return found.user


class Session(APIKeyCookie):
    """The session of somebody who is signed in; changes need the header X-CSRFToken, too."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self) -> None:
        super().__init__(csrf=False)

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """The person, unless the request carries a token, which then alone counts."""
        user: Any = request.user
        if not key or not user.is_authenticated or "Authorization" in request.headers:
            return None
        if request.method not in SAFE and not _comes_from_here(request):
            raise AuthorizationError(
                403, "this change did not come from a page of this portal; load the page anew and try again"
            )
        _spend(request, f"person {user.pk}")
        found: User = user
        return found


def spend(key: str, most: int) -> None:
    """Count something in this minute, in this process; `Throttled` when it is more than `most`."""
    minute, second = divmod(time.time(), 60)
    name = hashlib.sha256(f"{key} {int(minute)}".encode()).hexdigest()
    cache.add(name, 0, 120)
    try:
        count = cache.incr(name)
    except ValueError:
        count = 1
    if count > most:
        raise Throttled(wait=60 - int(second))


def _spend(request: HttpRequest, who: str) -> None:
    pieces = request.method == "PATCH" and "/uploads/" in request.path
    spend(f"{who} {pieces}", PIECES_PER_MINUTE if pieces else PER_MINUTE)


def _comes_from_here(request: HttpRequest) -> bool:
    """Whether Origin and the token in the header are right; the body, not yet read, is not looked at."""
    probe = copy(request)
    probe.method = "PATCH"
    probe.csrf_processing_done = False
    check = CsrfViewMiddleware(lambda _: None)
    check.process_request(probe)
    return check.process_view(probe, _comes_from_here, (), {}) is None
