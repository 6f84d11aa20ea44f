"""Who may do what: every address of the portal, asked by everybody, against one small table.

A new address without a line in the table fails, as does a line for an address that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from board_results import rows_of, scored_submission
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, resolve
from django.utils import timezone

from organelle.portal.accounts.models import (
    ApiToken,
    Invitation,
    LoginLink,
    Membership,
    Team,
    User,
    hash_of,
)
from organelle.portal.board.resampling import resample
from organelle.portal.challenge.models import Phase, Rules
from organelle.portal.news.models import OutgoingMail, Post, Subscriber
from organelle.portal.scoring.models import Job, Result
from organelle.portal.submissions import backups
from organelle.portal.submissions.models import Upload
from organelle.portal.submissions.uploads import path_of

TOKENS = ("read", "submit", "account", "organise")
PEOPLE = ("loner", "other", "member", "lead", "organiser", "banned")
ROLES = ("anonymous", *PEOPLE, *TOKENS)
ON_PAGES = ("anonymous", *PEOPLE, "all")
"""`loner` has no team, `other` leads one of its own, `banned` one that may not hand in; `member` and `lead`
are of the team that all is about. Tokens are the member's, each with the scope of its name; `organise` is a
token of the organiser. Pages take no token: there one of the organiser's with `all` scopes tries its luck."""

Codes = tuple[int, ...]


def everybody(code: int) -> Codes:
    return (code,) * len(ROLES)


def people(code: int) -> Codes:
    """Whoever is signed in; on pages programs with a token are strangers."""
    return _by_role(dict.fromkeys(PEOPLE, code), 302, 302)


def ours(code: int, others: int = 404, **special: int) -> Codes:
    """The team and organisers; `special` says it role by role."""
    return _by_role(dict.fromkeys(("member", "lead", "organiser"), code) | special, others, 302)


def callers(code: int, **special: int) -> Codes:
    """The API for whoever shows who they are, and may at least read what the team handed in."""
    return _by_role(dict.fromkeys((*PEOPLE, "read", "submit"), code) | special, code, 401)


def calling_team(code: int, **special: int) -> Codes:
    ours = dict.fromkeys(("member", "lead", "organiser", "read", "submit"), code)
    return _by_role(ours | special, 404, 401)


def owners(code: int, **special: int) -> Codes:
    """The API for whoever has an account, and for a token with the scope `account`."""
    return _by_role(dict.fromkeys((*PEOPLE, "account"), code) | special, code, 401)


def in_person(code: int) -> Codes:
    """What the API does for sessions alone."""
    return _by_role(dict.fromkeys(PEOPLE, code), code, 401)


def leads(code: int, others: int = 404) -> Codes:
    """What those who lead do with their own team; those of other teams find nothing of this one's."""
    return owners(403, lead=code, other=others, banned=others)


def organisers(code: int) -> Codes:
    """The API for organisers: in person, or with a token of the scope `organise`."""
    return _by_role({"organiser": code, "organise": code}, 403, 401)


def in_office(code: int) -> Codes:
    """The API for organisers in person: no token is enough."""
    return _by_role({"organiser": code}, 403, 401)


def _by_role(known: dict[str, int], others: int, door: int) -> Codes:
    strangers = dict.fromkeys(("anonymous", *TOKENS), door)
    return tuple((strangers | known).get(role, others) for role in ROLES)


def strangers(code: int) -> Codes:
    """The door is for those who are not in yet."""
    return _by_role(dict.fromkeys(("anonymous", *TOKENS), code), 302, code)


