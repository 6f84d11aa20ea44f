"""Posts: which of them are seen, and by whom they are read by mail, once."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from organelle.portal.news.models import Post, Subscriber
from organelle.portal.news.outgoing import post

NEWS_FOR = timedelta(days=7)
"""A post that is found unmailed later than this after its time is no news any more, and is not mailed: posts
of a demo, of a backup, of an old site."""


def visible(now: datetime | None = None) -> QuerySet:
    """The posts that everybody sees now, the newest first: no drafts, nothing from the future."""
    return Post.objects.filter(published__lte=now or timezone.now()).order_by("-published", "-id")


def stage_of(entry: Post, now: datetime | None = None) -> str:
    """Whether a post is a `draft`, `scheduled`, or `out`."""
    if entry.published is None:
        return "draft"
    return "out" if entry.published <= (now or timezone.now()) else "scheduled"


def of_stage(stage: str, now: datetime | None = None) -> QuerySet:
    """The posts that `stage_of` calls so."""
    moment = now or timezone.now()
    when: dict[str, dict[str, Any]] = {"draft": {"published": None}, "scheduled": {"published__gt": moment}}
    return Post.objects.filter(**when.get(stage, {"published__lte": moment}))


def address_of(entry: Post) -> str:
    """The full address of a post."""
    return f"{settings.PORTAL_URL}/news/{entry.slug}/"


def leave_address(subscriber: Subscriber) -> str:
    """The full address at which somebody leaves, without being asked anything."""
    return f"{settings.PORTAL_URL}/news/leave/{subscriber.leave_key}/"


def new_leave_key() -> str:
    """A word that nobody guesses; it stands in each mail, so it is kept as it is."""
    return secrets.token_urlsafe(32)


def mail_posts(now: datetime | None = None) -> int:
    """Write mails about posts that have not been mailed; returns how many posts those were.

    Each post goes out once, whoever calls this however often: its mails are written in the transaction that
    notes it.
    """
    moment = now or timezone.now()
    return sum(_mail(entry, moment) for entry in visible(moment).filter(mailed=None))


def _mail(entry: Post, now: datetime) -> bool:
    with transaction.atomic():
        if not Post.objects.filter(pk=entry.pk, mailed=None, published__lte=now).update(mailed=now):
            return False
        if entry.published < now - NEWS_FOR:
            return False
        for subscriber in Subscriber.objects.exclude(confirmed=None).iterator():
            _write(entry, subscriber)
    return True


def _write(entry: Post, subscriber: Subscriber) -> None:
    leave = leave_address(subscriber)
    values = {"post": entry, "title": settings.PORTAL.title, "link": address_of(entry), "leave": leave}
    headers = {
        "List-Unsubscribe": f"<{leave}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
    }
    post(subscriber.email, entry.title, render_to_string("news/mail/post.txt", values), headers)
