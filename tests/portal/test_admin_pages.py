"""Organisers' pages about submissions, storage, limits and settings."""

from __future__ import annotations

import pytest
from django.test import Client
from scored_files import State, handed_in

from organelle.portal.accounts.models import Team, User
from organelle.portal.challenge.effective import HIDDEN, effective
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.config import load_config
from organelle.portal.scoring.models import Job, Question, Result
from organelle.portal.submissions.models import Submission, move

LIST = "/admin/submissions/submission/"
ODD = "crop7/mito is one block"


@pytest.fixture
def desk(client: Client, organiser: User) -> Client:
    client.force_login(organiser)
    return client


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def act(desk: Client, action: str, *submissions: Submission, reason: str = "looked at it") -> str:
    chosen = [one.pk for one in submissions]
    given = {"action": action, "_selected_action": chosen, "reason": reason}
    return desk.post(LIST, given, follow=True).content.decode()


def held(team: Team, **values) -> Submission:
    """One that a check has held, with what looked like a probe."""
    one = handed_in(team, State.CHECKING, **values)
    Job.objects.create(submission=one, kind=Job.Kind.CHECK, state=Job.State.DONE, reason=ODD)
    report = {"ok": True, "problems": [{"code": "odd-name", "severity": "warning", "place": "crop<7>"}]}
    move(one, State.HELD, "system", "An organiser looks.", report=report, attempt_at=one.created)
    return one


@pytest.mark.parametrize("year", ["-1", "0", "99999", "9" * 30, "x"])
@pytest.mark.parametrize("table", ["scoring/job", "challenge/auditentry"])
def test_a_year_that_no_calendar_has_is_refused(desk, table, year):
    field = "created" if table == "scoring/job" else "time"
    answer = desk.get(f"/admin/{table}/?{field}__year={year}")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/{table}/?e=1")
    assert desk.get(answer.headers["Location"]).status_code == 200


class TestSubmissions:
    """The list, one of them, and what is done to them."""

    def test_all_are_listed_with_what_is_special(self, desk, team):
        held(team, method="U-Net", anonymous=True)
        handed_in(team, State.SCORED, sha256="b" * 64, chosen=True, publish=False)
        shown = read(desk, LIST)
        assert "looks like a probe, anonymous" in shown
        assert "chosen, not published" in shown
        assert "U-Net" in shown

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("state__exact=held", ["held"]),
            ("probe=yes", ["held"]),
            ("probe=no", ["scored"]),
            ("q=ffff", []),
            ("q=U-Net", ["held"]),
            ("q=golgi", ["held", "scored"]),
            ("chosen__exact=1", ["scored"]),
        ],
    )
    def test_they_are_found(self, desk, team, asked, found):
        held(team, method="U-Net")
        handed_in(team, State.SCORED, sha256="b" * 64, chosen=True)
        answer = desk.get(f"{LIST}?{asked}")
        assert sorted(one.state for one in answer.context["cl"].result_list) == found

    def test_one_shows_its_way_its_jobs_and_what_was_found(self, desk, team):
        one = held(team)
        Question.objects.create(metric="m", truth="t", configuration="c")
        Result.objects.create(
            sha256=one.sha256, metric="m", truth="t", configuration="c", scores={"overall": 0.123456789}
        )
        shown = read(desk, f"{LIST}{one.pk}/change/")
        assert ODD in shown
        assert "odd-name" in shown
        assert "crop&lt;7&gt;" in shown
        assert f"{one.transitions.get().time:%Y-%m-%d %H:%M:%S}" in shown
        assert f"/admin/scoring/job/{one.jobs.get().pk}/change/" in shown
        assert "0.123456789" in shown

    def test_nothing_of_it_is_edited(self, desk, team):
        one = held(team)
        address = f"{LIST}{one.pk}/change/"
        assert 'name="state"' not in read(desk, address)
        assert desk.post(address, {"state": "scored"}).status_code == 403
        assert desk.get(f"{LIST}add/").status_code == 403
        assert desk.post(f"{LIST}{one.pk}/delete/", {"post": "yes"}).status_code == 403
        one.refresh_from_db()
        assert one.state == State.HELD

    @pytest.mark.parametrize(
        ("action", "before", "after"),
        [
            ("release", State.HELD, State.QUEUED),
            ("requeue", State.FAILED, State.CHECKING),
            ("requeue", State.CANCELLED, State.CHECKING),
            ("cancel", State.QUEUED, State.CANCELLED),
        ],
    )
    def test_what_is_done_is_told_with_its_reason(self, desk, team, organiser, action, before, after):
        one = handed_in(team, before)
        act(desk, action, one, reason="the disk was full")
        one.refresh_from_db()
        step = one.transitions.latest("id")
        assert (one.state, step.target, step.reason) == (after, after, "the disk was full")
        assert step.actor == str(organiser)
        entry = AuditEntry.objects.get(about=f"submission {one.pk}")
        assert (entry.actor, entry.detail["reason"]) == (organiser, "the disk was full")

    def test_scoring_again_is_told_though_the_state_stays(self, desk, team):
        one = handed_in(team, State.SCORED)
        act(desk, "rescore", one, reason="a library was broken")
        assert AuditEntry.objects.get(action="submission.requeued").detail["reason"] == "a library was broken"

    @pytest.mark.parametrize("reason", ["", "   "])
    def test_without_a_reason_nothing_is_done(self, desk, team, reason):
        one = held(team)
        assert "say why" in act(desk, "release", one, reason=reason)
        one.refresh_from_db()
        assert one.state == State.HELD

    def test_one_can_be_dealt_with_on_its_own_page(self, desk, team):
        one = held(team)
        shown = read(desk, f"{LIST}{one.pk}/change/")
        assert f'action="{LIST}"' in shown
        assert f'name="_selected_action" value="{one.pk}"' in shown


