"""Doors that strangers push at: forged forms, addresses that lead elsewhere, sessions, headers, hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import closing

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from organelle.portal.accounts.addresses import local
from organelle.portal.accounts.models import LoginLink, Team, User
from organelle.portal.headers import ALWAYS

HEADERS = (*ALWAYS, "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy")
ELSEWHERE = (
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "https://evil.example", "https:evil.example", "javascript:alert(1)", "//evil.example\\@localhost",
    "/%09/evil.example\r\nSet-Cookie: a=b", "\x00//evil.example", "http:///evil.example", "evil.example",
    " //evil.example", "/\u2028/evil.example", "////evil.example",
)  # fmt: skip
NOTHING = "00000000-0000-4000-8000-000000000000"
FORMS = (
    "/rules/", "/sign-in/", "/sign-in/word/", "/sign-out/", "/github/begin/", "/account/",
    "/account/address/",
    "/account/sessions/end/", "/account/sessions/1/end/", "/account/tokens/", "/account/tokens/1/revoke/",
    "/account/delete/", "/team/make/", "/team/rename/", "/team/invite/", "/team/invitations/1/withdraw/",
    "/team/members/1/remove/", "/team/members/1/lead/", "/team/leave/", "/team/join/word/",
    f"/submit/finish/{NOTHING}/", f"/submit/remove/{NOTHING}/", f"/submissions/{NOTHING}/edit/",
    f"/submissions/{NOTHING}/choose/", f"/submissions/{NOTHING}/cancel/", "/news/subscribe/",
    "/news/confirm/word/", "/admin/news/post/add/", "/admin/accounts/team/1/delete/",
)  # fmt: skip
PAGES = (
    "/", "/static/portal/portal.css", "/static/portal/nothing.css", "/nothing", "/account/", "/admin/",
    "/api/me", "/api/nothing", "/leaderboard.csv", "/news/feed.atom", "/favicon.ico", "/sign-out/",
    "/health/",
)  # fmt: skip
ODD = (
    f"/crops/{10**30}/", f"/account/tokens/{10**30}/revoke/", f"/api/crops/{10**30}", "/datasets/%00/",
    f"/classes/{'a' * 5000}/", "/search/?q=%00", f"/search/?q={'a' * 3000}", "/?%ff=%fe", "/news/?page=x",
    f"/submissions/?page={10**30}", "/leaderboard/?metric=%00", "/api/leaderboard?column=%00",
    "/api/submissions?state=%00&sha256=%00", f"/api/news?limit={10**30}", "/sign-in/%00/",
    "/team/join/%F0%9F/", "/crops/?organism=%00&class=../..", "/api/crops?class=%00",
    "/datasets/..%2f..%2fetc%2fpasswd/", "/static/..%2f..%2fportal.toml", "/static/../portal.toml",
    "/static/%00", "/leaderboard/?class=%0d%0aa:b",
)  # fmt: skip


@pytest.fixture
def strict(organiser: User, team: Team) -> Client:
    """An organiser's browser, to which forged forms are sent."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(organiser)
    return client


