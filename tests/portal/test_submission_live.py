"""The page of a submission follows by itself: only what has changed is sent, and times tell no seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from organelle.portal.accounts.models import Team, User
from organelle.portal.submissions.models import Submission, Transition, move

State = Submission.State
WHEN = datetime(2026, 3, 4, 5, 6, 47, 123456, tzinfo=UTC)
REPORT = {
    "ok": True,
    "problems": [{"code": "odd-name", "severity": "warning", "place": "crop7", "remedy": "Name it well."}],
}


@pytest.fixture
def submission(team: Team, person: User) -> Submission:
    made = Submission.objects.create(
        team=team, user=person, sha256="0" * 64, size_bytes=9, name="a.zip", created=WHEN
    )
    Transition.objects.create(submission=made, actor="ada", target="checking", time=WHEN)
    return made


def page_of(submission: Submission) -> str:
    return f"/submissions/{submission.pk}/"


def asked_next(html: str) -> str:
    """The address that a page asks for its changes."""
    found = re.search(r'hx-get="([^"]+)"', html)
    assert found, "it follows no more"
    return found[1]


def look(client: Client, address: str) -> str:
    answer = client.get(address, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_nothing_is_sent_when_nothing_has_changed(signed_in, submission):
    address = asked_next(look(signed_in, page_of(submission)))
    answer = signed_in.get(address)
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_change_brings_its_part_and_the_form_is_not_touched(signed_in, submission):
    address = asked_next(look(signed_in, page_of(submission)))
    move(submission, State.QUEUED, "system", report=REPORT)
    html = look(signed_in, address)
    assert "Waiting to be scored" in html
    assert '<div id="findings" hx-swap-oob="true">' in html
    assert "odd-name" in html
    assert "<form" not in html
    assert "<html" not in html
    assert signed_in.get(asked_next(html)).status_code == 204


def test_details_that_were_opened_are_not_sent_again(signed_in, submission):
    move(submission, State.QUEUED, "system", report=REPORT)
    address = asked_next(look(signed_in, page_of(submission)))
    move(submission, State.SCORING, "system")
    html = look(signed_in, address)
    assert "Being scored" in html
    assert "findings" not in html


def test_the_end_brings_the_choice_and_takes_the_cancelling_away(signed_in, submission):
    address = asked_next(look(signed_in, page_of(submission)))
    move(submission, State.SCORED, "system", report=REPORT)
    html = look(signed_in, address)
    assert "Choose this one" in html
    assert '<div id="cancelling" hx-swap-oob="true"></div>' in html.replace("\n", "")
    assert "hx-get" not in html
    assert 'id="edit"' not in html
    assert "Save" not in html


def test_who_is_signed_out_meanwhile_gets_no_page_in_the_page(client, submission):
    address = f"{page_of(submission)}live/"
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 401
    assert client.get(address).status_code == 302


@pytest.mark.parametrize("state", [State.CHECKING, State.SCORED])
def test_no_second_is_told(signed_in, submission, state):
    Submission.objects.update(state=state)
    shown = look(signed_in, page_of(submission)) + look(signed_in, "/submissions/")
    assert "2026-03-04 05:06" in shown
    assert 'datetime="2026-03-04T05:06Z"' in shown
    assert "05:06:" not in shown
    assert "06:47" not in shown
