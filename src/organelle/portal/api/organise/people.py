"""Everybody's accounts and teams: seen, closed out, let in again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema

from organelle.portal.accounts.closing import set_active, set_standing
from organelle.portal.accounts.models import Team, User
from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, Asked, plain
from organelle.portal.api.organise.keeping import DOOR
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.submissions.limits import allowance

router = Router(tags=["organise: people"], auth=ORGANISER)


class AnyPerson(Schema):
    """A person."""

    id: int
    name: str
    email: str
    active: bool
    organiser: bool
    team_id: int | None
    rules_accepted: str
    joined: datetime
    last_login: datetime | None


class Access(Asked):
    """Whether somebody may come in; who may not is signed out everywhere at once."""

    active: bool


class AnyTeam(Schema):
    """A team in a list."""

    id: int
    name: str
    slug: str
    affiliation: str
    banned: bool
    baseline: bool
    created: datetime


class Left(Schema):
    """What a team may still hand in."""

    today_left: int
    total_left: int
    concurrent_left: int
    next_at: datetime | None


class AnyMember(Schema):
    """Somebody in a team."""

    user_id: int
    name: str
    email: str
    leads: bool


class AnyTeamFull(AnyTeam):
    """A team, who is in it, and what it may still hand in."""

    members: list[AnyMember]
    left: Left


class Standing(Asked):
    """Whether a team is excluded, or is one of the organisers' own; what is not given stays."""

    banned: bool | None = None
    baseline: bool | None = None


@router.get("/users", response=answers(Listing[AnyPerson], 403, 422), summary="People")
def users(
    request: HttpRequest,  # noqa: ARG001
    search: str = TEXT,
    active: bool | None = None,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """The last to join first; `search` looks into names and addresses."""
    found = User.objects.select_related("membership").order_by("-date_joined", "-pk")
    if word := plain(search):
        found = found.filter(Q(email__icontains=word) | Q(name__icontains=word))
    if active is not None:
        found = found.filter(is_active=active)
    return listing(found, limit, offset, _user)


@router.get("/users/{int:number}", response=answers(AnyPerson, 403, 404), summary="One person")
def user(request: HttpRequest, number: int) -> dict[str, Any]:  # noqa: ARG001
    """By their number."""
    return _user(get_object_or_404(User, pk=number))


@router.patch("/users/{int:number}", response=changes(AnyPerson, 404, 409), summary="Close out, let in")
def change_user(request: HttpRequest, number: int, change: Access) -> dict[str, Any]:
    """Anybody but oneself. Who organises is said on the organisers' pages alone."""
    person: User = get_object_or_404(User, pk=number)
    set_active(person, request.auth, DOOR, active=change.active)
    return _user(person)


@router.get("/teams", response=answers(Listing[AnyTeam], 403, 422), summary="Teams")
def teams(
    request: HttpRequest,  # noqa: ARG001
    search: str = TEXT,
    banned: bool | None = None,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """By name; `search` looks into names."""
    found = Team.objects.all()
    if word := plain(search):
        found = found.filter(name__icontains=word)
    if banned is not None:
        found = found.filter(is_banned=banned)
    return listing(found, limit, offset, _team)


@router.get("/teams/{int:number}", response=answers(AnyTeamFull, 403, 404), summary="One team")
def team(request: HttpRequest, number: int) -> dict[str, Any]:  # noqa: ARG001
    """Who is in it, and what it may still hand in."""
    return _full_team(get_object_or_404(Team, pk=number))


@router.patch("/teams/{int:number}", response=changes(AnyTeamFull, 404), summary="Exclude a team, let it in")
def change_team(request: HttpRequest, number: int, change: Standing) -> dict[str, Any]:
    """An excluded team hands nothing in."""
    found: Team = get_object_or_404(Team, pk=number)
    wanted = {f"is_{name}": holds for name, holds in change.dict(exclude_none=True).items()}
    set_standing(found, request.auth, DOOR, **wanted)
    return _full_team(found)


def _user(person: User) -> dict[str, Any]:
    membership = getattr(person, "membership", None)
    return {
        "id": person.pk,
        "name": str(person),
        "email": person.email,
        "active": person.is_active,
        "organiser": person.is_organiser,
        "team_id": membership and membership.team_id,
        "rules_accepted": person.rules_accepted,
        "joined": person.date_joined,
        "last_login": person.last_login,
    }


def _team(found: Team) -> dict[str, Any]:
    return {
        "id": found.pk,
        "name": found.name,
        "slug": found.slug,
        "affiliation": found.affiliation,
        "banned": found.is_banned,
        "baseline": found.is_baseline,
        "created": found.created,
    }


def _full_team(found: Team) -> dict[str, Any]:
    members = [
        {"user_id": one.user_id, "name": str(one.user), "email": one.user.email, "leads": one.leads}
        for one in found.memberships.select_related("user").order_by("since", "pk")
    ]
    return _team(found) | {"members": members, "left": asdict(allowance(found))}