@pytest.mark.parametrize("path", FORMS)
def test_a_form_from_elsewhere_does_nothing(strict, path):
    answer = strict.post(path, {"email": "x@lab.example"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert b"<h1>" in answer.content


def test_a_file_from_elsewhere_is_not_taken(entrant, portal_folder):
    client = Client(enforce_csrf_checks=True)
    client.force_login(entrant)
    form = {"submission": SimpleUploadedFile("a.zip", b"bytes"), "end": "end"}
    assert client.post("/submit/", form).status_code == 403
    assert not entrant.submissions.exists()
    assert list(portal_folder.uploads.iterdir()) == []


@pytest.mark.parametrize("method", ["post", "patch", "delete"])
def test_the_api_takes_no_change_from_elsewhere(entrant, method):
    client = Client(enforce_csrf_checks=True)
    client.force_login(entrant)
    upload = f"/api/uploads/{'' if method == 'post' else '0' * 8 + '-0000-4000-8000-' + '0' * 12}"
    answer = client.generic(method.upper(), upload, headers={"Tus-Resumable": "1.0.0", "Upload-Length": "5"})
    assert answer.status_code == 403
    assert "load the page anew" in answer.json()["detail"]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_nobody_is_led_elsewhere(db, client, person, address):
    assert local(address) == "/account/"
    _, word = LoginLink.make(person.email, next=address)
    assert client.post(f"/sign-in/{word}/")["Location"] == "/account/"
    assert client.get("/sign-in/", {"next": address})["Location"] == "/account/"
    assert client.post("/sign-in/", {"next": address})["Location"] == "/account/"


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/sign-in", "/\\evil.example", "/admin//evil"]
)
def test_a_missing_slash_leads_nowhere_else(db, client, path):
    answer = client.get("/", PATH_INFO=path)
    assert answer.status_code in (301, 302, 404)
    assert not answer.get("Location", "/").startswith(("//", "/\\", "http"))


def test_a_session_of_before_is_worth_nothing_after_signing_in(db, client):
    client.get("/")
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.cookies["portal_session"] = planted
    _, word = LoginLink.make("ada@lab.example")
    client.post(f"/sign-in/{word}/")
    assert client.cookies["portal_session"].value != planted
    thief = Client()
    thief.cookies["portal_session"] = planted
    assert thief.get("/account/").status_code == 302


def test_a_session_is_over_after_signing_out(signed_in):
    old = signed_in.cookies["portal_session"].value
    signed_in.post("/sign-out/")
    thief = Client()
    thief.cookies["portal_session"] = old
    assert thief.get("/account/").status_code == 302


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_has_its_headers(db, client, path):
    with closing(client.get(path)) as answer:
        answer.getvalue()
    for name in HEADERS:
        assert answer.get(name), (path, name)
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_errors_of_ours_have_their_headers_and_tell_nothing(signed_in):
    signed_in.raise_request_exception = False
    connection.cursor().execute("ALTER TABLE django_session RENAME TO elsewhere")
    for path in ("/", "/account/", "/nothing", "/leaderboard/"):
        answer = signed_in.get(path)
        assert answer.status_code in (500, 503), path
        assert all(answer.get(name) for name in HEADERS), path
        assert "django" not in answer.content.decode(), path


def test_pages_of_people_are_kept_nowhere(signed_in):
    for path in ("/", "/account/", "/leaderboard/", "/submissions/", "/api/me", "/nothing"):
        assert "no-store" in signed_in.get(path)["Cache-Control"], path


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:80@evil.example", ""])
def test_another_host_is_refused_with_all_headers(db, client, host):
    answer = client.get("/sign-in/", headers={"Host": host})
    assert answer.status_code == 400
    assert all(answer.get(name) for name in HEADERS[:3])
    assert "evil" not in answer.content.decode()


def test_numbers_and_words_that_nobody_expects(signed_in):
    for path in ODD:
        for method in ("GET", "POST"):
            assert signed_in.generic(method, path).status_code < 500, (method, path)


def test_links_and_wrong_tokens_run_out(db, client):
    codes = [client.post("/sign-in/", {"email": "a@lab.example"}).status_code for _ in range(7)]
    assert codes == [302] * 5 + [429] * 2
    wrong = {"Authorization": "Bearer csc_wrong"}
    codes = [client.get("/api/me", headers=wrong).status_code for _ in range(62)]
    assert set(codes[:60]) == {401}
    assert codes[-1] == 429
    assert client.get("/api/me", headers=wrong)["Retry-After"]


PRODUCTION = """
import json, sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from django.core.management import call_command
call_command("check", deploy=True, fail_level="INFO")
from django.test import Client
from organelle.portal.accounts.models import LoginLink
def told(answer):
    return [answer.status_code, dict(answer.headers), {k: dict(m) for k, m in answer.cookies.items()}]
client = Client(headers={"host": "portal.example"})
found = {"plain": told(client.get("/"))}
found["other host"] = told(client.get("/", headers={"host": "evil.example"}))
safe = Client(headers={"host": "portal.example", "x-forwarded-proto": "https"})
found["page"] = told(safe.get("/sign-in/"))
_, word = LoginLink.make("ada@lab.example")
found["door"] = told(safe.post(f"/sign-in/{word}/"))
found["health"] = told(client.get("/health/", headers={"host": "portal.example"}))
print(json.dumps(found))
"""


def test_production_is_strict(portal_of_its_own):
    strict = {
        "CSC_PORTAL_PRODUCTION": "true",
        "CSC_PORTAL_HOSTS": '["portal.example"]',
        "CSC_PORTAL_URL": "https://portal.example",
        "CSC_PORTAL_PROXIES": "1",
    }
    others = {k: v for k, v in os.environ.items() if not k.startswith(("CSC_PORTAL_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRODUCTION, str(portal_of_its_own.root)],
        env=others | strict,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["plain"][0] == 301
    assert found["plain"][1]["Location"] == "https://portal.example/"
    assert found["other host"][0] == 400
    assert found["health"][0] == 200
    assert re.search(r"max-age=\d{8}; includeSubDomains", found["page"][1]["Strict-Transport-Security"])
    cookies = found["page"][2] | found["door"][2]
    assert set(cookies) == {"csrftoken", "portal_session"}
    for name, cookie in cookies.items():
        assert cookie["secure"], name
        assert cookie["samesite"] == "Lax"
    assert cookies["portal_session"]["httponly"]
    for status, headers, _ in found.values():
        assert all(headers.get(name) for name in ALWAYS), (status, headers)
