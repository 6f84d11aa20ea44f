"""Oneself: name, rules, sign-ins, tokens, export, farewell.

Tokens need the scope `account`. What a thief of a token could use to stay, or to do harm for good, needs a
session: making tokens, and deleting the account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.contrib.auth import logout
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from organelle.portal.accounts import personal, sessions
from organelle.portal.accounts.forms import FarewellForm, NameForm, TokenForm
from organelle.portal.accounts.models import ApiToken, SignIn
from organelle.portal.accounts.teams import team_of
from organelle.portal.accounts.tokens import make_token, revoke_token
from organelle.portal.api.answers import answers, changes, public_answers
from organelle.portal.api.asking import Asked, cleaned
from organelle.portal.api.scopes import ANYBODY, IN_PERSON, OWNER
from organelle.portal.challenge.rules import accept_rules, current_rules, rules_version

router = Router(tags=["people"])


class Me(Schema):
    """The person behind a token or session."""

    name: str
    email: str
    team: str | None
    leads: bool
    rules_accepted: bool
    mail_scores: bool
    organiser: bool


class MeChange(Asked):
    """Fields that may be changed; those that are not given stay."""

    name: str | None = None
    mail_scores: bool | None = None


class RulesText(Schema):
    """The rules that hold now, in Markdown."""

    version: str
    text: str


class Acceptance(Asked):
    """The version of the rules that one has read."""

    version: str


class Accepted(Schema):
    """Which rules one has accepted, when."""

    version: str
    accepted: datetime


class SignedIn(Schema):
    """A browser in which one is signed in."""

    id: int
    where: str
    since: datetime
    current: bool


class Ended(Schema):
    """How many there were."""

    ended: int


class TokenRecord(Schema):
    """A token, by its beginning; its word is kept nowhere."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    created: datetime
    expires: datetime
    revoked: datetime | None
    last_used: datetime | None


class NewToken(Asked):
    """A token to be made."""

    name: str
    scopes: list[Literal["read", "submit", "account", "organise"]]
    days: Literal[7, 30, 90, 365] = 90


class MadeToken(TokenRecord):
    """A new token with its word, which is shown this once."""

    token: str


class Farewell(Asked):
    """One's own mail address, so that nobody deletes an account by a slip."""

    email: str


@router.get("/me", auth=ANYBODY, response=answers(Me), summary="Who I am")
def me(request: HttpRequest) -> dict[str, Any]:
    """The person, the team, and whether the rules that hold now are accepted. Any scope is enough."""
    return _me(request.auth)


@router.patch("/me", auth=OWNER, response=changes(Me), summary="Change name and mails")
def change_me(request: HttpRequest, change: MeChange) -> dict[str, Any]:
    """How one is called, and whether a mail tells of scores. Another address needs the pages."""
    person: Any = request.auth
    present = {"name": person.name, "mail_scores": person.mail_scores}
    personal.change(person, **cleaned(NameForm(present | change.dict(exclude_none=True))))
    return _me(person)


@router.delete("/me", auth=IN_PERSON, response=changes(None, 409, status=204), summary="Delete my account")
def delete_me(request: HttpRequest, farewell: Farewell) -> Status:
    """For good, and only from a session. What was handed in stays with its team, without one's name."""
    person: Any = request.auth
    cleaned(FarewellForm({"email": farewell.email}, expected=person.email))
    personal.forget(person)
    logout(request)
    return Status(204, None)


@router.get("/me/export", auth=OWNER, response=answers(dict[str, Any]), summary="All that is kept about me")
def export(request: HttpRequest) -> dict[str, Any]:
    """No secrets are in it. That it was asked for is noted."""
    person: Any = request.auth
    return personal.take_along(person)


@router.get("/rules", auth=None, response=public_answers(RulesText), summary="The rules")
def rules(request: HttpRequest) -> Any:  # noqa: ARG001
    """Those that hold now."""
    return current_rules()


@router.post("/me/rules", auth=OWNER, response=changes(Accepted, 409), summary="Accept the rules")
def accept(request: HttpRequest, acceptance: Acceptance) -> dict[str, Any]:
    """The version that one has read; 409 if another one holds by now."""
    person: Any = request.auth
    accept_rules(person, acceptance.version)
    return {"version": person.rules_accepted, "accepted": person.rules_accepted_at}


@router.get("/me/sessions", auth=OWNER, response=answers(list[SignedIn]), summary="Where I am signed in")
def sign_ins(request: HttpRequest) -> list[dict[str, Any]]:
    """Newest first."""
    key = request.session.session_key
    return [_signed_in(one, key) for one in sessions.living(request.auth)]


@router.delete("/me/sessions", auth=OWNER, response=changes(Ended), summary="Sign out everywhere else")
def end_sign_ins(request: HttpRequest) -> dict[str, int]:
    """A token signs out everywhere."""
    return {"ended": sessions.end_others(request.auth, but=request.session.session_key)}


@router.delete(
    "/me/sessions/{int:number}", auth=OWNER, response=changes(None, 404, status=204), summary="Sign out there"
)
def end_sign_in(request: HttpRequest, number: int) -> Status:
    """In one browser."""
    sessions.end_one(get_object_or_404(sessions.living(request.auth), pk=number))
    return Status(204, None)


@router.get("/me/tokens", auth=OWNER, response=answers(list[TokenRecord]), summary="My tokens")
def tokens(request: HttpRequest) -> Any:
    """Newest first, also those that are over."""
    person: Any = request.auth
    return list(person.tokens.all())


@router.post(
    "/me/tokens", auth=IN_PERSON, response=changes(MadeToken, 409, status=201), summary="Make a token"
)
def new_token(request: HttpRequest, asked: NewToken) -> Status:
    """Only from a session: a token makes no other. The scope `organise` is for organisers."""
    person: Any = request.auth
    given = cleaned(TokenForm(asked.dict(), person=person))
    token, word = make_token(person, **given)
    return Status(201, TokenRecord.from_orm(token).dict() | {"token": word})


@router.delete(
    "/me/tokens/{int:number}", auth=OWNER, response=changes(TokenRecord, 404), summary="Revoke a token"
)
def end_token(request: HttpRequest, number: int) -> ApiToken:
    """It works no more."""
    person: Any = request.auth
    token: ApiToken = get_object_or_404(person.tokens, pk=number)
    revoke_token(token, person)
    token.refresh_from_db()
    return token


def _me(person: Any) -> dict[str, Any]:
    team = team_of(person)
    return {
        "name": str(person),
        "email": person.email,
        "team": team.name if team else None,
        "leads": bool(team and team.memberships.filter(user=person, leads=True).exists()),
        "rules_accepted": person.rules_accepted == rules_version(),
        "mail_scores": person.mail_scores,
        "organiser": person.is_organiser,
    }


def _signed_in(one: SignIn, key: str | None) -> dict[str, Any]:
    return {"id": one.pk, "where": one.where, "since": one.time, "current": one.session_key == key}
