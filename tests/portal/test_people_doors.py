"""In by a link that works once, out by a button; nobody is sent elsewhere on the way."""

from __future__ import annotations

import io
import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from organelle.portal.accounts.addresses import local
from organelle.portal.accounts.browsers import browser_name
from organelle.portal.accounts.discreet import WithoutWords
from organelle.portal.accounts.models import LoginLink, SignIn, User
from organelle.portal.accounts.sign_in import LinkGone, find_link, send_link, too_many, use_link
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.start import first_link

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def link_in(message) -> str:
    """The path of the link in a mail."""
    return re.search(r"http://localhost:8000(/\S+)", message.body)[1]


def ask(client: Client, email: str = "new@lab.example", going_to: str = "") -> str:
    """Ask for a link, and take it out of the mail."""
    client.post("/sign-in/", {"email": email, "next": going_to})
    return link_in(mail.outbox[-1])


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_a_stranger_becomes_a_person(client):
    path = ask(client, "New@Lab.example")
    assert not User.objects.exists()
    answer = client.post(path)
    assert answer["Location"] == "/account/"
    assert User.objects.get().email == "new@lab.example"
    assert is_in(client)
    assert AuditEntry.objects.filter(action="account.signed_in").exists()


def test_a_mail_scanner_that_looks_does_not_use_it_up(client):
    path = ask(client)
    scanner = Client()
    for _ in range(3):
        assert scanner.get(path).status_code == 200
        assert scanner.head(path).status_code == 200
    assert not is_in(scanner)
    client.post(path)
    assert is_in(client)


def test_a_link_works_once(client):
    path = ask(client)
    client.post(path)
    late = Client()
    answer = late.post(path)
    assert answer.status_code == 410
    assert "used already" in answer.content.decode()
    assert not is_in(late)


def test_who_is_in_makes_older_links_useless(client):
    first, second = ask(client), ask(client)
    client.post(second)
    assert Client().post(first).status_code == 410


def test_a_link_grows_old(client):
    LoginLink.make("a@lab.example", now=NOON)
    _, word = LoginLink.make("b@lab.example", now=NOON)
    assert find_link(word, NOON + timedelta(minutes=29)).email == "b@lab.example"
    with pytest.raises(LinkGone, match="too old"):
        use_link(word, now=NOON + timedelta(minutes=30))
    assert client.post(f"/sign-in/{word}/").status_code == 410
    send_link("c@lab.example", now=NOON + timedelta(days=2))
    assert LoginLink.objects.count() == 1


def test_the_answer_does_not_tell_who_is_known(client, person):
    known = client.post("/sign-in/", {"email": person.email})
    unknown = client.post("/sign-in/", {"email": "who@lab.example"})
    assert (known.status_code, known["Location"], known.content) == (302, "/sign-in/sent/", unknown.content)
    assert [m.to for m in mail.outbox] == [[person.email], ["who@lab.example"]]
    assert mail.outbox[0].body.count("\n") == mail.outbox[1].body.count("\n")


def test_five_links_an_hour_for_one_address():
    asked = [too_many("a@lab.example", f"192.0.2.{n}", NOON) for n in range(6)]
    assert asked == [False] * 5 + [True]
    assert too_many("A@lab.example ", "192.0.2.99", NOON)
    assert not too_many("a@lab.example", "192.0.2.99", NOON + timedelta(hours=1))


def test_twenty_links_an_hour_for_one_client(client):
    answers = [client.post("/sign-in/", {"email": f"p{n}@lab.example"}).status_code for n in range(21)]
    assert answers == [302] * 20 + [429]
    assert len(mail.outbox) == 20
    assert client.post("/sign-in/", {"email": "p@lab.example"}, REMOTE_ADDR="192.0.2.8").status_code == 302


def test_no_mail_address(client):
    answer = client.post("/sign-in/", {"email": "nobody"})
    assert answer.status_code == 422
    assert "valid email" in answer.content.decode()
    assert client.post("/sign-in/", {"email": "a@b.example\nBcc: c@d.example"}).status_code == 422
    assert mail.outbox == []


@pytest.mark.parametrize(
    "domain",
    ["ü" * 60 + ".example", "xn--a.example", "b" * 64 + ".example", "[127.0.0.1]"],
    ids=["too long in ascii", "no punycode", "too long", "a number"],
)
def test_addresses_at_the_edge_break_nothing(client, domain):
    assert client.post("/sign-in/", {"email": f"a@{domain}"}).status_code in (302, 422, 503)


def test_odd_bytes_break_nothing(client):
    for values in (
        {"email": "a\x00@lab.example"},
        {"email": "a@lab.example", "next": "/\x00"},
    ):
        assert client.post("/sign-in/", values).status_code in (302, 422)
    for word in ("%00", "%ff", "x" * 4000, "..%2f..", "%F0%9F%98%80"):
        assert client.get(f"/sign-in/{word}/").status_code in (404, 410)


