"""Tokens: what somebody may give one, how one is made, and its end."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from organelle.errors import OrganelleError
from organelle.portal.accounts.models import ApiToken, User
from organelle.portal.challenge.models import note

MOST_TOKENS = 20
"""Living ones of one person."""


class TokenError(OrganelleError):
    """A token that cannot be made; the message is for the person who tried."""


def scopes_for(person: User) -> list[tuple[str, str]]:
    """The scopes that `person` may give, with their meaning: `organise` is for organisers."""
    scopes = ApiToken.Scope
    return [pair for pair in scopes.choices if pair[0] != scopes.ORGANISE or person.is_organiser]


def make_token(person: User, name: str, scopes: list[str], days: int) -> tuple[ApiToken, str]:
    """A new token and its word, which is shown once.

    Raises:
        TokenError: there are too many; a scope that `person` may not give.
    """
    if refused := set(scopes) - {scope for scope, _ in scopes_for(person)}:
        raise TokenError(f"You cannot give the scope {', '.join(sorted(refused))}.")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=person.pk)
        if person.tokens.filter(revoked=None, expires__gt=timezone.now()).count() >= MOST_TOKENS:
            raise TokenError(f"You have {MOST_TOKENS} tokens; revoke one first.")
        token, word = ApiToken.make(person, name, scopes, days)
        note(person, "token.made", f"token {token.pk}", scopes=token.scopes)
    return token, word


def revoke_token(token: ApiToken, actor: User, **detail: Any) -> None:
    """End `token`; nothing happens if it has ended already. `detail` is for the audit log."""
    moment = timezone.now()
    if ApiToken.objects.filter(pk=token.pk, revoked=None).update(revoked=moment):
        token.revoked = moment
        note(actor, "token.revoked", f"token {token.pk}", **detail)
