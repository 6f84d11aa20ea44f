"""Who may do what: to read, to hand in, with one's account, with one's session alone, as an organiser."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import AuthorizationError

from organelle.portal.accounts.models import ApiToken, User
from organelle.portal.api.callers import Session, Token

Scope = ApiToken.Scope


class OrganiserToken(Token):
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


READER = [Token(Scope.READ, Scope.SUBMIT), Session()]
"""For what one's team has handed in: who may hand in may see what became of it."""
SUBMITTER = [Token(Scope.SUBMIT), Session()]
"""For handing in."""
OWNER = [Token(Scope.ACCOUNT), Session()]
"""For one's own account and team."""
ORGANISER = [OrganiserToken(Scope.ORGANISE), OrganiserSession()]
"""For what organisers do."""
ANYBODY = [Token(*Scope), Session()]
"""Whoever shows who they are, by whatever scope."""
IN_PERSON = [Session()]
"""What no token may do: a token makes no other, and deletes nobody."""
ORGANISER_IN_PERSON = [OrganiserSession()]
"""What organisers do, but no token of theirs: whoever found one could stay, or take everything along."""
