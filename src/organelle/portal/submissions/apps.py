"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class SubmissionsConfig(AppConfig):
    """What is handed in: uploads, checks, states."""

    name = "organelle.portal.submissions"
    label = "submissions"
