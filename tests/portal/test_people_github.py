"""Sign-in with GitHub, against a server on this machine that speaks its three addresses."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client

from organelle.portal.accounts.models import User
from organelle.portal.config import GitHub

pytestmark = pytest.mark.django_db


@dataclass
class StandIn:
    """GitHub, as far as signing in goes: one account, a code, a token for whoever proves to have asked."""

    url: str = ""
    login: dict[str, Any] = field(
        default_factory=lambda: {
            "id": 7,
            "login": "ada-l",
            "name": "Ada",
            "email": "public@lab.example",
            "bio": "x",
        }
    )
    emails: list[dict[str, Any]] = field(
        default_factory=lambda: [{"email": "Ada@Lab.example", "primary": True, "verified": True}]
    )
    challenge: str = ""
    asked: list[str] = field(default_factory=list)

    def allow(self, address: str) -> str:
        """What the browser does at GitHub: its user says yes, and is sent back."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert address.startswith(f"{self.url}/login/oauth/authorize?")
        assert query["client_id"] == "portal"
        self.challenge = query["code_challenge"]
        back = urlsplit(query["redirect_uri"])
        return f"{back.path}?code=good&state={query['state']}"

    def token_for(self, form: dict[str, list[str]]) -> dict[str, str]:
        """A token for the right code, secret and proof."""
        proof = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        proven = base64.urlsafe_b64encode(proof).rstrip(b"=").decode() == self.challenge
        right = (form["code"], form["client_secret"]) == (["good"], ["hush"])
        return {"access_token": "t0ken"} if right and proven else {"error": "bad_verification_code"}


@pytest.fixture
def hub(settings) -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert self.path == "/login/oauth/access_token"
            self.tell(stand_in.token_for(parse_qs(body)))

        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "token t0ken"
            self.tell({"/api/user": stand_in.login, "/api/user/emails": stand_in.emails}[self.path])

        def tell(self, answer: Any) -> None:
            stand_in.asked.append(self.path)
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
        configured = GitHub(
            client="portal", secret="hush", web_url=stand_in.url, api_url=f"{stand_in.url}/api"
        )
        settings.PORTAL = settings.PORTAL.model_copy(update={"github": configured})
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield stand_in
        server.shutdown()


def come_in(client: Client, hub: StandIn, going_to: str = ""):
    """The whole way: our button, GitHub's yes, back."""
    away = client.post("/github/begin/", {"next": going_to})
    return client.get(hub.allow(away["Location"]))


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def said(client: Client) -> str:
    return client.get("/sign-in/").content.decode()


def test_a_stranger_becomes_a_person(client, hub):
    assert come_in(client, hub)["Location"] == "/account/"
    assert User.objects.get().email == "ada@lab.example"
    assert is_in(client)
    assert hub.asked == ["/login/oauth/access_token", "/api/user", "/api/user/emails"]


def test_little_is_kept(client, hub):
    come_in(client, hub)
    assert SocialAccount.objects.get().extra_data == {"id": 7, "login": "ada-l", "name": "Ada"}
    assert not SocialToken.objects.exists()


def test_who_came_in_by_mail_before_is_the_same_person(client, hub, person):
    come_in(client, hub)
    assert User.objects.get() == person
    assert SocialAccount.objects.get().user == person


def test_the_account_counts_later_and_not_the_address(client, hub):
    come_in(client, hub)
    hub.emails = [{"email": "ada@elsewhere.example", "primary": True, "verified": True}]
    again = Client()
    come_in(again, hub)
    assert is_in(again)
    assert User.objects.get().email == "ada@lab.example"


@pytest.mark.parametrize(
    "emails",
    [[], [{"email": "ada@lab.example", "primary": True, "verified": False}]],
    ids=["none", "unconfirmed"],
)
def test_addresses_that_nobody_confirmed_bring_nobody_in(client, hub, person, emails):
    hub.emails = emails
    come_in(client, hub)
    assert not is_in(client)
    assert "no confirmed mail address" in said(client)
    assert not SocialAccount.objects.exists()


def test_of_several_addresses_the_first_confirmed_one(client, hub):
    hub.emails = [
        {"email": "chief@lab.example", "primary": True, "verified": False},
        {"email": "1+a@users.noreply.github.com", "primary": False, "verified": True},
        {"email": "real@lab.example", "primary": False, "verified": True},
    ]
    come_in(client, hub)
    assert User.objects.get().email == "real@lab.example"


def test_an_answer_to_a_question_that_this_browser_never_asked(client, hub):
    away = Client().post("/github/begin/")
    client.get(hub.allow(away["Location"]))
    assert not is_in(client)
    assert "did not succeed" in said(client)


def test_an_answer_works_once(client, hub):
    back = hub.allow(client.post("/github/begin/")["Location"])
    client.get(back)
    client.post("/sign-out/")
    client.get(back)
    assert not is_in(client)


def test_a_wrong_code_and_a_no(client, hub):
    back = hub.allow(client.post("/github/begin/")["Location"])
    client.get(back.replace("code=good", "code=bad"))
    assert not is_in(client)
    page = said(client)
    assert "did not succeed" in page
    assert "bad_verification_code" not in page
    back = hub.allow(client.post("/github/begin/")["Location"])
    client.get(back.replace("code=good", "error=access_denied"))
    assert "did not succeed" in said(client)


def test_a_server_that_is_away(client, hub, settings):
    back = hub.allow(client.post("/github/begin/")["Location"])
    gone = settings.PORTAL.github.model_copy(update={"web_url": "http://127.0.0.1:1"})
    settings.PORTAL = settings.PORTAL.model_copy(update={"github": gone})
    client.get(back)
    assert "did not succeed" in said(client)


def test_a_closed_account(client, hub, person):
    User.objects.update(is_active=False)
    come_in(client, hub)
    assert not is_in(client)
    assert "closed by an organiser" in said(client)


def test_nobody_is_sent_elsewhere(client, hub):
    assert come_in(client, hub, "/team/")["Location"] == "/team/"
    assert come_in(Client(), hub, "//evil.example/")["Location"] == "/account/"


def test_it_begins_with_our_own_form_only(client, hub):
    assert client.get("/github/begin/").status_code == 405
    assert Client(enforce_csrf_checks=True).post("/github/begin/").status_code == 403


def test_the_form_may_lead_there_and_nowhere_else(client, hub):
    page = client.get("/sign-in/")
    assert "Sign in with GitHub" in page.content.decode()
    assert f"form-action 'self' {hub.url};" in page["Content-Security-Policy"]
    assert hub.url not in client.get("/")["Content-Security-Policy"]


def test_without_it_there_is_no_such_door(client):
    assert "GitHub" not in said(client)
    assert client.post("/github/begin/").status_code == 404
    assert client.get("/github/callback/?code=x&state=y").status_code == 404


@pytest.mark.parametrize("page", ["github/login/", "login/", "signup/", "connections/", "password/change/"])
def test_no_other_page_of_allauth(client, hub, page):
    for prefix in ("", "accounts/", "github/", "social/"):
        assert client.get(f"/{prefix}{page}").status_code == 404
