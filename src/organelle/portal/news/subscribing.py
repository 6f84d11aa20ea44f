"""Who gets the news by mail: those who asked for it and pressed a button in a mail that we sent them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from organelle.portal.accounts.models import hash_of, secret_word
from organelle.portal.challenge.pace import may
from organelle.portal.news.models import Subscriber
from organelle.portal.news.outgoing import post
from organelle.portal.news.posting import new_leave_key

CONFIRM_WITHIN = timedelta(days=7)
MAILS_A_DAY = 3
"""To one address that has not confirmed: the form must not become a way to fill somebody's mailbox."""

ASKS_AN_HOUR = 10
"""Of one client: more is no person who subscribes."""

AN_HOUR_S = 3600


def ask_as(client: str, email: str) -> bool:
    """`ask`, for somebody at the address `client`; False, and nothing is done, if that one asks too often."""
    if not may("news", client, most=ASKS_AN_HOUR, seconds=AN_HOUR_S):
        return False
    ask(email)
    return True


def ask(email: str) -> None:
    """Send a mail by which somebody confirms that the news are wanted.

    Nothing tells the caller whether the address is known already: that is nobody's business.
    """
    address = email.strip().lower()
    subscriber, _ = Subscriber.objects.get_or_create(email=address, defaults={"leave_key": new_leave_key()})
    if subscriber.confirmed or not may("news by mail", address, most=MAILS_A_DAY, seconds=86_400):
        return
    word = secret_word()
    Subscriber.objects.filter(pk=subscriber.pk).update(confirm_key=hash_of(word), asked=timezone.now())
    values = {"title": settings.PORTAL.title, "link": f"{settings.PORTAL_URL}/news/confirm/{word}/"}
    text = render_to_string("news/mail/confirm.txt", values)
    post(address, f"Do you want the news of {settings.PORTAL.title}?", text)


def who_asked(word: str, now: datetime | None = None) -> Subscriber | None:
    """Whose mail holds this word; None when nobody's does, or it is too old."""
    since = (now or timezone.now()) - CONFIRM_WITHIN
    return Subscriber.objects.filter(confirm_key=hash_of(word), confirmed=None, asked__gte=since).first()


def confirm(subscriber: Subscriber) -> None:
    """The news are wanted."""
    Subscriber.objects.filter(pk=subscriber.pk).update(confirmed=timezone.now(), confirm_key="")


def leave(word: str) -> bool:
    """Forget an address; False when it was forgotten already, or never known."""
    return bool(_with_leave_key(word).delete()[0])


def gets_news(word: str) -> bool:
    """Whether somebody could leave with this word."""
    return bool(_with_leave_key(word).exists())


def forget_unconfirmed(now: datetime | None = None) -> None:
    """Drop addresses whose owners did not want the news."""
    Subscriber.objects.filter(confirmed=None, asked__lt=(now or timezone.now()) - CONFIRM_WITHIN).delete()


def _with_leave_key(word: str) -> QuerySet:
    return Subscriber.objects.filter(leave_key=word.replace("\x00", ""))
