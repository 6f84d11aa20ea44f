"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class NewsConfig(AppConfig):
    """Posts, feeds, mail."""

    name = "organelle.portal.news"
    label = "news"