class TestPages:
    """Storage, limits, settings."""

    def test_they_are_listed_and_nobody_else_sees_them(self, client, signed_in, organiser, portal_folder):
        names = ("settings", "storage", "limits", "backups")
        assert [signed_in.get(f"/admin/portal/{name}/", follow=True).status_code for name in names] == [
            403
        ] * 4
        client.force_login(organiser)
        index = read(client, "/admin/")
        for name in names:
            assert f'href="/admin/portal/{name}/"' in index
            read(client, f"/admin/portal/{name}/")

    def test_storage_counts_what_is_kept(self, desk, team, portal_folder):
        handed_in(team, sha256="a" * 64)
        Submission.objects.update(size_bytes=5 << 20)
        shown = read(desk, "/admin/portal/storage/")
        assert "5.0\xa0MB" in shown
        assert str(portal_folder.root) in shown

    def test_limits_tell_what_teams_have_used(self, desk, team, settings):
        limits = settings.PORTAL.limits.model_copy(update={"per_day": 1, "total": 9})
        settings.PORTAL = settings.PORTAL.model_copy(update={"limits": limits})
        handed_in(team, State.SCORED)
        cells = " ".join(read(desk, "/admin/portal/limits/").split())
        assert "Golgi</a></th> <td>1</td><td>1</td> <td>0</td><td>8</td><td>2</td> <td>20" in cells

    def test_without_a_folder_they_say_so(self, desk):
        for name in ("storage", "backups"):
            assert "has no folder" in read(desk, f"/admin/portal/{name}/")

    def test_no_password_is_on_the_page_of_settings(self, desk, settings):
        words = {
            "metrics_token": "m-word",
            "database": "postgresql://portal:d-word@db.example:5432/portal",
            "mail": {"password": "p-word"},
            "github": {"secret": "g-word"},
            "bucket": {"key": "k-word", "secret": "s-word"},
        }
        settings.PORTAL = type(settings.PORTAL).model_validate(words)
        shown = read(desk, "/admin/portal/settings/")
        assert "-word" not in shown
        assert "postgresql://portal:...@db.example:5432/portal" in shown
        assert shown.count(HIDDEN) == 5


def test_each_value_says_where_it_comes_from(tmp_path):
    (tmp_path / "portal.toml").write_text('title = "Ours"\nworkers = 2\n[limits]\nper_day = 7\n')
    environment = {"CSC_PORTAL_WORKERS": "3", "CSC_PORTAL_MAIL__HOST": "mail.example"}
    config = load_config(tmp_path, environment)
    found = {one.key: (one.text, one.source) for one in effective(config, tmp_path, environment)}
    assert found["title"] == ("Ours", "portal.toml")
    assert found["workers"] == ("3", "CSC_PORTAL_WORKERS")
    assert found["limits.per_day"] == ("7", "portal.toml")
    assert found["mail.host"] == ("mail.example", "CSC_PORTAL_MAIL__HOST")
    assert found["limits.total"] == ("100", "default")


@pytest.mark.parametrize(("text", "coming"), [('title = "New"\n', "New"), ("title = broken\n", "")])
def test_what_holds_after_the_next_start_is_told(tmp_path, text, coming):
    config = load_config(tmp_path, {})
    (tmp_path / "portal.toml").write_text(text)
    found = {one.key: one.coming for one in effective(config, tmp_path, {})}
    assert found["title"] == coming
    assert not any(value for key, value in found.items() if key != "title")
