"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, teams, tokens."""

    name = "organelle.portal.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Listen to who signs in and out."""
        from organelle.portal.accounts import sessions  # noqa: F401
