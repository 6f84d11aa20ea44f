"""People, how they come in, the teams they form, and the tokens of their programs.

Secrets are kept as SHA-256 only: they are long random words, so that no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone

from organelle.portal.accounts.browsers import browser_name

LINK_MINUTES = 30
INVITATION_DAYS = 14


def secret_word() -> str:
    """A word that nobody guesses."""
    return secrets.token_urlsafe(32)


def hash_of(word: str) -> str:
    """What is kept of a secret word."""
    return hashlib.sha256(word.encode()).hexdigest()


class People(UserManager):
    """Makes people out of mail addresses."""

    def of(self, email: str) -> User:
        """The person with this address, made when there is none."""
        address = email.strip().lower()
        person: User
        person, _ = self.get_or_create(
            email=address,
            defaults={"username": f"u{uuid.uuid4().hex[:16]}", "name": address.split("@")[0][:100]},
        )
        return person


class User(AbstractUser):
    """A person. `is_staff` are the organisers. Nobody has a password."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    rules_accepted = models.CharField(max_length=32, blank=True)
    """Version of the rules that the person has accepted."""
    rules_accepted_at = models.DateTimeField(null=True, blank=True)
    mail_scores = models.BooleanField(default=True)
    """Wants a mail when a score is ready."""

    objects = People()
    REQUIRED_FIELDS = ["email"]

    def __str__(self) -> str:
        return self.name or self.username

    def get_short_name(self) -> str:
        """How pages greet this person."""
        return str(self)

    def has_usable_password(self) -> bool:
        """Never: nobody has one."""
        return False

    @property
    def is_organiser(self) -> bool:
        """Whether this person runs the challenge."""
        return bool(self.is_staff and self.is_active)


class LoginLink(models.Model):
    """A link that signs in once."""

    email = models.EmailField()
    key = models.CharField(max_length=64, unique=True)
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True, blank=True)
    makes_organiser = models.BooleanField(default=False)
    moves = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    """Somebody who is signed in already, and whose address becomes this one."""
    next = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"link for {self.email}"

    @classmethod
    def make(cls, email: str, *, now: datetime | None = None, **values: Any) -> tuple[LoginLink, str]:
        """A new link, and its secret word, which is kept nowhere."""
        word = secret_word()
        expires = (now or timezone.now()) + timedelta(minutes=LINK_MINUTES)
        link = cls.objects.create(email=email.strip().lower(), key=hash_of(word), expires=expires, **values)
        return link, word


class SignIn(models.Model):
    """That a person signed in with some browser; gone when they sign out there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    browser = models.CharField(max_length=200, blank=True)
    """As it calls itself."""
    time = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-time", "-id"]

    def __str__(self) -> str:
        return f"{self.user} since {self.time:%Y-%m-%d %H:%M} UTC"

    @property
    def where(self) -> str:
        """The browser and its system, as people call them."""
        return browser_name(self.browser)


class Team(models.Model):
    """Who hands in together. A person is in one team."""

    name = models.CharField(max_length=60, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    affiliation = models.CharField(max_length=120, blank=True)
    is_baseline = models.BooleanField(default=False)
    """Of the organisers: shown on the board, never ranked."""
    is_banned = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person in a team."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="membership")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    leads = models.BooleanField(default=False)
    """May invite, rename, and choose the submission that counts."""
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Invitation(models.Model):
    """An invitation to a team; its word is in the mail only."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    key = models.CharField(max_length=64, unique=True)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    expires = models.DateTimeField()
    accepted = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.email} to {self.team}"

    @classmethod
    def make(cls, team: Team, email: str, by: User, now: datetime | None = None) -> tuple[Invitation, str]:
        """A new invitation and its word."""
        word = secret_word()
        expires = (now or timezone.now()) + timedelta(days=INVITATION_DAYS)
        invitation = cls.objects.create(
            team=team, email=email.strip().lower(), key=hash_of(word), by=by, expires=expires
        )
        return invitation, word


class ApiToken(models.Model):
    """Lets a program act for a person, within its scopes."""

    class Scope(models.TextChoices):
        """What a token may do."""

        READ = "read", "read: one's own submissions and scores"
        SUBMIT = "submit", "submit: hand in and cancel"
        ACCOUNT = "account", "account: one's team, rules, sign-ins and tokens; export; not deletion"
        ORGANISE = "organise", "organise: all that organisers do, as long as one is one"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12)
    """Its beginning, by which people know it again."""
    key = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField()
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.prefix}... of {self.user}"

    @classmethod
    def make(cls, user: User, name: str, scopes: list[str], days: int = 90) -> tuple[ApiToken, str]:
        """A new token and its word, which is shown once."""
        word = f"csc_{secret_word()}"
        expires = timezone.now() + timedelta(days=days)
        token = cls.objects.create(
            user=user, name=name, prefix=word[:10], key=hash_of(word), scopes=scopes, expires=expires
        )
        return token, word

    @classmethod
    def of(cls, word: str, scope: str, now: datetime | None = None) -> ApiToken | None:
        """The living token with this word and scope; None when there is none.

        `organise` counts only as long as its owner is an organiser.
        """
        moment = now or timezone.now()
        token = cls.objects.select_related("user").filter(key=hash_of(word), revoked=None).first()
        if token is None or token.expires <= moment or scope not in token.scopes or not token.user.is_active:
            return None
        if scope == str(cls.Scope.ORGANISE) and not token.user.is_organiser:
            return None
        cls.objects.filter(pk=token.pk).update(last_used=moment)
        return token
