"""The rules that hold now."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from django.utils import timezone

from organelle.errors import OrganelleError
from organelle.portal.challenge.models import Rules, note

RULES_VERSION = "1"
"""Of the rules that come with the portal; they hold until an organiser writes others: ask `rules_version`."""


class RulesChanged(OrganelleError):
    """Other rules hold than those that somebody has read."""


def current_rules(now: datetime | None = None) -> Rules:
    """The rules that hold at this moment, newest first; the built-in ones, unsaved, if there are none."""
    found = Rules.objects.filter(holds_from__lte=now or timezone.now()).order_by("-holds_from", "-pk").first()
    return found or Rules(version=RULES_VERSION, text=_built_in())


def rules_version(now: datetime | None = None) -> str:
    """What `User.rules_accepted` must say of somebody who has accepted the rules that hold now."""
    return current_rules(now).version


def accept_rules(person: Any, version: str) -> bool:
    """Write down that `person` accepts this version; False if they had done so before.

    Raises:
        RulesChanged: another version holds by now.
    """
    current = rules_version()
    if version != current:
        raise RulesChanged("The rules have changed while you read them; here is the newest version.")
    if person.rules_accepted == current:
        return False
    person.rules_accepted, person.rules_accepted_at = current, timezone.now()
    person.save(update_fields=["rules_accepted", "rules_accepted_at"])
    note(person, "rules.accepted", f"version {current}")
    return True


@cache
def _built_in() -> str:
    return (resources.files(__package__) / "rules.md").read_text(encoding="utf-8")
