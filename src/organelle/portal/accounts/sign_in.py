"""Sign-in by links that work once."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import login
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from organelle.errors import OrganelleError
from organelle.portal.accounts import mail
from organelle.portal.accounts.models import LINK_MINUTES, LoginLink, User, hash_of
from organelle.portal.challenge.models import note
from organelle.portal.challenge.pace import may

PER_ADDRESS = 5
PER_CLIENT = 20
PERIOD_S = 3600
KEPT = timedelta(days=1)
"""How long a link is remembered after its end, so that people can be told why it does not work."""
BACKEND = "django.contrib.auth.backends.ModelBackend"


class LinkGone(OrganelleError):
    """A link that signs in nobody: never made, used, or too old."""


class AccountClosed(OrganelleError):
    """A person who may not sign in."""


def too_many(email: str, client: str, now: datetime | None = None) -> bool:
    """Whether links were asked for too often, for this address or from this client; if not, it is counted."""
    return not (
        may("link client", client, most=PER_CLIENT, seconds=PERIOD_S, now=now)
        and may("link address", email.strip().lower(), most=PER_ADDRESS, seconds=PERIOD_S, now=now)
    )


def send_link(email: str, going_to: str = "", now: datetime | None = None) -> bool:
    """Mail a link to `email`, whether we know it or not: an account is made when the link is used."""
    moment = now or timezone.now()
    LoginLink.objects.filter(expires__lt=moment - KEPT).delete()
    link, word = LoginLink.make(email, next=going_to, now=moment)
    subject = f"Sign in to {settings.PORTAL.title}"
    return mail.send("link", link.email, subject, word=word, minutes=LINK_MINUTES)


def send_move(person: User, email: str, now: datetime | None = None) -> bool:
    """Mail a link to `email` by which `person` shows that it is theirs."""
    link, word = LoginLink.make(email, moves=person, next="/account/", now=now)
    subject = f"Your address at {settings.PORTAL.title}"
    return mail.send("move", link.email, subject, word=word, minutes=LINK_MINUTES)


def find_link(word: str, now: datetime | None = None) -> LoginLink:
    """The link with this word, if it still works.

    Raises:
        LinkGone: it does not; the message says why.
    """
    link: LoginLink | None = LoginLink.objects.select_related("moves").filter(key=hash_of(word)).first()
    if link is None:
        raise LinkGone("This link is not known here. Was it copied as a whole?")
    if link.used:
        raise LinkGone("This link was used already; each one works once.")
    if link.expires <= (now or timezone.now()):
        raise LinkGone(f"This link is too old; each one works for {LINK_MINUTES} minutes.")
    return link


def use_link(word: str, email: str = "", now: datetime | None = None) -> tuple[User, LoginLink]:
    """Use up a link, and the person that it brings in, made if there is none.

    Args:
        word: the secret part of its address.
        email: of the first organiser, who types it in; of others the link knows it.
        now: the moment, in UTC.

    Raises:
        LinkGone: it does not work, or somebody was faster.
        AccountClosed: the person may not sign in, or the address is another person's.
    """
    with transaction.atomic():
        link = find_link(word, now)
        address = (email if link.makes_organiser and email else link.email).strip().lower()
        _use_up(link, address, now or timezone.now())
        person = _move(link.moves, address) if link.moves else _bring_in(address, link.makes_organiser)
    return person, link


def enter(request: HttpRequest, person: User, how: str) -> None:
    """Sign `person` in, with a new session key."""
    login(request, person, backend=BACKEND)
    note(person, "account.signed_in", how)


def require_open(person: User) -> User:
    """`person`, who may sign in.

    Raises:
        AccountClosed: an organiser has closed the account.
    """
    if not person.is_active:
        raise AccountClosed("This account was closed by an organiser; write to them to have it opened.")
    return person


def _use_up(link: LoginLink, address: str, now: datetime) -> None:
    """Make `link` useless, and with it all others that would bring in the same person.

    They are locked in one order by all who come at the same moment, so that nobody waits for ever.
    """
    same = Q(email=address, moves=None, makes_organiser=False)
    unused = LoginLink.objects.filter(Q(pk=link.pk) | same, used=None).order_by("pk")
    keys = list(unused.select_for_update().values_list("pk", flat=True))
    if link.pk not in keys:
        raise LinkGone("This link was used already; each one works once.")
    LoginLink.objects.filter(pk__in=keys).update(used=now)
    LoginLink.objects.filter(pk=link.pk).update(email=address)


def _bring_in(address: str, makes_organiser: bool) -> User:
    person = require_open(User.objects.of(address))
    if makes_organiser:
        person.is_staff = person.is_superuser = True
        person.save(update_fields=["is_staff", "is_superuser"])
        note(person, "organiser.first", f"user {person.pk}")
    return person


def _move(person: User, address: str) -> User:
    require_open(person).email = address
    try:
        with transaction.atomic():
            person.save(update_fields=["email"])
    except IntegrityError:
        raise AccountClosed(
            "Another account has this address; sign in to that one, or delete it first."
        ) from None
    note(person, "account.moved", f"user {person.pk}")
    return person
