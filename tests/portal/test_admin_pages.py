"""Organisers' pages about submissions, storage, limits, settings and backups; what `/ready/` says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from scored_files import State, handed_in

from organelle.portal.accounts.models import Team, User
from organelle.portal.backup import restore
from organelle.portal.challenge import health
from organelle.portal.challenge.effective import HIDDEN, effective
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.config import load_config
from organelle.portal.scoring import metrics
from organelle.portal.scoring.models import Job, Question, Result
from organelle.portal.submissions import backups
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


class TestBackups:
    """Made in the background, listed, brought home, removed."""

    @pytest.fixture
    def kept(self, portal_folder, settings, transactional_db, monkeypatch):
        """A folder with a database of its own, as a portal has one."""
        from organelle.portal.start import environment_of

        code = "from pathlib import Path; from organelle.portal.start import prepare; prepare(Path({!r}))"
        subprocess.run(
            [sys.executable, "-c", code.format(str(portal_folder.root))],
            env=environment_of(portal_folder.root, 8000),
            check=True,
        )
        monkeypatch.setenv("CSC_PORTAL_FOLDER", str(portal_folder.root))
        return portal_folder

    def test_one_is_made_listed_downloaded_restored_and_removed(self, kept, client, tmp_path):
        chief = User.objects.of("chief@lab.example")
        chief.is_staff = chief.is_superuser = True
        chief.save()
        client.force_login(chief)
        client.post("/admin/portal/backups/")
        wait_for(lambda: backups.backups()[0].size_bytes is not None)
        (one,) = backups.backups()
        shown = read(client, "/admin/portal/backups/")
        assert f"--from {kept.root}/backups/{one.name}" in shown
        answer = client.get(f"/admin/portal/backups/{one.name}/")
        assert "attachment" in answer["Content-Disposition"]
        (tmp_path / "got.tar").write_bytes(b"".join(answer.streaming_content))
        with tarfile.open(tmp_path / "got.tar") as tar:
            assert "portal.sqlite3" in tar.getnames()
        assert restore(tmp_path / "got.tar", tmp_path / "again")["submissions"] == 0
        client.post(f"/admin/portal/backups/{one.name}/remove/")
        assert backups.backups() == []
        told = AuditEntry.objects.filter(action__startswith="backup.").values_list("action", flat=True)
        assert sorted(told) == ["backup.begun", "backup.downloaded", "backup.removed"]

    def test_one_that_fails_says_why(self, kept, db):
        kept.database.unlink()
        kept.database.touch()
        backups.begin()
        wait_for(lambda: not backups.is_running())
        (one,) = backups.backups()
        assert one.size_bytes is None
        assert one.trouble

    def test_one_at_a_time(self, portal_folder, db):
        with backups._lock(), pytest.raises(backups.NoBackup, match="being made"):
            backups.begin()

    def test_none_that_would_fill_the_disk(self, portal_folder, team):
        handed_in(team)
        Submission.objects.update(size_bytes=1 << 60)
        with pytest.raises(backups.NoBackup, match="csc portal backup --data"):
            backups.begin()
        assert backups.backups() == []

    def test_what_a_killed_one_left_is_cleared_away(self, portal_folder, db):
        left = backups.place() / ".portal-20260101-000000.tar.x.part"
        left.mkdir()
        backups.begin(datetime(2026, 1, 2, tzinfo=UTC))
        assert not left.exists()
        wait_for(lambda: not backups.is_running())

    @pytest.mark.parametrize(
        "name", ["..", "secret.key", "portal-20260101-000000.tar", ".lock", "%2e%2e%2fsecret.key"]
    )
    def test_nothing_else_is_given_away(self, desk, portal_folder, name):
        assert desk.get(f"/admin/portal/backups/{name}/").status_code == 404
        assert desk.post(f"/admin/portal/backups/{name}/remove/").status_code == 404

    def test_only_who_may_do_everything_has_them(self, client, organiser, portal_folder):
        organiser.is_superuser = False
        organiser.save()
        client.force_login(organiser)
        assert client.get("/admin/portal/backups/").status_code == 403
        assert client.post("/admin/portal/backups/").status_code == 403

    def test_with_postgresql_its_own_means_are_named(self, desk, portal_folder, settings):
        settings.PORTAL = settings.PORTAL.model_copy(update={"database": "postgresql://u@h/x"})
        assert "pg_dump" in read(desk, "/admin/portal/backups/")
        assert "pg_dump" in desk.post("/admin/portal/backups/", follow=True).content.decode()


class TestReady:
    """What is asked by those who start and watch the portal."""

    def test_a_full_disk_is_not_ready(self, client, portal_folder, db, monkeypatch):
        assert client.get("/ready/").content == b"ready\n"
        monkeypatch.setattr(health, "LEAST_FREE", 1 << 62)
        answer = client.get("/ready/")
        assert (answer.status_code, answer.content) == (503, b"the disk is full\n")
        assert client.get("/health/").status_code == 200

    def test_a_folder_that_is_away_is_not_ready(self, client, portal_folder, db):
        shutil.rmtree(portal_folder.uploads)
        answer = client.get("/ready/")
        assert (answer.status_code, answer.content) == (503, b"the portal's folder is away\n")

    def test_what_keeps_scores_only_is_told_to_those_who_watch(self, client, team, db):
        handed_in(team)
        words = b"ready\nlook at: no worker is there, and submissions wait\n"
        answer = client.get("/ready/")
        assert (answer.status_code, answer.content) == (200, words)
        assert client.get("/ready/", REMOTE_ADDR="10.0.0.1").content == b"ready\n"

    def test_little_room_is_a_concern(self, portal_folder, db, monkeypatch):
        assert metrics.concerns() == []
        monkeypatch.setattr(metrics, "LITTLE_ROOM", 1 << 62)
        assert "make room" in metrics.concerns()[0]


def wait_for(what, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, list(Path(backups.place()).iterdir())
        time.sleep(0.05)
