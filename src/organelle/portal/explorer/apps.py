"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class ExplorerConfig(AppConfig):
    """Datasets, crops and classes to look at."""

    name = "organelle.portal.explorer"
    label = "explorer"
