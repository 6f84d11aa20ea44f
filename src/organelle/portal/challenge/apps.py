"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class ChallengeConfig(AppConfig):
    """What the challenge is: phases, pages, limits, the audit log."""

    name = "organelle.portal.challenge"
    label = "challenge"