OPEN = {"GET": everybody(200), "POST": everybody(405)}
EMPTY = OPEN | {"GET": everybody(404)}
FORM = {"GET": people(200), "POST": people(422)}
LOOK = {"GET": people(200), "POST": people(405)}
DO = {"GET": people(405), "POST": people(302)}
LEAD = {"GET": people(405), "POST": ours(403, 403, lead=302, other=302, banned=302)}
"""What those who lead do with their own team."""
LEAD_FORM = LEAD | {"POST": ours(403, 403, lead=422, other=422, banned=422)}
LEAD_OURS = LEAD | {"POST": ours(403, 403, lead=302, other=404, banned=404)}
"""What is done with something of the team's: for who leads another one there is none."""
OURS = {"GET": ours(200), "POST": people(405)}
CHANGE = {"GET": people(405), "POST": ours(302)}
MINE = {"GET": people(405), "POST": ours(404, member=302)}
"""An upload is a person's, not a team's."""
CALL = {"GET": callers(200), "POST": everybody(405)}
NO_LOOK = {"GET": everybody(405)}
WATCH = {"GET": organisers(200), "POST": everybody(405)}
WRITE = {"GET": organisers(200), "POST": organisers(422)}
ACT = NO_LOOK | {"POST": organisers(200)}

TABLE: dict[str, dict[str, Codes]] = {
    "/": OPEN,
    "/rules/": {"GET": everybody(200), "POST": everybody(302)},
    "/faq/": OPEN,
    "/timeline/": OPEN,
    "/favicon.ico": {"GET": everybody(302)},
    "/health/": OPEN,
    "/ready/": OPEN,
    "/metrics/": EMPTY,
    "/sign-in/": {"GET": strangers(200), "POST": strangers(422)},
    "/sign-in/sent/": OPEN,
    "/sign-in/{link}/": {"GET": everybody(200), "POST": everybody(302)},
    "/sign-out/": {"GET": everybody(405), "POST": everybody(302)},
    "/github/begin/": {"GET": everybody(405), "POST": everybody(404)},
    "/github/callback/": EMPTY,
    "/account/": FORM,
    "/account/address/": DO,
    "/account/sessions/end/": DO,
    "/account/sessions/{session}/end/": MINE,
    "/account/tokens/": FORM,
    "/account/tokens/{token}/revoke/": MINE,
    "/account/export/": LOOK,
    "/account/delete/": FORM,
    "/team/": LOOK,
    "/team/make/": {"GET": people(405), "POST": people(422)},
    "/team/rename/": LEAD_FORM,
    "/team/invite/": LEAD_FORM,
    "/team/invitations/{invitation}/withdraw/": LEAD_OURS,
    "/team/members/{membership}/remove/": LEAD_OURS,
    "/team/members/{membership}/lead/": LEAD_OURS,
    "/team/leave/": DO,
    "/team/join/{join}/": {"GET": everybody(200), "POST": ours(410, 410, loner=302, organiser=302)},
    "/datasets/": OPEN,
    "/datasets/jrc_cos7-1a/": OPEN,
    "/crops/": OPEN,
    "/crops/247/": OPEN,
    "/crops/247/thumbnail.png": EMPTY,
    "/classes/": OPEN,
    "/classes/mito/": OPEN,
    "/statistics/": OPEN,
    "/statistics/nothing/light.svg": EMPTY,
    "/statistics/nothing.csv": EMPTY,
    "/search/": OPEN,
    "/datasets.csv": OPEN,
    "/submit/": {"GET": people(200), "POST": people(409)},
    "/submit/finish/{upload}/": MINE,
    "/submit/remove/{upload}/": MINE,
    "/submissions/": LOOK,
    "/submissions/{submission}/": OURS,
    "/submissions/{submission}/live/": OURS,
    "/submissions/{submission}/edit/": CHANGE,
    "/submissions/{submission}/choose/": CHANGE,
    "/submissions/{submission}/cancel/": CHANGE,
    "/leaderboard/": OPEN,
    "/leaderboard.csv": OPEN,
    "/leaderboard/mito/": OPEN,
    "/leaderboard/mito.csv": OPEN,
    "/leaderboard/mito/history.csv": OPEN,
    "/leaderboard/mito/history-light.svg": OPEN,
    "/news/": OPEN,
    "/news/feed.atom": OPEN,
    "/news/feed.rss": OPEN,
    "/news/feed.json": OPEN,
    "/news/subscribe/": {"GET": everybody(200), "POST": everybody(400)},
    "/news/confirm/word/": {"GET": everybody(200), "POST": everybody(200)},
    "/news/leave/leaving/": {"GET": everybody(200), "POST": everybody(200)},
    "/news/first/": OPEN,
    "/news/draft/": OPEN | {"GET": _by_role({"organiser": 200}, 404, 404)},
    "/api/docs": {"GET": everybody(200)},
    "/api/openapi.json": {"GET": everybody(200)},
    "/api/me": {
        "GET": callers(200, account=200, organise=200),
        "POST": everybody(405),
        "PATCH": owners(200),
        "DELETE": in_person(422),
    },
    "/api/me/export": {"GET": owners(200), "POST": everybody(405)},
    "/api/me/rules": NO_LOOK | {"POST": owners(422)},
    "/api/me/sessions": {"GET": owners(200), "POST": everybody(405), "DELETE": owners(200)},
    "/api/me/sessions/{session}": NO_LOOK | {"DELETE": owners(404, member=204, account=204)},
    "/api/me/tokens": {"GET": owners(200), "POST": in_person(422)},
    "/api/me/tokens/{token}": NO_LOOK | {"DELETE": owners(404, member=200, account=200)},
    "/api/rules": OPEN,
    "/api/team": {
        "GET": owners(200, loner=404, organiser=404),
        "POST": owners(422),
        "PATCH": leads(200, 200),
    },
    "/api/team/join": NO_LOOK | {"POST": owners(422)},
    "/api/team/leave": NO_LOOK | {"POST": owners(204)},
    "/api/team/invitations": NO_LOOK | {"POST": owners(422)},
    "/api/team/invitations/{invitation}": NO_LOOK | {"DELETE": leads(204)},
    "/api/team/members/{membership}": NO_LOOK | {"DELETE": leads(204)},
    "/api/team/members/{membership}/lead": NO_LOOK | {"POST": leads(200)},
    "/api/limits": CALL,
    "/api/phases": OPEN,
    "/api/datasets": OPEN,
    "/api/datasets/jrc_cos7-1a": OPEN,
    "/api/crops": OPEN,
    "/api/crops/247": OPEN,
    "/api/classes": OPEN,
    "/api/classes/mito": OPEN,
    "/api/hierarchy": OPEN,
    "/api/search": OPEN,
    "/api/statistics": OPEN,
    "/api/statistics/voxel-sizes": OPEN,
    "/api/leaderboard": OPEN,
    "/api/leaderboard/history": OPEN,
    "/api/leaderboard/columns": OPEN,
    "/api/news": OPEN,
    "/api/news/first": OPEN,
    "/api/feeds": OPEN,
    "/api/subscribers": NO_LOOK | {"POST": everybody(422)},
    "/api/subscribers/word": NO_LOOK | {"POST": everybody(200), "DELETE": everybody(204)},
    "/api/submissions": {"GET": callers(200), "POST": callers(409, read=401), "DELETE": everybody(405)},
    "/api/submissions/{submission}": {
        "GET": calling_team(200),
        "POST": everybody(405),
        "PATCH": calling_team(200, read=401),
        "DELETE": everybody(405),
    },
    "/api/submissions/{submission}/cancel": {
        "GET": everybody(405),
        "POST": calling_team(409, read=401),
    },
    "/api/submissions/{submission}/choose": {
        "GET": everybody(405),
        "POST": calling_team(409, lead=200, organiser=200, read=401),
    },
    "/api/uploads/": {
        "GET": everybody(405),
        "POST": callers(409, read=401),
        "OPTIONS": everybody(204),
    },
    "/api/uploads/{upload}": {
        "GET": everybody(405),
        "POST": everybody(405),
        "HEAD": calling_team(404, member=200, submit=200, read=401),
        "PATCH": calling_team(404, member=204, submit=204, read=401),
        "DELETE": calling_team(404, member=204, submit=204, read=401),
    },
    "/api/organise/submissions": WATCH,
    "/api/organise/submissions/{submission}": WATCH,
    "/api/organise/submissions/{submission}/requeue": ACT,
    "/api/organise/submissions/{submission}/rescore": ACT,
    "/api/organise/submissions/{submission}/release": ACT | {"POST": organisers(409)},
    "/api/organise/submissions/{submission}/cancel": ACT | {"POST": organisers(409)},
    "/api/organise/rescore": ACT,
    "/api/organise/jobs": WATCH,
    "/api/organise/jobs/{job}": WATCH,
    "/api/organise/concerns": WATCH,
    "/api/organise/workers": WATCH,
    "/api/organise/storage": WATCH,
    "/api/organise/limits": WATCH,
    "/api/organise/log": WATCH,
    "/api/organise/settings": WATCH,
    "/api/organise/questions": WATCH,
    "/api/organise/results": WATCH,
    "/api/organise/results/{result}": NO_LOOK | {"DELETE": organisers(204)},
    "/api/organise/backups": {"GET": organisers(200), "POST": in_office(409)},
    "/api/organise/backups/portal-1.tar": {"GET": in_office(404), "DELETE": in_office(404)},
    "/api/organise/users": WATCH,
    "/api/organise/users/{user}": {
        "GET": organisers(200),
        "PATCH": organisers(422),
        "DELETE": in_office(204),
    },
    "/api/organise/users/{user}/record": NO_LOOK | {"PATCH": in_office(200)},
    "/api/organise/users/{user}/office": NO_LOOK | {"PUT": in_office(422)},
    "/api/organise/tokens": WATCH,
    "/api/organise/tokens/{token}": NO_LOOK | {"DELETE": organisers(200)},
    "/api/organise/teams": WATCH,
    "/api/organise/teams/{team}": {
        "GET": organisers(200),
        "PATCH": organisers(200),
        "DELETE": organisers(409),
    },
    "/api/organise/teams/{team}/members/{user}": NO_LOOK | {"PUT": in_office(200), "DELETE": organisers(204)},
    "/api/organise/phases": WRITE,
    "/api/organise/phases/{phase}": NO_LOOK | {"PATCH": organisers(200), "DELETE": organisers(204)},
    "/api/organise/rules": WRITE,
    "/api/organise/rules/{rules}": NO_LOOK | {"PATCH": organisers(422)},
    "/api/organise/subscribers": WATCH,
    "/api/organise/subscribers/{subscriber}": NO_LOOK | {"DELETE": organisers(204)},
    "/api/organise/mails": WATCH,
    "/api/organise/mails/{mail}/again": ACT,
    "/api/organise/posts": WRITE,
    "/api/organise/posts/{post}": {
        "GET": organisers(200),
        "PATCH": organisers(200),
        "DELETE": organisers(204),
    },
    "/api/": {"GET": everybody(404), "POST": everybody(404)},
    "/api/nothing": {"GET": everybody(404), "POST": everybody(404), "DELETE": everybody(404)},
}
"""Forms are sent without their fields, so that most of them are answered by 422; a 302 after a POST says that
it was done, or why not."""


