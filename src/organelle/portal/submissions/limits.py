"""What a team may still hand in: so many a day, in total, and at one time. Days are those of UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from organelle.portal.accounts.models import Team
from organelle.portal.submissions.models import Submission

State = Submission.State
PENDING = (*Submission.COUNTED, State.CHECKING)
"""What has cost an attempt, or will if nothing is wrong with it."""

ON_THE_WAY = (State.CHECKING, State.QUEUED, State.SCORING)
"""What is being worked on. What an organiser holds keeps nobody from handing in."""


@dataclass(frozen=True)
class Allowance:
    """What is left.

    Attributes:
        today_left: of this day in UTC.
        total_left: of the whole challenge.
        concurrent_left: at one time.
        next_at: when the next one may be handed in; None when that is now, never, or as soon as one of those
            on their way is through.
    """

    today_left: int
    total_left: int
    concurrent_left: int
    next_at: datetime | None

    @property
    def lacking(self) -> str:
        """Which limit is reached: `total`, `day` or `concurrent`; empty when one may hand in."""
        if self.total_left <= 0:
            return "total"
        if self.today_left <= 0:
            return "day"
        return "concurrent" if self.concurrent_left <= 0 else ""


def allowance(team: Team, now: datetime | None = None) -> Allowance:
    """What `team` may still hand in at the moment `now`.

    What is still being checked counts as if it were queued, since it may be; refused, it counts no longer.
    Failures that are ours and what was cancelled never count. Teams of the organisers have no limits.
    """
    moment = (now or timezone.now()).astimezone(UTC)
    limits = settings.PORTAL.limits
    if team.is_baseline:
        return Allowance(1, 1, 1, None)
    today = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    used = counted(team)
    today_left = limits.per_day - used.filter(at__gte=today).count()
    total_left = limits.total - used.count()
    running = Submission.objects.filter(team=team, state__in=ON_THE_WAY).count()
    waits = today_left <= 0 < min(total_left, limits.per_day)
    return Allowance(
        today_left=max(0, today_left),
        total_left=max(0, total_left),
        concurrent_left=max(0, limits.concurrent - running),
        next_at=_next_day(used, today, limits.per_day) if waits else None,
    )


def counted(team: Team) -> QuerySet:
    """The submissions of a team that cost an attempt, with `at`, when they did."""
    return Submission.objects.filter(Q(team=team), state__in=PENDING).annotate(
        at=Coalesce("attempt_at", "created")
    )


def _next_day(used: QuerySet, today: datetime, per_day: int) -> datetime:
    """The midnight from which on there are fewer than `per_day` attempts.

    It is the next one, unless a clock that had jumped has left attempts in days to come.
    """
    times = sorted(used.filter(at__gte=today).values_list("at", flat=True), reverse=True)
    last = times[per_day - 1].astimezone(UTC)
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
