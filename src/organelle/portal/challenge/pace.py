"""Rate limits that hold for all processes together, because they are counted in the database."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.http import HttpRequest
from django.utils import timezone

from organelle.portal.challenge.models import Pace

AHEAD = timedelta(minutes=5)
"""By so much may the clocks of two machines, or the moments of two requests, be apart."""
KEPT = timedelta(days=2)
"""Longer than any limit looks back; older counts are dropped."""


def may(kind: str, who: object, *, most: int, seconds: int, now: datetime | None = None) -> bool:
    """Whether `who` may do this now; if so it is counted.

    Args:
        kind: what is done: `sign-in`.
        who: an address, a client, the key of a person or a team; kept as a hash.
        most: so many times within `seconds`, counted from the first one.
        seconds: how long a count lasts, at most two days.
        now: the moment, in UTC.
    """
    moment = now or timezone.now()
    key = hashlib.sha256(f"{kind}\0{who}".encode()).hexdigest()
    return _count(key, most, seconds, moment) or _begin(key, most, seconds, moment)


def _count(key: str, most: int, seconds: int, now: datetime) -> bool:
    """Count on in a window that lasts still, or begin a new one in its place.

    A window that begins well in the future was left by a clock that has jumped: it is over, too.
    """
    row = Pace.objects.filter(key=key)
    over = Q(since__lte=now - timedelta(seconds=seconds)) | Q(since__gt=now + AHEAD)
    if row.filter(~over, count__lt=most).update(count=F("count") + 1):
        return True
    return most > 0 and bool(row.filter(over).update(count=1, since=now))


def _begin(key: str, most: int, seconds: int, now: datetime) -> bool:
    """The first count of a key; if another process was faster, count on."""
    if most < 1 or Pace.objects.filter(key=key).exists():
        return False
    Pace.objects.filter(since__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            Pace.objects.create(key=key, since=now)
    except IntegrityError:
        return _count(key, most, seconds, now)
    return True


def client_of(request: HttpRequest) -> str:
    """The address that a request came from, as far as our own proxies vouch for it.

    Of IPv6 only the network (/64), since one machine has as many addresses as it likes.
    """
    text = request.META.get("REMOTE_ADDR", "")
    if proxies := settings.PORTAL.proxies:
        passed = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        text = passed[-proxies] if len(passed) >= proxies else text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
