"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The portal for programs."""

    name = "organelle.portal.api"
    label = "api"
