"""Makes the room known to Django."""

from __future__ import annotations

from django.apps import AppConfig


class BoardConfig(AppConfig):
    """What of the results may be seen."""

    name = "organelle.portal.board"
    label = "board"

    def ready(self) -> None:
        """Resample every result as soon as it is stored."""
        from django.db.models.signals import post_save

        from organelle.portal.board.resampling import resample_when_kept

        post_save.connect(resample_when_kept, sender="scoring.Result", dispatch_uid="board.resample")
