"""Where a person is signed in, and how to end that."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from organelle.portal.accounts.models import SignIn, User
from organelle.portal.challenge.models import note


@receiver(user_logged_in)
def remember(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:  # noqa: ARG001
    """Keep which session is whose: Django's own table does not tell. What has run out, of anybody, goes."""
    Session.objects.filter(expire_date__lte=timezone.now()).delete()
    if not request.session.session_key:
        request.session.save()
    browser = request.META.get("HTTP_USER_AGENT", "")[:200]
    SignIn.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={"user": user, "browser": browser, "time": timezone.now()},
    )


@receiver(user_logged_out)
def drop(sender: Any, request: HttpRequest, **_: Any) -> None:  # noqa: ARG001
    """Forget a session that has ended."""
    SignIn.objects.filter(session_key=request.session.session_key or "").delete()


def living(person: User) -> QuerySet[SignIn]:
    """The sign-ins of `person` that still hold, newest first; what is left of others is dropped."""
    holding = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    mine = SignIn.objects.filter(user=person)
    mine.exclude(session_key__in=holding).delete()
    return mine


def end(sign_ins: QuerySet[SignIn]) -> int:
    """Sign out there; how many they were."""
    keys = list(sign_ins.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    SignIn.objects.filter(session_key__in=keys).delete()
    return len(keys)


def end_all(person: User, but: str | None = None) -> int:
    """Sign `person` out everywhere, `but` in the session with this key; how many sessions ended."""
    return end(living(person).exclude(session_key=but or ""))


def end_one(sign_in: SignIn) -> None:
    """Sign its person out there, as they want it."""
    end(SignIn.objects.filter(pk=sign_in.pk))
    note(sign_in.user, "account.session_ended")


def end_others(person: User, but: str | None = None) -> int:
    """Sign `person` out everywhere, as they want it, `but` here; how many sessions ended."""
    count = end_all(person, but)
    note(person, "account.sessions_ended", count=count)
    return count
