"""What the challenge says of itself: pages, phases, rules, errors, health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.test import Client
from django.urls import path
from django.utils import timezone

from organelle.portal import urls as all_pages
from organelle.portal.challenge.markdown import to_html
from organelle.portal.challenge.models import AuditEntry, Phase, Rules
from organelle.portal.challenge.rules import rules_version
from organelle.portal.challenge.views import stages
from organelle.portal.news.models import Post

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def phase(kind: str, *, days: int, note: str = "") -> Phase:
    return Phase.objects.create(kind=kind, starts=timezone.now() + timedelta(days=days), note=note)


@pytest.mark.parametrize("page", ["/", "/rules/", "/faq/", "/timeline/"])
def test_everybody_may_read(client, page):
    answer = client.get(page)
    assert answer.status_code == 200
    assert answer.content.decode().count("<h1>") == 1
    assert client.post("/faq/").status_code == 405


def test_the_first_page_counts_what_there_is(client):
    html = client.get("/").content.decode()
    assert ">22</a>" in html
    assert ">289</a>" in html
    assert "csc submit work/submission.zip --to http://localhost:8000" in html


def test_the_first_page_tells_what_is_new(client):
    Post.objects.create(title="It has begun", slug="begun", body="x", published=timezone.now())
    Post.objects.create(title="Still a draft", slug="draft", body="x")
    html = client.get("/").content.decode()
    assert '<a href="/news/begun/">It has begun</a>' in html
    assert "draft" not in html


def test_the_first_page_says_what_a_challenge_of_ones_own_needs(client, settings, tiny_challenge):
    assert "--source ADDRESS" not in client.get("/").content.decode()
    settings.PORTAL = settings.PORTAL.model_copy(update={"catalog": str(tiny_challenge)})
    html = client.get("/").content.decode()
    assert "--source ADDRESS" in html
    assert "<dt>dataset</dt>" in html, "one dataset is not datasets"


def test_phases_open_and_close_by_themselves(client):
    phase("announced", days=-9)
    phase("open", days=-3, note="good luck")
    phase("closed", days=4)
    html = client.get("/timeline/").content.decode()
    assert "Submissions are <strong>open</strong>" in html
    assert "good luck" in html
    assert html.count('aria-current="step"') == 1
    Phase.objects.filter(kind="closed").update(starts=timezone.now() - timedelta(seconds=1))
    assert "Submissions are <strong>closed</strong>" in client.get("/").content.decode()


def test_each_phase_lasts_until_the_next():
    for number, kind in enumerate(("announced", "open", "closed")):
        Phase.objects.create(kind=kind, starts=MARCH + timedelta(days=number))
    told = [(s.phase.kind, s.is_over, s.is_now) for s in stages(MARCH + timedelta(days=1))]
    assert told == [("announced", True, False), ("open", False, True), ("closed", False, False)]
    assert not Phase.takes_submissions(MARCH - timedelta(seconds=1))
    assert Phase.takes_submissions(MARCH + timedelta(days=1))
    assert not Phase.takes_submissions(MARCH + timedelta(days=2))


def test_rules_are_accepted_by_version_and_with_the_time(signed_in, person):
    assert "I accept version 1" in signed_in.get("/rules/").content.decode()
    signed_in.post("/rules/", {"version": "1"})
    person.refresh_from_db()
    assert person.rules_accepted == rules_version() == "1"
    assert timezone.now() - person.rules_accepted_at < timedelta(minutes=1)
    assert AuditEntry.objects.get().action == "rules.accepted"
    assert "You accepted this version" in signed_in.get("/rules/").content.decode()


def test_what_was_not_read_is_not_accepted(signed_in, person):
    Rules.objects.create(version="2", text="# Be *kind*", holds_from=timezone.now())
    answer = signed_in.post("/rules/", {"version": "1"}, follow=True)
    person.refresh_from_db()
    assert person.rules_accepted == ""
    html = answer.content.decode()
    assert "The rules have changed" in html
    assert "<h2>Be <em>kind</em></h2>" in html


def test_rules_of_tomorrow_do_not_hold_today():
    Rules.objects.create(version="3", text="later", holds_from=MARCH)
    assert rules_version(MARCH - timedelta(seconds=1)) == "1"
    assert rules_version(MARCH) == "3"


def test_strangers_cannot_accept(client):
    answer = client.post("/rules/", {"version": "1"})
    assert answer["Location"] == "/sign-in/?next=/rules/"


@pytest.mark.parametrize(
    "trap",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://spy.example/pixel.png)",
        "<img src=x onerror=alert(1)>",
    ],
)
def test_text_of_organisers_brings_no_code_and_no_pictures(trap):
    html = to_html(trap)
    assert not any(f"<{tag}" in html for tag in ("script", "img"))
    assert "javascript:" not in html or "<a" not in html


def test_alive_and_ready(client):
    assert client.get("/health/").content == b"ok\n"
    answer = client.get("/ready/")
    assert (answer.status_code, answer.content) == (200, b"ready\n")


def test_not_ready_before_the_tables_are_there(client):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'challenge'")
    answer = client.get("/ready/")
    assert answer.status_code == 503
    assert "the first is challenge 0001_initial" in answer.content.decode()


def test_alive_even_without_a_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/health/").status_code == 200


def breaks(request):
    raise RuntimeError("a detail that is nobody's business")


def odd(request):
    raise SuspiciousOperation("odd")


def locked(request):
    raise PermissionDenied("Only for those who lead.")


class PagesThatFail:
    urlpatterns = (
        path("breaks/", breaks),
        path("odd/", odd),
        path("locked/", locked),
        *all_pages.urlpatterns,
    )
    handler400, handler500 = all_pages.handler400, all_pages.handler500


@pytest.mark.parametrize(
    ("page", "status", "said"),
    [
        ("/breaks/", 500, "It is our mistake"),
        ("/odd/", 400, "The request was not understood"),
        ("/locked/", 403, "Only for those who lead."),
        ("/no/such/page/", 404, "/no/such/page/"),
    ],
)
def test_errors_in_plain_words(settings, page, status, said):
    settings.ROOT_URLCONF = PagesThatFail
    answer = Client(raise_request_exception=False).get(page)
    html = answer.content.decode()
    assert answer.status_code == status
    assert said in html
    assert "portal.css" in html
    assert "nobody's business" not in html
    assert "Content-Security-Policy" in answer.headers


def test_an_error_needs_no_database(settings, django_assert_num_queries):
    settings.ROOT_URLCONF = PagesThatFail
    with django_assert_num_queries(0):
        Client(raise_request_exception=False).get("/breaks/")


def test_an_unknown_name_of_the_portal(client):
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "<code>hosts</code>" in answer.content.decode()


def test_a_form_from_elsewhere(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    answer = client.post("/rules/", {"version": "1"})
    assert answer.status_code == 403
    assert "The form was not accepted" in answer.content.decode()
    person.refresh_from_db()
    assert person.rules_accepted == ""
