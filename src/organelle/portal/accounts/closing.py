"""Who is closed out and let in again, who else organises, which teams are excluded."""

from __future__ import annotations

from django.db import transaction

from organelle.errors import OrganelleError
from organelle.portal.accounts.models import Team, User
from organelle.portal.accounts.personal import require_another_organiser
from organelle.portal.accounts.sessions import end_all
from organelle.portal.challenge.changes import note_changed


class OwnAccount(OrganelleError):
    """Nobody closes out, dismisses or deletes themselves here."""


class ClosedOut(OrganelleError):
    """Somebody who is closed out has no part in anything."""


def set_active(person: User, by: User, door: str, *, active: bool) -> None:
    """Close `person` out, everywhere and at once, or let them in again; `door` is told in the audit log.

    Whoever is closed out is no organiser any more, and is none when let in again.

    Raises:
        OwnAccount: it is one's own.
        LastOrganiser: nobody else could organise the challenge.
    """
    require_another_account(person, by)
    with transaction.atomic():
        if person.is_active == active:
            return
        changed = ["is_active"]
        if not active:
            require_another_organiser(person)
            end_all(person)
            changed += _set_rights(person, holds=False)
        person.is_active = active
        person.save(update_fields=changed)
        note_changed(by, person, changed, door)


def set_office(person: User, by: User, door: str, *, organiser: bool) -> None:
    """Say whether `person` organises the challenge, with all rights; `door` is told in the audit log.

    Raises:
        OwnAccount: it is one's own.
        LastOrganiser: nobody else could organise the challenge.
        ClosedOut: the person is, and cannot become one.
    """
    require_another_account(person, by)
    with transaction.atomic():
        if organiser and not person.is_active:
            raise ClosedOut("This person is closed out; let them in first.")
        if not organiser:
            require_another_organiser(person)
        changed = _set_rights(person, holds=organiser)
        if changed:
            person.save(update_fields=changed)
            note_changed(by, person, changed, door)


def _set_rights(person: User, *, holds: bool) -> list[str]:
    """The fields that are changed by it; nothing is saved."""
    changed = [name for name in ("is_staff", "is_superuser") if getattr(person, name) != holds]
    person.is_staff = person.is_superuser = holds
    return changed


def require_another_account(person: User, by: User) -> None:
    """Raise `OwnAccount` if both are the same."""
    if person == by:
        raise OwnAccount("This is your own account; ask another organiser.")


def set_standing(team: Team, by: User, door: str, **values: bool) -> None:
    """Say whether a team is excluded (`is_banned`) or one of the organisers' own (`is_baseline`)."""
    changed = [name for name, value in values.items() if getattr(team, name) != value]
    if not changed:
        return
    for name in changed:
        setattr(team, name, values[name])
    with transaction.atomic():
        team.save(update_fields=changed)
        note_changed(by, team, changed, door)
