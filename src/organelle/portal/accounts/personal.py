"""What is kept about a person: to be taken along, and to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import transaction

from organelle.errors import OrganelleError
from organelle.portal.accounts.models import Invitation, LoginLink, User
from organelle.portal.accounts.sessions import end_all, living
from organelle.portal.accounts.teams import leave, team_of
from organelle.portal.challenge.models import AuditEntry, note

GONE = "somebody who has left"
SUBMISSION_ = "submission "
"""How the audit log tells which submission it is about."""
AT_ONCE = 500
SUBMISSION = (
    "id", "team__name", "name", "sha256", "size_bytes", "method", "description", "code_url", "publish",
    "anonymous", "state", "reason", "created",
)  # fmt: skip


class LastOrganiser(OrganelleError):
    """Without this person nobody could organise the challenge."""


def change(person: User, name: str, mail_scores: bool) -> None:
    """How `person` wants to be called, and whether a mail shall tell of scores."""
    person.name, person.mail_scores = name, mail_scores
    person.save(update_fields=["name", "mail_scores"])
    note(person, "account.changed", f"user {person.pk}")


def take_along(person: User) -> dict[str, Any]:
    """What `export_of` says, given to `person`, which is noted."""
    note(person, "account.exported")
    return export_of(person)


def export_of(person: User) -> dict[str, Any]:
    """All that the portal keeps about `person`, as JSON can hold it but for dates; no secrets."""
    team = team_of(person)
    return {
        "account": _fields(
            person,
            "email",
            "name",
            "date_joined",
            "last_login",
            "rules_accepted",
            "rules_accepted_at",
            "mail_scores",
        ),
        "team": team
        and {"name": team.name, "affiliation": team.affiliation, "leads": person.membership.leads},
        "invitations": list(Invitation.objects.filter(by=person).values("email", "expires", "accepted")),
        "tokens": list(
            person.tokens.values("name", "prefix", "scopes", "created", "expires", "revoked", "last_used")
        ),
        "signed in": list(living(person).values("time", "browser")),
        "linked accounts": list(person.socialaccount_set.values("provider", "uid", "extra_data")),
        "submissions": list(person.submissions.values(*SUBMISSION)),
        "uploads": list(person.uploads.values("name", "length", "offset", "created")),
        "news by mail": list(
            _rows("news", "Subscriber").filter(email=person.email).values("asked", "confirmed")
        ),
        "log": list(AuditEntry.objects.filter(actor=person).values("time", "action", "about", "detail")),
    }


def forget(person: User, by: User | None = None) -> None:
    """Delete the account of `person`. What they handed in stays with their team, without their name.

    Args:
        person: who goes.
        by: the organiser who does it; None when people do it themselves.

    Raises:
        LastOrganiser: nobody else could organise the challenge.
    """
    with transaction.atomic():
        require_another_organiser(person)
        leave(person)
        end_all(person)
        key = person.pk
        _forget_name(person)
        _rows("news", "Subscriber").filter(email=person.email).delete()
        _rows("news", "OutgoingMail").filter(to=person.email).delete()
        LoginLink.objects.filter(email=person.email).delete()
        Invitation.objects.filter(email=person.email).delete()
        person.delete()
        note(by, "account.deleted", f"user {key}")


def _forget_name(person: User) -> None:
    """Take away the names that `person` had wherever they stand beside something that was done.

    The audit log knows of what, and under which name: names may have changed since.
    """
    entries = AuditEntry.objects.filter(actor=person)
    names = {str(person), *entries.order_by().values_list("actor_name", flat=True).distinct()}
    about = (
        entries.filter(about__startswith=SUBMISSION_).order_by().values_list("about", flat=True).distinct()
    )
    keys = [UUID(text.removeprefix(SUBMISSION_)) for text in about]
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        _rows("submissions", "Transition").filter(submission__in=some, actor__in=names).update(actor=GONE)
        _rows("scoring", "JobEvent").filter(job__submission__in=some, actor__in=names).update(actor=GONE)
    _rows("submissions", "Transition").filter(submission__user=person, actor__in=names).update(actor=GONE)
    _forget_in_admin(person, names)
    entries.update(actor_name=GONE)


def _forget_in_admin(person: User, names: Iterable[str]) -> None:
    """Django's admin keeps a history of its own, which tells people and members by their names."""
    history = _rows("admin", "LogEntry").filter(content_type__app_label="accounts")
    history.filter(content_type__model="user", object_id=str(person.pk)).delete()
    for name in names:
        member = f'"object": {json.dumps(f"{name} in ")[:-1]}'
        history.filter(content_type__model="team", change_message__contains=member).update(change_message="")


def require_another_organiser(person: User) -> None:
    """Raise `LastOrganiser` if the challenge would be without one when `person` is gone."""
    rights = {"is_staff": True, "is_superuser": True, "is_active": True}
    # Locked: two who dismiss each other at one moment would leave none. Only within a transaction it is sure.
    organisers = set(User.objects.select_for_update().filter(**rights).values_list("pk", flat=True))
    if person.is_organiser and not organisers - {person.pk}:
        raise LastOrganiser("You are the only organiser; make somebody else one first, under Organise.")


def _fields(person: User, *names: str) -> dict[str, Any]:
    return {name: getattr(person, name) for name in names}


def _rows(room: str, model: str) -> Any:
    """The rows of a room above this one, which is not imported here."""
    return apps.get_model(room, model).objects
