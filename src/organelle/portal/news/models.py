"""Posts, who wants them, and mail that is still to be sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Post(models.Model):
    """A piece of news, in Markdown; a draft until it has a time, seen from that time on."""

    title = models.CharField(max_length=150)
    slug = models.SlugField(max_length=80, unique=True)
    body = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    published = models.DateTimeField(null=True, blank=True, db_index=True)
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(auto_now=True)
    mailed = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-published", "-created"]

    def __str__(self) -> str:
        return self.title


class Subscriber(models.Model):
    """A mail address that wants news; confirmed by the link in its first mail."""

    email = models.EmailField(unique=True)
    confirm_key = models.CharField(max_length=64, blank=True)
    leave_key = models.CharField(max_length=64, unique=True)
    asked = models.DateTimeField(default=timezone.now)
    confirmed = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.email


class OutgoingMail(models.Model):
    """A mail to be sent by a worker; kept until it has left."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    headers = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(default=timezone.now)
    attempts = models.IntegerField(default=0)
    sent = models.DateTimeField(null=True, blank=True, db_index=True)
    trouble = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"
