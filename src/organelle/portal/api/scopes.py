"""Who may do what beside handing in: with one's account, with one's session alone, as an organiser."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer

from organelle.portal.accounts.models import ApiToken, User
from organelle.portal.api.callers import PER_MINUTE, WRONG_PER_MINUTE, Session, spend
from organelle.portal.challenge.pace import client_of

Scope = ApiToken.Scope


class ScopedToken(HttpBearer):
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
        spend(f"token {found.pk}", PER_MINUTE)
        return found.user


class OrganiserToken(ScopedToken):
    """A token with the scope `organise`, of somebody who is an organiser now."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """The organiser; None when the token is not enough, or no longer."""
        person = super().authenticate(request, token)
        return person if person is not None and may_organise(person) else None


class OrganiserSession(Session):
    """The session of an organiser; changes need the header X-CSRFToken, too."""

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """The organiser; others are told that this is not for them."""
        person = super().authenticate(request, key)
        if person is not None and not may_organise(person):
            raise AuthorizationError(403, "this is for organisers")
        return person


def may_organise(person: User) -> bool:
    """Whether the organisers' pages are open to somebody: the API opens no more than they do."""
    return bool(person.is_organiser and person.is_superuser)


ANYBODY = [ScopedToken(*Scope), Session()]
"""Whoever shows who they are, by whatever scope."""
OWNER = [ScopedToken(Scope.ACCOUNT), Session()]
"""For one's own account and team."""
IN_PERSON = [Session()]
"""What no token may do: a token makes no other, and deletes nobody."""
ORGANISER = [OrganiserToken(Scope.ORGANISE), OrganiserSession()]
