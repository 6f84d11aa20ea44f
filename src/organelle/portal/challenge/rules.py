"""The rules that hold now."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib import resources

from django.utils import timezone

from organelle.portal.challenge.models import Rules

RULES_VERSION = "1"
"""Of the rules that come with the portal; they hold until an organiser writes others: ask `rules_version`."""


def current_rules(now: datetime | None = None) -> Rules:
    """The rules that hold at this moment, newest first; the built-in ones, unsaved, if there are none."""
    found = Rules.objects.filter(holds_from__lte=now or timezone.now()).order_by("-holds_from", "-pk").first()
    return found or Rules(version=RULES_VERSION, text=_built_in())


def rules_version(now: datetime | None = None) -> str:
    """What `User.rules_accepted` must say of somebody who has accepted the rules that hold now."""
    return current_rules(now).version


@cache
def _built_in() -> str:
    return (resources.files(__package__) / "rules.md").read_text(encoding="utf-8")
