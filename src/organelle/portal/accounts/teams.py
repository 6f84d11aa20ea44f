"""Teams: made, renamed, joined, left, led. A person is in one team, and each team has one who leads."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from organelle.errors import OrganelleError
from organelle.portal.accounts import mail
from organelle.portal.accounts.models import Invitation, Membership, Team, User, hash_of
from organelle.portal.accounts.names import alike, is_reserved
from organelle.portal.challenge.changes import note_deleted
from organelle.portal.challenge.models import note
from organelle.portal.challenge.pace import may

DAY_S = 86_400
TEAMS_A_DAY = 1
"""Of one person: limits are those of teams, and somebody with many teams would have none."""
INVITATIONS_A_DAY = 20


class TeamError(OrganelleError):
    """Something that a team cannot do; the message is for the person who tried."""


class InvitationGone(TeamError):
    """An invitation that lets nobody in: never made, withdrawn, used, or too old."""


def team_of(person: User) -> Team | None:
    """The team that `person` is in."""
    member = Membership.objects.select_related("team").filter(user=person).first()
    return member.team if member else None


def led_by(person: User) -> Team:
    """The team that `person` leads.

    Raises:
        PermissionDenied: there is none.
    """
    member = Membership.objects.select_related("team").filter(user=person, leads=True).first()
    if member is None:
        raise PermissionDenied("Only whoever leads a team may do this.")
    return member.team


def make_team(person: User, name: str, affiliation: str = "", now: datetime | None = None) -> Team:
    """A new team, led by `person`.

    Raises:
        TeamError: the name is taken; the person is in a team; one team was made today already.
    """
    if team_of(person):
        raise TeamError("You are in a team already; leave it first.")
    _require_free(name)
    if not may("team", person.pk, most=TEAMS_A_DAY, seconds=DAY_S, now=now):
        raise TeamError("You have made a team within the last 24 hours; join one, or wait until tomorrow.")
    try:
        with transaction.atomic():
            team = Team.objects.create(name=name, slug=_slug(name), affiliation=affiliation)
            Membership.objects.create(user=person, team=team, leads=True)
    except IntegrityError:
        raise TeamError("That was done twice at the same moment; look whether it worked.") from None
    note(person, "team.made", f"team {team.pk}", name=name)
    return team


def rename(team: Team, by: User, name: str, affiliation: str = "", door: str = "") -> None:
    """Give `team` another name; `door` is for the audit log, of what organisers do.

    Raises:
        TeamError: the name is taken, or not for teams.
    """
    before = team.name
    if (before, team.affiliation) == (name, affiliation):
        return
    if before != name:
        _require_free(name, but=team)
    team.name, team.affiliation = name, affiliation
    if alike(before) != alike(name):
        team.slug = _slug(name)
    try:
        with transaction.atomic():
            team.save(update_fields=["name", "affiliation", "slug"])
    except IntegrityError:
        raise TeamError(f"Another team took the name {name} at this moment; choose another one.") from None
    note(by, "team.renamed", f"team {team.pk}", before=before, name=name, **_through(door))


def invite(team: Team, email: str, by: User, now: datetime | None = None) -> tuple[Invitation, str, bool]:
    """An invitation by mail; its word, to hand on by other ways, too; and whether the mail was sent.

    Raises:
        TeamError: too many were sent today; the person is in the team.
    """
    if team.members.filter(email=email.strip().lower()).exists():
        raise TeamError("This person is in the team already.")
    if not may("invite", team.pk, most=INVITATIONS_A_DAY, seconds=DAY_S, now=now):
        raise TeamError(f"A team may send {INVITATIONS_A_DAY} invitations a day; try again tomorrow.")
    team.invitations.filter(email=email.strip().lower(), accepted=None).delete()
    invitation, word = Invitation.make(team, email, by, now)
    note(by, "team.invited", f"team {team.pk}", invitation=invitation.pk)
    subject = f"Join a team of {settings.PORTAL.title}"
    sent = mail.send(
        "invitation", invitation.email, subject, word=word, team=team, by=by, until=invitation.expires
    )
    return invitation, word, sent


def withdraw(invitation: Invitation, by: User) -> None:
    """Take an invitation back."""
    team, number = invitation.team_id, invitation.pk
    invitation.delete()
    note(by, "team.withdrew", f"team {team}", invitation=number)


def find_invitation(word: str, now: datetime | None = None) -> Invitation:
    """The invitation with this word, if it still holds.

    Raises:
        InvitationGone: it does not; the message says why.
    """
    found = Invitation.objects.select_related("team", "by").filter(key=hash_of(word)).first()
    if found is None:
        raise InvitationGone(
            "This invitation is not known here: it was withdrawn, or the link was not copied as a whole."
        )
    if found.accepted:
        raise InvitationGone("This invitation was used already; ask for another one.")
    if found.expires <= (now or timezone.now()):
        raise InvitationGone("This invitation is too old; ask for another one.")
    return found


def join(word: str, person: User, now: datetime | None = None) -> Team:
    """Join the team that this invitation is to; it works for one person.

    Raises:
        InvitationGone: it does not hold.
        TeamError: the person is in a team.
    """
    invitation = find_invitation(word, now)
    try:
        with transaction.atomic():
            moment = now or timezone.now()
            if not Invitation.objects.filter(pk=invitation.pk, accepted=None).update(accepted=moment):
                raise InvitationGone("This invitation was used already; ask for another one.")
            leads = not invitation.team.memberships.exists()
            Membership.objects.create(user=person, team=invitation.team, leads=leads)
    except IntegrityError:
        raise TeamError("You are in a team already; leave it first, then use this link again.") from None
    note(person, "team.joined", f"team {invitation.team.pk}")
    return invitation.team


def leave(person: User, by: User | None = None) -> None:
    """Take `person` out of their team, if they are in one.

    The lead goes on to whoever is in it longest. A team without people stays if it has handed something in.

    Args:
        person: who goes.
        by: who leads the team, and removes them: only from that team, and with the invitations that they
            have sent, by which they could come back. None when people leave by themselves.
    """
    with transaction.atomic():
        found = Membership.objects.select_related("user").filter(user=person)
        if by is not None:
            found = found.filter(team__in=Membership.objects.filter(user=by, leads=True).values("team"))
        member = found.first()
        if member is None:
            return
        take_out(member, by)


def take_out(member: Membership, by: User | None, door: str = "") -> None:
    """What `leave` says of a membership that is there; `door` is for the audit log, of what organisers do."""
    person = member.user
    with transaction.atomic():
        team = Team.objects.select_for_update().filter(pk=member.team_id).first()
        if team is None or not Membership.objects.filter(pk=member.pk).delete()[0]:
            return  # somebody else did the same at this moment
        if by is not None:
            team.invitations.filter(by=person, accepted=None).delete()
        action = "team.removed" if by else "team.left"
        note(by or person, action, f"team {team.pk}", user=person.pk, **_through(door))
        if not let_one_lead(team) and not team.submissions.exists():
            if door:
                note_deleted(by, team, door)
            team.delete()


def let_one_lead(team: Team) -> bool:
    """If nobody leads `team`, whoever is in it longest does from now on; False: nobody is in it."""
    heir = team.memberships.order_by("-leads", "-user__is_active", "since", "pk").first()
    return bool(heir and Membership.objects.filter(pk=heir.pk).update(leads=True))


def put_in(team: Team, person: User, by: User, door: str) -> Membership:
    """Make `person` a member without an invitation, as organisers may; whoever comes first leads.

    Raises:
        TeamError: the person is in a team.
    """
    try:
        with transaction.atomic():
            if not Team.objects.select_for_update().filter(pk=team.pk).exists():
                raise TeamError("This team is gone by now.")
            leads = not team.memberships.exists()
            member = Membership.objects.create(user=person, team=team, leads=leads)
            note(by, "team.added", f"team {team.pk}", user=person.pk, **_through(door))
    except IntegrityError:
        raise TeamError("This person is in a team already; take them out of it first.") from None
    return member


def hand_on(team: Team, to: Membership, by: User, door: str = "") -> None:
    """Let another member lead; `door` is for the audit log, of what organisers do.

    Raises:
        TeamError: they have left meanwhile; nothing was changed.
    """
    with transaction.atomic():
        list(Team.objects.select_for_update().filter(pk=team.pk))
        team.memberships.update(leads=False)
        if not team.memberships.filter(pk=to.pk).update(leads=True):
            raise TeamError("This person is in the team no more.")
        note(by, "team.handed_on", f"team {team.pk}", user=to.user_id, **_through(door))


def _through(door: str) -> dict[str, str]:
    return {"by": door} if door else {}


def _require_free(name: str, but: Team | None = None) -> None:
    """Compared here, since databases fold the case of ASCII letters only."""
    if is_reserved(name):
        raise TeamError("The board calls teams so that want no name; choose another name.")
    others = Team.objects.exclude(pk=but.pk if but else None).values_list("name", flat=True)
    if alike(name) in {alike(other) for other in others}:
        raise TeamError(f"There is a team of the name {name} already; choose another one.")


def _slug(name: str) -> str:
    """A name for addresses that no other team has."""
    plain = slugify(name)[:40]
    if plain and not Team.objects.filter(slug=plain).exists():
        return plain
    return f"{plain or 'team'}-{uuid.uuid4().hex[:8]}"
