"""What every page may say of the challenge."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from organelle.portal.challenge.models import Phase


def challenge(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """`portal` (its configuration), and, when a template asks for them, `phase` and `next_phase`."""
    return {"portal": settings.PORTAL, "phase": Phase.current, "next_phase": Phase.next}