def test_a_mail_server_that_is_down(client, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = client.post("/sign-in/", {"email": "a@lab.example"})
    assert answer.status_code == 503
    assert "could not be sent" in answer.content.decode()


def test_the_session_key_is_a_new_one(client):
    client.get("/sign-in/")
    session = client.session
    session["before"] = 1
    session.save()
    client.cookies["portal_session"] = session.session_key
    client.post(ask(client))
    assert client.session.session_key != session.session_key
    assert not Session.objects.filter(session_key=session.session_key).exists()


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "///evil.example",
    "javascript:alert(1)",
    "http:evil.example",
    "account/",
    " //evil.example",
    "/\t/evil.example",
    "/a\x00b",
    "/a\r\nSet-Cookie: x=y",
    "/" + "x" * 300,
    "",
    None,
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_nobody_is_sent_elsewhere(address):
    assert local(address) == "/account/"


def test_one_comes_back_to_where_one_was(client):
    assert client.post(ask(client, going_to="/team/?a=b"))["Location"] == "/team/?a=b"


def test_a_link_leads_nowhere_else(client):
    assert client.post(ask(client, going_to="https://evil.example/"))["Location"] == "/account/"
    assert client.get("/sign-in/?next=//evil.example/")["Location"] == "/account/"


def test_a_form_from_elsewhere_signs_in_nobody():
    client = Client(enforce_csrf_checks=True)
    send_link("new@lab.example")
    assert client.post(link_in(mail.outbox[-1])).status_code == 403
    assert client.post("/sign-in/", {"email": "a@lab.example"}).status_code == 403
    assert len(mail.outbox) == 1
    assert not is_in(client)


def test_the_link_is_kept_from_other_pages(client):
    answer = client.get(ask(client))
    assert (
        answer["Referrer-Policy"] == "same-origin"
    )  # with none at all, browsers send forms without an origin
    assert "no-store" in answer["Cache-Control"]


def test_logs_do_not_tell_the_words_of_links(client, monkeypatch):
    handler = next(
        h for h in logging.getLogger().handlers if any(isinstance(f, WithoutWords) for f in h.filters)
    )
    monkeypatch.setattr(handler, "stream", io.StringIO())
    path = ask(client)
    Client(enforce_csrf_checks=True).post(path)
    for place in ("team/join", "news/confirm"):
        Client().get(f"/{place}/" + "x" * 43 + "/")
    log = handler.stream.getvalue()
    assert "Forbidden" in log
    assert "/sign-in/.../" in log
    for place in ("team/join", "news/confirm"):
        assert f"/{place}/.../" in log
    assert path.split("/")[2] not in log


def test_secrets_are_kept_as_hashes(client):
    word = ask(client).split("/")[2]
    assert word not in str(list(LoginLink.objects.values()))


def test_a_closed_account(client, person):
    path = ask(client, person.email)
    User.objects.filter(pk=person.pk).update(is_active=False)
    answer = client.post(path)
    assert answer.status_code == 403
    assert "closed by an organiser" in answer.content.decode()
    assert not is_in(client)


def test_the_first_organiser_names_an_address_and_comes_in(client):
    path = first_link().removeprefix("http://localhost:8000")
    assert 'type="email"' in client.get(path).content.decode()
    assert client.post(path, {"email": "nobody"}).status_code == 422
    client.post(path, {"email": "Chief@lab.example"})
    chief = User.objects.get()
    assert (chief.email, chief.is_organiser, chief.is_superuser) == ("chief@lab.example", True, True)
    assert first_link() is None
    assert Client().post(path, {"email": "b@lab.example"}).status_code == 410
    assert client.get("/admin/").status_code == 200


def test_an_ordinary_link_cannot_be_turned_to_another_address(client):
    client.post(ask(client, "a@lab.example"), {"email": "victim@lab.example"})
    assert User.objects.get().email == "a@lab.example"


def test_out_by_a_button_only(signed_in):
    assert signed_in.get("/sign-out/").status_code == 405
    assert is_in(signed_in)
    assert signed_in.post("/sign-out/")["Location"] == "/"
    assert not is_in(signed_in)
    assert not SignIn.objects.exists()


def browser(person: User, agent: str = "") -> Client:
    client = Client(headers={"user-agent": agent})
    client.post(ask(client, person.email))
    return client


def test_out_everywhere_else(person):
    here, there, yonder = (browser(person) for _ in range(3))
    stranger = browser(User.objects.of("bob@lab.example"))
    here.post("/account/sessions/end/")
    assert [is_in(client) for client in (here, there, yonder, stranger)] == [True, False, False, True]


def test_out_in_one_other_browser(person):
    here = browser(person)
    there = browser(person, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    assert "Firefox on Linux" in here.get("/account/").content.decode()
    theirs = SignIn.objects.exclude(session_key=here.session.session_key).get()
    here.post(f"/account/sessions/{theirs.pk}/end/")
    assert (is_in(here), is_in(there)) == (True, False)


def test_nobody_ends_the_sessions_of_others(signed_in):
    other = browser(User.objects.of("bob@lab.example"))
    theirs = SignIn.objects.get(user__email="bob@lab.example")
    assert signed_in.post(f"/account/sessions/{theirs.pk}/end/").status_code == 404
    assert is_in(other)


def test_sessions_that_ran_out_are_not_shown(signed_in, person):
    browser(person)
    Session.objects.exclude(session_key=signed_in.session.session_key).update(expire_date=timezone.now())
    assert len(signed_in.get("/account/").context["sign_ins"]) == 1


def test_sessions_that_ran_out_are_dropped(signed_in, person):
    Session.objects.update(expire_date=timezone.now())
    browser(person)
    assert Session.objects.count() == 1


def test_browsers_have_names():
    safari = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Safari/604.1"
    )
    assert browser_name(safari) == "Safari on iPhone"
    assert browser_name("") == "another program on an unknown system"


@pytest.mark.parametrize("page", ["/admin/", "/admin/login/", "/admin/accounts/user/"])
def test_organisers_come_in_by_the_same_door(client, signed_in, page):
    assert "/sign-in/?next=" in Client().get(page, follow=True).redirect_chain[-1][0]
    assert signed_in.get(page, follow=True).status_code == 403


def test_no_page_asks_for_a_password(client, organiser):
    client.force_login(organiser)
    for page in (
        "/admin/password_change/",
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/password/reset/",
    ):
        assert client.get(page).status_code == 404
    assert (
        Client().post("/admin/login/", {"username": "chief@lab.example", "password": ""}).status_code == 302
    )