def no_backup() -> str:
    raise backups.NoBackup("another one is being made")


@pytest.fixture
def world(
    person: User, team: Team, organiser: User, portal_folder, settings, boards_of_one_look, monkeypatch
) -> dict[str, Any]:
    """Somebody in every role, and something of everything, which belongs to the member where it can."""
    monkeypatch.setattr(backups, "begin", no_backup)
    settings.PORTAL = settings.PORTAL.model_copy(update={"metrics_token": "of a monitor"})
    member = User.objects.of("bob@lab.example")
    membership = Membership.objects.create(user=member, team=team)
    others = {name: User.objects.of(f"{name}@lab.example") for name in ("loner", "other", "banned")}
    for name in ("other", "banned"):
        group = Team.objects.create(name=name, slug=name, is_banned=name == "banned")
        Membership.objects.create(user=others[name], team=group, leads=True)
    upload = Upload.objects.create(user=member, length=5, name="a.zip")
    path_of(upload).touch()
    Post.objects.create(slug="first", title="First", body="Words.", published=timezone.now())
    Post.objects.create(slug="draft", title="Draft", body="Not yet.")
    reader = Subscriber.objects.create(email="a@b.example", leave_key="leaving", confirm_key=hash_of("word"))
    clients = clients_of(others | {"member": member, "lead": person, "organiser": organiser})
    invitation, word = Invitation.make(team, "carl@lab.example", person)
    submission = scored_submission(team, rows_of(0.8), user=member)
    resample(Result.objects.get())  # as when it is stored, or each look at a board would draw anew
    return {
        "clients": clients,
        "submission": submission.pk,
        "job": Job.objects.create(submission=submission, kind=Job.Kind.CHECK, state=Job.State.DONE).pk,
        "phase": Phase.objects.create(kind="open", starts="2020-01-01T00:00Z").pk,
        "rules": Rules.objects.create(version="0", text="Be kind.", holds_from="2200-01-01T00:00Z").pk,
        "subscriber": reader.pk,
        "post": Post.objects.get(slug="draft").pk,
        "result": Result.objects.get().pk,
        "mail": OutgoingMail.objects.create(to="a@b.example", subject="News", text="Words.").pk,
        "team": team.pk,
        "user": member.pk,
        "upload": upload.pk,
        "token": ApiToken.objects.earliest("id").pk,
        "link": LoginLink.make("dora@lab.example")[1],
        "invitation": invitation.pk,
        "join": word,
        "membership": membership.pk,
        "session": member.sign_ins.get().pk,
    }


