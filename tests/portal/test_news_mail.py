"""News by mail: wanted twice, sent once, left with one click; and mail that does not leave at first."""

from __future__ import annotations

import re
import socket
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from organelle.portal.news.models import OutgoingMail, Post, Subscriber
from organelle.portal.news.outgoing import KEPT, PAUSES, forget_old, post, send_due
from organelle.portal.news.posting import mail_posts
from organelle.portal.news.subscribing import MAILS_A_DAY, ask, confirm, forget_unconfirmed, who_asked

WEEK = timedelta(days=7)


@pytest.fixture
def reader(db) -> Subscriber:
    return Subscriber.objects.create(
        email="reader@lab.example", leave_key="word-of-the-reader", confirmed=timezone.now()
    )


def asked(client, email="new@lab.example"):
    return client.post("/news/subscribe/", {"email": email})


def link_in(text: str) -> str:
    return re.search(r"http://[^/]+(/news/confirm/\S+)", text)[1]


def test_the_news_come_only_after_a_button_in_a_mail(client, db):
    assert asked(client).status_code == 200
    link = link_in(OutgoingMail.objects.get().text)
    assert client.get(link).status_code == 200
    assert client.head(link).status_code == 200
    assert Subscriber.objects.get().confirmed is None, "looking at a link says nothing"
    assert client.post(link).status_code == 200
    assert Subscriber.objects.get().confirmed
    assert client.post(link).status_code == 404, "a link works once"


def test_nothing_tells_who_is_known(client, reader):
    known, unknown = asked(client, "reader@lab.example"), asked(client, "other@lab.example")
    strip = re.compile(r"\w+@lab.example")
    assert strip.sub("", known.content.decode()) == strip.sub("", unknown.content.decode())
    assert [m.to for m in OutgoingMail.objects.all()] == ["other@lab.example"]


def test_nobodys_mailbox_is_filled(client, db):
    for _ in range(9):
        asked(client)
    assert OutgoingMail.objects.count() == MAILS_A_DAY
    assert [asked(client, f"n{n}@lab.example").status_code for n in range(3)] == [200, 429, 429]


@pytest.mark.parametrize("email", ["", "no address", "a@b", "a@lab.example\nBcc: b@lab.example"])
def test_what_is_no_address_is_named(client, db, email):
    assert asked(client, email).status_code == 400
    assert not Subscriber.objects.exists()


def test_a_link_is_over_after_a_week_and_the_address_forgotten(db):
    ask("new@lab.example")
    word = link_in(OutgoingMail.objects.get().text).rsplit("/", 2)[1]
    assert who_asked(word) is not None
    assert who_asked(word, timezone.now() + WEEK * 1.1) is None
    forget_unconfirmed(timezone.now() + WEEK * 1.1)
    assert not Subscriber.objects.exists()
    confirm(Subscriber(pk=1))
    assert not Subscriber.objects.exists()


def test_a_post_is_mailed_once_to_those_who_confirmed(reader):
    Subscriber.objects.create(email="never@lab.example", leave_key="other")
    Post.objects.create(title="Now", slug="now", body="**Yes**", published=timezone.now())
    Post.objects.create(title="Later", slug="later", body="No", published=timezone.now() + timedelta(hours=1))
    Post.objects.create(title="Draft", slug="draft", body="No")
    Post.objects.create(title="Old", slug="old", body="No", published=timezone.now() - WEEK * 2)
    assert [mail_posts() for _ in range(3)] == [1, 0, 0]
    sent = OutgoingMail.objects.get()
    assert (sent.to, sent.subject) == (reader.email, "Now")
    assert "/news/now/" in sent.text
    assert mail_posts(timezone.now() + timedelta(hours=2)) == 1


def test_one_click_and_no_more_mail(reader, settings):
    """As a mail program does it: from the header, without cookies or a token."""
    Post.objects.create(title="Now", slug="now", body="Yes", published=timezone.now())
    mail_posts()
    assert send_due() == 1
    headers = mail.outbox[0].extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = headers["List-Unsubscribe"].strip("<>").removeprefix(settings.PORTAL_URL)
    program = Client(enforce_csrf_checks=True)
    assert "<button>" in program.get(link).content.decode()
    assert Subscriber.objects.exists(), "looking at a link changes nothing"
    assert program.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not Subscriber.objects.exists()
    assert program.post(link).status_code == 200
    assert "<button>" not in program.get(link).content.decode()


def test_a_title_cannot_add_headers(reader):
    Post.objects.create(title="Now\nBcc: evil@lab.example", slug="now", body="Yes", published=timezone.now())
    mail_posts()
    assert send_due() == 1
    message = mail.outbox[0]
    assert "\n" not in message.subject
    assert message.recipients() == [reader.email]


@pytest.fixture
def smtp(settings):
    """Mail goes to a real socket at which nobody speaks SMTP well."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        settings.EMAIL_USE_TLS, settings.EMAIL_TIMEOUT = False, 5
        yield server


def refuse(server: socket.socket) -> threading.Thread:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"421 not now\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_mail_that_does_not_leave_is_tried_again_for_two_days(db, smtp):
    post("someone@lab.example", "Hello", "Text")
    now = timezone.now()
    for number, pause in enumerate(PAUSES, 1):
        thread = refuse(smtp)
        assert send_due(now) == 0
        thread.join()
        waiting = OutgoingMail.objects.get()
        assert (waiting.attempts, waiting.not_before) == (number, now + pause)
        assert "421" in waiting.trouble
        assert send_due(now) == 0, "not before its pause is over"
        assert OutgoingMail.objects.get().attempts == number
        now += pause


def test_after_all_tries_it_stays_for_organisers_to_see(db, client, organiser):
    post("someone@lab.example", "Hello", "Text")
    OutgoingMail.objects.update(attempts=len(PAUSES) + 1, trouble="refused")
    assert send_due() == 0
    client.force_login(organiser)
    chosen = {"action": "send_again", "_selected_action": OutgoingMail.objects.get().pk}
    client.post("/admin/news/outgoingmail/", chosen)
    assert send_due() == 1


def test_two_that_send_at_once_send_one(db):
    waiting = post("someone@lab.example", "Hello", "Text")
    OutgoingMail.objects.filter(pk=waiting.pk).update(
        attempts=1, not_before=timezone.now() + timedelta(minutes=5)
    )
    assert send_due() == 0, "another one has it"
    assert send_due(timezone.now() + timedelta(minutes=6)) == 1


def test_a_clock_that_jumped_back_holds_no_mail_up(db):
    post("someone@lab.example", "Hello", "Text")
    OutgoingMail.objects.update(not_before=timezone.now() + timedelta(days=400))
    assert send_due() == 1


def test_what_has_left_is_forgotten(db):
    post("someone@lab.example", "Hello", "Text")
    send_due()
    forget_old()
    assert OutgoingMail.objects.count() == 1
    forget_old(timezone.now() + KEPT * 1.1)
    assert not OutgoingMail.objects.exists()
