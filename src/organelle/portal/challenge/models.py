"""Phases, and the log of who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class Phase(models.Model):
    """A stage of the challenge; it lasts until the next one begins."""

    class Kind(models.TextChoices):
        """What may be done in it."""

        ANNOUNCED = "announced", "announced: everything can be seen, nothing handed in"
        OPEN = "open", "open: submissions are taken and scored"
        CLOSED = "closed", "closed: nothing is handed in; what is queued is still scored"
        FINAL = "final", "final: the ranking stands"

    kind = models.CharField(max_length=16, choices=Kind)
    starts = models.DateTimeField(unique=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["starts"]

    def __str__(self) -> str:
        return f"{self.kind} from {self.starts:%Y-%m-%d %H:%M} UTC"

    @classmethod
    def current(cls, now: datetime | None = None) -> Phase | None:
        """The phase of this moment; None before the first, or when none is set."""
        return cls.objects.filter(starts__lte=now or timezone.now()).order_by("-starts").first()

    @classmethod
    def next(cls, now: datetime | None = None) -> Phase | None:
        """The phase that comes; None when this one is the last."""
        return cls.objects.filter(starts__gt=now or timezone.now()).order_by("starts").first()

    @classmethod
    def takes_submissions(cls, now: datetime | None = None) -> bool:
        """Whether one may hand in now; a portal without phases is open."""
        phase = cls.current(now)
        return phase.kind == cls.Kind.OPEN if phase else not cls.objects.exists()

    @classmethod
    def is_final(cls, now: datetime | None = None) -> bool:
        """Whether the ranking stands, and may be read from private crops."""
        phase = cls.current(now)
        return phase is not None and phase.kind == cls.Kind.FINAL


class AuditEntry(models.Model):
    """That somebody did something; written once. Only the names of people go when they do."""

    time = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True)
    """As it was then; `system` for what the portal did itself."""
    action = models.CharField(max_length=64, db_index=True)
    about = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-time", "-id"]
        verbose_name_plural = "audit log"

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M} {self.actor_name} {self.action} {self.about}"


def note(actor: Any, action: str, about: str = "", **detail: Any) -> AuditEntry:
    """Write into the audit log; `actor` is a user, or None for the portal itself."""
    person = actor if getattr(actor, "pk", None) else None
    return AuditEntry.objects.create(
        actor=person,
        actor_name=str(person) if person else "system",
        action=action,
        about=about[:200],
        detail=detail,
    )


class Rules(models.Model):
    """A version of the rules, in Markdown, that holds from a moment on; people accept one version."""

    version = models.CharField(max_length=32, unique=True)
    text = models.TextField(help_text="Markdown; no HTML.")
    holds_from = models.DateTimeField(default=timezone.now, help_text="UTC")

    class Meta:
        ordering = ["-holds_from"]
        verbose_name_plural = "rules"

    def __str__(self) -> str:
        return f"rules {self.version}"


class Pace(models.Model):
    """How often something was done lately; who did it is kept as a hash only."""

    key = models.CharField(max_length=64, unique=True)
    since = models.DateTimeField(db_index=True)
    count = models.IntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.count} since {self.since:%Y-%m-%d %H:%M} UTC"