def clients_of(signed_in: dict[str, User]) -> dict[str, Client]:
    clients = {role: Client(raise_request_exception=False) for role in ROLES}
    for role, somebody in signed_in.items():
        clients[role].force_login(somebody)
    clients["all"] = Client(raise_request_exception=False)
    for name in (*TOKENS, "all"):
        owner = signed_in["organiser" if name in ("organise", "all") else "member"]
        _, secret = ApiToken.make(owner, name, [*TOKENS] if name == "all" else [name])
        clients[name].defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return clients


def routes() -> set[str]:
    def walk(patterns: list[Any], before: str) -> Iterator[str]:
        for one in patterns:
            route = before + str(one.pattern)
            yield from walk(one.url_patterns, route) if hasattr(one, "url_patterns") else (route,)

    return {route.replace("^", "") for route in walk(get_resolver().url_patterns, "")}


def code_of(client: Client, method: str, path: str) -> int:
    """The status; whatever is changed by the request is undone."""
    cache.clear()
    before = {name: one.value for name, one in client.cookies.items()}
    kind, body = "application/json", b"{}"
    if path.startswith("/api/uploads/") and method == "PATCH":
        kind, body = "application/offset+octet-stream", b"x"
    elif not path.startswith("/api/"):
        kind, body = "application/x-www-form-urlencoded", b"other=1"
    with transaction.atomic():
        answer = client.generic(method, path, body, kind, headers=TUS)
        transaction.set_rollback(True)
    client.cookies = SimpleCookie(before)
    return int(answer.status_code)


