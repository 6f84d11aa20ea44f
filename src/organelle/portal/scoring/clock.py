"""Time as leases know it: that of the database, which all machines share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

LONGEST_PAUSE = timedelta(hours=1)
"""No job waits longer for its next try; one that claims to was written by a clock that has jumped."""

GRACE = timedelta(seconds=1)


def database_time() -> datetime:
    """What the database's clock says, in UTC."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
            return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def lease_end(now: datetime) -> datetime:
    """Until when a lease holds that is given or renewed now."""
    return now + timedelta(seconds=settings.PORTAL.lease_seconds)


def lapsed(now: datetime) -> Q:
    """Leases that hold no more.

    One that reaches further than any lease is given was written before the clock jumped back.
    """
    return Q(lease_until=None) | Q(lease_until__lte=now) | Q(lease_until__gt=lease_end(lease_end(now)))


def due(now: datetime) -> Q:
    """Jobs whose pause is over, or that were made this second by a machine whose clock is a little ahead."""
    return Q(not_before__lte=now + GRACE) | Q(not_before__gt=now + LONGEST_PAUSE)
