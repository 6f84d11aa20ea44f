"""Mail on its way out: written into the database with what it is about, sent by workers, tried again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from organelle.portal.news.models import OutgoingMail

log = logging.getLogger("organelle.portal.news")

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))
"""After each try that failed: two days in all, as long as mail servers are patient with one another."""

LEASE = timedelta(minutes=5)
"""So long nobody else sends a mail that somebody is sending; longer than any server takes to answer."""

AT_ONCE = 20
KEPT = timedelta(days=7)
"""What has left is kept so long, for organisers who are asked where it is."""


def post(to: str, subject: str, text: str, headers: Mapping[str, str] | None = None) -> OutgoingMail:
    """Have a mail sent; within a transaction it leaves only if the transaction holds."""
    plain = " ".join(subject.split())[:200]
    return OutgoingMail.objects.create(to=to, subject=plain, text=text, headers=dict(headers or {}))


def send_due(now: datetime | None = None) -> int:
    """Send what is due; returns how many mails left.

    Any number of workers may do this at once: each mail is taken by one. If that one dies between sending
    and noting it, the mail leaves a second time, under the same Message-ID.
    """
    moment = now or timezone.now()
    waiting = OutgoingMail.objects.filter(_due(moment), sent=None, attempts__lte=len(PAUSES))
    return sum(_send(mail, moment) for mail in waiting.order_by("not_before", "id")[:AT_ONCE])


def send_again(mails: QuerySet, now: datetime | None = None) -> int:
    """Begin the tries anew for what of `mails` has not left; returns how many those are.

    What is due within the time of a lease may be on its way at this moment, and keeps its time.
    """
    moment = now or timezone.now()
    waiting = mails.filter(sent=None)
    waiting.filter(not_before__gt=moment + LEASE).update(not_before=moment)
    return waiting.update(attempts=0)


def forget_old(now: datetime | None = None) -> None:
    """Drop mails that left long ago."""
    OutgoingMail.objects.filter(sent__lt=(now or timezone.now()) - KEPT).delete()


def _due(now: datetime) -> Q:
    """A pause that lasts longer than any was written before the clock jumped back."""
    return Q(not_before__lte=now) | Q(not_before__gt=now + PAUSES[-1] + LEASE)


def _send(mail: OutgoingMail, now: datetime) -> bool:
    mine = OutgoingMail.objects.filter(pk=mail.pk, sent=None, attempts=mail.attempts)
    if not mine.update(attempts=F("attempts") + 1, not_before=now + LEASE):
        return False
    found = OutgoingMail.objects.filter(pk=mail.pk)
    try:
        _message(mail).send()
    except (OSError, SMTPException, ValueError) as error:  # ValueError: an address or header that cannot be
        log.warning("mail %s could not be sent: %s", mail.pk, type(error).__name__)
        tries = mail.attempts + 1
        hopeless = isinstance(error, SMTPRecipientsRefused | ValueError)
        pause = PAUSES[min(tries, len(PAUSES)) - 1]
        found.update(
            not_before=now + pause,
            trouble=f"{type(error).__name__}: {error}"[:500],
            attempts=len(PAUSES) + 1 if hopeless else tries,
        )
        return False
    found.update(sent=timezone.now(), trouble="")
    return True


def _message(mail: OutgoingMail) -> EmailMessage:
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    always = {"Auto-Submitted": "auto-generated", "Message-ID": f"<portal-{mail.pk}@{host}>"}
    return EmailMessage(mail.subject, mail.text, to=[mail.to], headers=always | mail.headers)
