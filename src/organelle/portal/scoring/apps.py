"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Jobs, tasks and workers; results."""

    name = "organelle.portal.scoring"
    label = "scoring"