TUS = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Upload-Length": "5"}


def test_every_address_has_a_line_and_every_line_an_address(world):
    known = {resolve(path.format(**world)).route.replace("^", "") for path in TABLE}
    assert known == {route for route in routes() if not route.startswith("admin/")}


def test_everybody_at_every_address(world):
    wrong = []
    for line, methods in TABLE.items():
        path = line.format(**world)
        roles = ROLES if path.startswith("/api/") else ON_PAGES
        for method, codes in methods.items():
            found = {role: code_of(world["clients"][role], method, path) for role in roles}
            known = dict(zip(ROLES, codes, strict=True)) | {"all": codes[-1]}
            wrong += [f"{method} {line}: {found}, not {codes}"] if found.items() - known.items() else []
    assert not wrong, "\n".join(wrong)


def test_the_pages_of_organisers_are_for_organisers(world):
    clients, admin = world["clients"], sorted(r for r in routes() if r.startswith("admin/"))
    assert len(admin) > 50
    for route in admin:
        path = "/" + re.sub(r"<[^<>]*>", "1", re.sub(r"\(\?P<url>.*", "x", route).replace(APPS, "news/"))
        for role in ("anonymous", "lead", "banned", "all"):
            for method in ("GET", "POST"):
                assert code_of(clients[role], method, path) in (302, 403, 404, 405), (route, role)
        assert code_of(clients["organiser"], "GET", path) < 500, route


APPS = "(?P<app_label>challenge|accounts|submissions|scoring|news)/$"
