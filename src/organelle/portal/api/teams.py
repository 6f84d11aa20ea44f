"""One's team: made, joined, led, left. The rules are those of the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from ninja.errors import HttpError

from organelle.portal.accounts import teams
from organelle.portal.accounts.forms import AddressForm, TeamForm
from organelle.portal.accounts.models import Invitation, Membership, Team
from organelle.portal.api.answers import answers, changes
from organelle.portal.api.asking import Asked, cleaned
from organelle.portal.api.scopes import OWNER

router = Router(tags=["team"])


class Member(Schema):
    """Somebody in the team."""

    id: int
    name: str
    since: datetime
    leads: bool
    you: bool


class Invited(Schema):
    """An invitation that nobody has used."""

    id: int
    email: str
    expires: datetime


class TeamRecord(Schema):
    """One's team; who leads it sees the open invitations, too."""

    name: str
    slug: str
    affiliation: str
    banned: bool
    leads: bool
    members: list[Member]
    invitations: list[Invited]


class NewTeam(Asked):
    """A team to be made."""

    name: str
    affiliation: str = ""


class TeamChange(Asked):
    """Fields that may be changed; those that are not given stay."""

    name: str | None = None
    affiliation: str | None = None


class Address(Asked):
    """Whom to invite."""

    email: str


class NewInvitation(Invited):
    """An invitation with its word and link, which are shown this once, to be handed on by other ways."""

    word: str
    link: str
    sent: bool


class Word(Asked):
    """The word of an invitation: the last part of its link."""

    word: str


@router.get("", auth=OWNER, response=answers(TeamRecord, 404), summary="My team")
def team(request: HttpRequest) -> dict[str, Any]:
    """With its members, and, for who leads it, its open invitations."""
    return _record(request.auth)


@router.post("", auth=OWNER, response=changes(TeamRecord, 409, status=201), summary="Make a team")
def make(request: HttpRequest, asked: NewTeam) -> Status:
    """Whoever makes it leads it. One a day."""
    teams.make_team(request.auth, **cleaned(TeamForm(asked.dict())))
    return Status(201, _record(request.auth))


@router.patch("", auth=OWNER, response=changes(TeamRecord, 409), summary="Rename my team")
def rename(request: HttpRequest, change: TeamChange) -> dict[str, Any]:
    """For who leads it."""
    own = teams.led_by(request.auth)
    present = {"name": own.name, "affiliation": own.affiliation}
    teams.rename(own, request.auth, **cleaned(TeamForm(present | change.dict(exclude_none=True))))
    return _record(request.auth)


@router.post("/join", auth=OWNER, response=changes(TeamRecord, 409, 410), summary="Join a team")
def join(request: HttpRequest, invitation: Word) -> dict[str, Any]:
    """By the word of an invitation, which works once."""
    teams.join(invitation.word, request.auth)
    return _record(request.auth)


@router.post("/leave", auth=OWNER, response=changes(None, status=204), summary="Leave my team")
def leave(request: HttpRequest) -> Status:
    """The lead goes on to whoever is in it longest; what was handed in stays."""
    teams.leave(request.auth)
    return Status(204, None)


@router.post(
    "/invitations", auth=OWNER, response=changes(NewInvitation, 409, status=201), summary="Invite somebody"
)
def invite(request: HttpRequest, asked: Address) -> Status:
    """By mail; for who leads the team. An earlier invitation of the same address holds no more."""
    own = teams.led_by(request.auth)
    email = cleaned(AddressForm(asked.dict()))["email"]
    invitation, word, sent = teams.invite(own, email, request.auth)
    link = f"{settings.PORTAL_URL}/team/join/{word}/"
    return Status(201, _invited(invitation) | {"word": word, "link": link, "sent": sent})


@router.delete(
    "/invitations/{int:number}", auth=OWNER, response=changes(None, 404, status=204), summary="Withdraw"
)
def withdraw(request: HttpRequest, number: int) -> Status:
    """An invitation that nobody has used; for who leads the team."""
    own = teams.led_by(request.auth)
    teams.withdraw(get_object_or_404(own.invitations, pk=number, accepted=None), request.auth)
    return Status(204, None)


@router.delete(
    "/members/{int:number}", auth=OWNER, response=changes(None, 404, status=204), summary="Remove a member"
)
def remove(request: HttpRequest, number: int) -> Status:
    """For who leads the team; oneself leaves instead."""
    teams.leave(_other_member(request, number).user, by=request.auth)
    return Status(204, None)


@router.post(
    "/members/{int:number}/lead",
    auth=OWNER,
    response=changes(TeamRecord, 404),
    summary="Let another one lead",
)
def hand_on(request: HttpRequest, number: int) -> dict[str, Any]:
    """For who leads the team."""
    member = _other_member(request, number)
    teams.hand_on(member.team, member, request.auth)
    return _record(request.auth)


def _other_member(request: HttpRequest, number: int) -> Membership:
    own = teams.led_by(request.auth)
    found: Membership = get_object_or_404(own.memberships.exclude(user=request.auth), pk=number)
    return found


def _record(person: Any) -> dict[str, Any]:
    own = teams.team_of(person)
    if own is None:
        raise HttpError(404, "you are in no team; make one by POST /api/team, or join one")
    members = [_member(one, person) for one in own.memberships.select_related("user").order_by("since", "pk")]
    leads = any(one["you"] and one["leads"] for one in members)
    return {
        "name": own.name,
        "slug": own.slug,
        "affiliation": own.affiliation,
        "banned": own.is_banned,
        "leads": leads,
        "members": members,
        "invitations": [_invited(one) for one in _open_invitations(own)] if leads else [],
    }


def _open_invitations(own: Team) -> Any:
    return own.invitations.filter(accepted=None).order_by("expires")


def _member(one: Membership, person: Any) -> dict[str, Any]:
    return {
        "id": one.pk,
        "name": str(one.user),
        "since": one.since,
        "leads": one.leads,
        "you": one.user_id == person.pk,
    }


def _invited(invitation: Invitation) -> dict[str, Any]:
    return {"id": invitation.pk, "email": invitation.email, "expires": invitation.expires}
