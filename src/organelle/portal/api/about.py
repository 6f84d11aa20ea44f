"""What I may hand in, and the phases of the challenge."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from organelle.portal.api.answers import answers, public_answers
from organelle.portal.api.scopes import READER
from organelle.portal.challenge.models import Phase
from organelle.portal.submissions.intake import team_of
from organelle.portal.submissions.limits import allowance

router = Router(tags=["about"])


class Attempts(Schema):
    """How many attempts a team has left."""

    today: int
    total: int
    concurrent: int


class TeamLimits(Schema):
    """What each team may hand in."""

    per_day: int
    total: int
    concurrent: int
    submission_bytes: int
    open_uploads: int
    upload_hours: float


class Limits(TeamLimits):
    """With what is left of it; `left` is None without a team."""

    left: Attempts | None
    next_at: str | None


class PhaseRecord(Schema):
    """A phase lasts until the next one begins; times are UTC."""

    kind: str
    starts: str
    note: str
    current: bool


@router.get("/limits", auth=READER, response=answers(Limits), summary="What I may still hand in")
def limits(request: HttpRequest) -> dict[str, Any]:
    """Days are those of UTC; `next_at` is when the next attempt is free again."""
    team = team_of(request.auth)
    left = allowance(team) if team else None
    record: dict[str, Any] = settings.PORTAL.limits.model_dump()
    return record | {
        "left": left
        and {"today": left.today_left, "total": left.total_left, "concurrent": left.concurrent_left},
        "next_at": left.next_at.isoformat() if left and left.next_at else None,
    }


@router.get("/phases", auth=None, response=public_answers(list[PhaseRecord]), summary="The phases")
def phases(request: HttpRequest) -> list[dict[str, Any]]:  # noqa: ARG001
    """In order; none when the challenge is always open."""
    now = Phase.current()
    return [
        {
            "kind": phase.kind,
            "starts": phase.starts.isoformat(),
            "note": phase.note,
            "current": phase == now,
        }
        for phase in Phase.objects.all()
    ]
