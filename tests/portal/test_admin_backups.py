"""Backups from the organisers' pages: made in the background, listed, brought home, removed."""

from __future__ import annotations

import fcntl
import tarfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from scored_files import handed_in

from organelle.portal.accounts.models import User
from organelle.portal.backup import restore
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.submissions import backups
from organelle.portal.submissions.models import Submission


@pytest.fixture
def desk(client: Client, organiser: User) -> Client:
    client.force_login(organiser)
    return client


@pytest.fixture
def kept(portal_of_its_own, transactional_db, monkeypatch):
    """A folder with a database of its own, as a portal has one."""
    monkeypatch.setenv("CSC_PORTAL_FOLDER", str(portal_of_its_own.root))
    return portal_of_its_own


def test_one_is_made_listed_downloaded_restored_and_removed(kept, client, tmp_path):
    chief = User.objects.of("chief@lab.example")
    chief.is_staff = chief.is_superuser = True
    chief.save()
    client.force_login(chief)
    client.post("/admin/portal/backups/")
    wait_for(lambda: backups.backups()[0].size_bytes is not None)
    (one,) = backups.backups()
    shown = client.get("/admin/portal/backups/").content.decode()
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


def test_one_that_fails_says_why(kept, db):
    kept.database.unlink()
    kept.database.touch()
    backups.begin()
    wait_for(lambda: not backups.is_running())
    (one,) = backups.backups()
    assert one.size_bytes is None
    assert "no such table" in one.trouble


def test_one_at_a_time(portal_folder, db):
    with backups._lock(), pytest.raises(backups.NoBackup, match="being made"):
        backups.begin()


def test_pages_that_look_at_the_same_moment_are_no_backup(kept):
    with (backups.place() / ".lock").open("w") as looker:
        fcntl.flock(looker, fcntl.LOCK_SH)
        assert not backups.is_running()
        threading.Timer(0.2, fcntl.flock, (looker, fcntl.LOCK_UN)).start()
        assert backups.begin()
    wait_for(lambda: not backups.is_running())


def test_none_that_would_fill_the_disk(portal_folder, team):
    handed_in(team)
    Submission.objects.update(size_bytes=1 << 60)
    with pytest.raises(backups.NoBackup, match="csc portal backup --data"):
        backups.begin()
    assert backups.backups() == []


def test_what_a_killed_one_left_is_cleared_away(portal_folder, db):
    left = backups.place() / ".portal-20260101-000000.tar.x.part"
    left.mkdir()
    backups.begin(datetime(2026, 1, 2, tzinfo=UTC))
    assert not left.exists()
    wait_for(lambda: not backups.is_running())


@pytest.mark.parametrize(
    "name", ["..", "secret.key", "portal-20260101-000000.tar", ".lock", "%2e%2e%2fsecret.key"]
)
def test_nothing_else_is_given_away(desk, portal_folder, name):
    assert desk.get(f"/admin/portal/backups/{name}/").status_code == 404
    assert desk.post(f"/admin/portal/backups/{name}/remove/").status_code == 404


def test_only_who_may_do_everything_has_them(client, organiser, portal_folder):
    organiser.is_superuser = False
    organiser.save()
    client.force_login(organiser)
    assert client.get("/admin/portal/backups/").status_code == 403
    assert client.post("/admin/portal/backups/").status_code == 403


def test_with_postgresql_its_own_means_are_named(desk, portal_folder, settings):
    settings.PORTAL = settings.PORTAL.model_copy(update={"database": "postgresql://u@h/x"})
    assert "pg_dump" in desk.get("/admin/portal/backups/").content.decode()
    assert "pg_dump" in desk.post("/admin/portal/backups/", follow=True).content.decode()


def wait_for(what, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, list(Path(backups.place()).iterdir())
        time.sleep(0.05)
