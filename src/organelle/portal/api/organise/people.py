"""Everybody's accounts and teams: seen, closed out, let in again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.forms import modelform_factory
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from organelle.portal.accounts import teams as teams_of
from organelle.portal.accounts.closing import (
    ClosedOut,
    require_another_account,
    set_active,
    set_office,
    set_standing,
)
from organelle.portal.accounts.forms import TeamForm, UserForm
from organelle.portal.accounts.models import Membership, Team, User
from organelle.portal.accounts.personal import forget
from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, Asked, Words, cleaned, plain
from organelle.portal.api.organise.keeping import DOOR, drop, keep
from organelle.portal.api.scopes import ORGANISER, ORGANISER_IN_PERSON
from organelle.portal.submissions.limits import allowance

router = Router(tags=["organise: people"], auth=ORGANISER)
PersonForm: Any = modelform_factory(User, form=UserForm, fields=("name", "email"))


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


class Office(Asked):
    """Whether somebody runs the challenge, with all rights."""

    organiser: bool


class PersonChange(Asked):
    """Fields that may be changed; those that are not given stay."""

    name: Words | None = None
    email: Words | None = None


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


class AnyTeamChange(Asked):
    """Whether a team is excluded, or is one of the organisers' own; its name; what is not given stays."""

    banned: bool | None = None
    baseline: bool | None = None
    name: str | None = None
    affiliation: str | None = None


class Leading(Asked):
    """Whether a member leads; the one who leads now does so until another one does."""

    leads: bool = False


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
    """Anybody but oneself. An organiser who is closed out is none any more, also when let in again."""
    with transaction.atomic():
        person = _locked(User, number)
        set_active(person, request.auth, DOOR, active=change.active)
    return _user(person)


@router.patch(
    "/users/{int:number}/record",
    auth=ORGANISER_IN_PERSON,
    response=changes(AnyPerson, 404, 409),
    summary="Change name and address",
)
def change_record(request: HttpRequest, number: int, change: PersonChange) -> dict[str, Any]:
    """Of anybody but oneself, and only from a session: links to sign in go to the new address."""
    with transaction.atomic():
        person = _locked(User, number)
        require_another_account(person, request.auth)
        return _user(keep(PersonForm, person, change.dict(exclude_none=True), request.auth))


@router.put(
    "/users/{int:number}/office",
    auth=ORGANISER_IN_PERSON,
    response=changes(AnyPerson, 404, 409),
    summary="Make an organiser, or none",
)
def change_office(request: HttpRequest, number: int, office: Office) -> dict[str, Any]:
    """Anybody but oneself; only from a session: a token makes nobody an organiser."""
    with transaction.atomic():
        person = _locked(User, number)
        set_office(person, request.auth, DOOR, organiser=office.organiser)
    return _user(person)


@router.delete(
    "/users/{int:number}",
    auth=ORGANISER_IN_PERSON,
    response=changes(None, 404, 409, status=204),
    summary="Delete an account",
)
def delete_user(request: HttpRequest, number: int) -> Status:
    """For good, and only from a session. What they handed in stays with their team, without their name."""
    with transaction.atomic():
        person = _locked(User, number)
        require_another_account(person, request.auth)
        forget(person, by=request.auth)
    return Status(204, None)


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


@router.patch(
    "/teams/{int:number}",
    response=changes(AnyTeamFull, 404, 409),
    summary="Exclude a team, let it in, rename it",
)
def change_team(request: HttpRequest, number: int, change: AnyTeamChange) -> dict[str, Any]:
    """An excluded team hands nothing in."""
    given = change.dict(exclude_none=True)
    words = {name: given.pop(name) for name in ("name", "affiliation") if name in given}
    with transaction.atomic():
        found = _locked(Team, number)
        if words:
            before = {"name": found.name, "affiliation": found.affiliation}
            teams_of.rename(found, request.auth, **cleaned(TeamForm(before | words)), door=DOOR)
        set_standing(found, request.auth, DOOR, **{f"is_{name}": holds for name, holds in given.items()})
    return _full_team(found)


@router.delete(
    "/teams/{int:number}",
    response=changes(None, 404, 409, status=204),
    summary="Delete a team that did nothing",
)
def delete_team(request: HttpRequest, number: int) -> Status:
    """One that has handed something in stays: exclude it."""
    with transaction.atomic():
        found = _locked(Team, number)
        if found.submissions.exists():
            raise teams_of.TeamError("This team has handed something in; exclude it instead.")
        drop(found, request.auth)
    return Status(204, None)


@router.put(
    "/teams/{int:number}/members/{int:user}",
    auth=ORGANISER_IN_PERSON,
    response=changes(AnyTeamFull, 404, 409),
    summary="Put somebody into a team",
)
def put_member(request: HttpRequest, number: int, user: int, membership: Leading) -> dict[str, Any]:
    """Without an invitation, and only from a session; with `leads` the lead goes to them."""
    with transaction.atomic():
        found, person = _locked(Team, number), _locked(User, user)
        if not person.is_active:
            raise ClosedOut("This person is closed out; let them in first.")
        member = found.memberships.filter(user=person).first()
        member = member or teams_of.put_in(found, person, request.auth, DOOR)
        if membership.leads and not member.leads:
            teams_of.hand_on(found, member, request.auth, DOOR)
    return _full_team(found)


@router.delete(
    "/teams/{int:number}/members/{int:user}",
    response=changes(None, 404, status=204),
    summary="Take somebody out of a team",
)
def take_member(request: HttpRequest, number: int, user: int) -> Status:
    """The lead goes on to whoever is in it longest; an empty team that has handed nothing in goes."""
    with transaction.atomic():
        members = _locked(Team, number).memberships.select_related("user")
        found: Membership = get_object_or_404(members, user=_locked(User, user))
        teams_of.take_out(found, request.auth, DOOR)
    return Status(204, None)


def _locked(kind: Any, number: int) -> Any:
    """The row, which nobody else changes until the transaction ends; `Http404` when there is none."""
    return get_object_or_404(kind.objects.select_for_update(), pk=number)


def _user(person: User) -> dict[str, Any]:
    membership = getattr(person, "membership", None)
    return {
        "id": person.pk,
        "name": str(person),
        "email": person.email,
        "active": person.is_active,
        "organiser": person.is_staff,
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
