"""What organisers do from the command line: check, back up, restore, export.

What sets Django up for a portal's folder is a process of its own; `here` walks the rest in this one.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from organelle.cli import main

CSC = Path(sys.executable).with_name("csc")


def csc(*words, **variables) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CSC_PORTAL_")}
    return subprocess.run(
        [CSC, "portal", *map(str, words)], capture_output=True, text=True, env=bare | variables
    )


@pytest.fixture
def here(monkeypatch, capsys) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`csc portal` without a process, for words that need no Django."""

    def walk(*words) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["csc", "portal", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        told = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(stop.value.code or 0), told.out, told.err)

    return walk


def ask(folder: Path, sql: str) -> list[tuple]:
    """What the database of the portal in `folder` answers."""
    with closing(sqlite3.connect(folder / "portal.sqlite3")) as database:
        return database.execute(sql).fetchall()


MAKE = """
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path({folder!r}))
from organelle.portal.accounts.models import Membership, Team, User
from organelle.portal.submissions.models import Submission
from organelle.portal.submissions.store import folder, place_of
team = Team.objects.create(name="Golgi", slug="golgi")
Membership.objects.create(user=User.objects.of("ada@lab.example"), team=team)
Submission.objects.create(team=team, sha256="ab" * 32, size_bytes=5, name="ours.zip")
place = place_of(folder(), "ab" * 32)
place.parent.mkdir(parents=True)
place.write_bytes(b"bytes")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portal with one submission."""
    folder = tmp_path_factory.mktemp("portals") / "first"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CSC_PORTAL_")}
    subprocess.run([sys.executable, "-c", MAKE.format(folder=str(folder))], env=bare, check=True)
    return folder


@pytest.fixture(scope="module")
def backup(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `csc portal backup` wrote of it, when it had a title."""
    out = tmp_path_factory.mktemp("backups") / "all.tar"
    (made / "portal.toml").write_text('title = "Kept"\n')
    try:
        assert csc("backup", "--data", made, "--to", out).returncode == 0
    finally:
        (made / "portal.toml").unlink()
    return out


def test_a_new_portal_is_for_its_owner_alone(made):
    for path in (made, made / "secret.key", made / "portal.sqlite3"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_check_names_what_is_unsafe(made):
    ran = csc("check", "--data", made)
    assert ran.returncode == 1
    for words in ("production = true", "https://", "truth", "[mail]"):
        assert words in ran.stdout, words


def test_check_of_a_production_profile_has_little_to_say(made):
    ran = csc(
        "check", "--data", made,
        CSC_PORTAL_PRODUCTION="true", CSC_PORTAL_URL="https://portal.example", CSC_PORTAL_PROXIES="1",
        CSC_PORTAL_HOSTS='["portal.example"]', CSC_PORTAL_MAIL__HOST="mail.example",
        CSC_PORTAL_LIMITS__SUBMISSION_BYTES="1000000",
    )  # fmt: skip
    told = [line for line in ran.stdout.splitlines() if line.startswith("- ") and "free at" not in line]
    assert told == ['- there is no truth, so nothing is scored; set "truth"'], ran.stdout + ran.stderr


def test_check_of_no_portal_makes_none(here, tmp_path):
    ran = here("check", "--data", tmp_path / "none")
    assert ran.returncode == 1
    assert "no portal" in ran.stderr
    assert not (tmp_path / "none").exists()


def test_a_backup_becomes_the_same_portal(here, made, backup, tmp_path):
    second = tmp_path / "second"
    ran = here("restore", "--data", second, "--from", backup)
    assert ran.returncode == 0, ran.stderr
    owners = "SELECT t.name FROM submissions_submission s JOIN accounts_team t ON t.id = s.team_id"
    assert ask(second, owners) == [("Golgi",)]
    assert (second / "secret.key").read_bytes() == (made / "secret.key").read_bytes()
    assert (second / "portal.toml").read_text() == 'title = "Kept"\n'
    sha = "ab" * 32
    assert (second / "submissions" / "ab" / f"{sha}.zip").read_bytes() == b"bytes"


def test_a_backup_replaces_none_unasked(here, made, backup):
    before = backup.read_bytes()
    ran = here("backup", "--data", made, "--to", backup)
    assert ran.returncode == 1
    assert "--overwrite" in ran.stderr
    assert backup.read_bytes() == before


def test_what_is_in_a_bucket_is_not_in_the_backup(here, made, tmp_path, monkeypatch):
    monkeypatch.setenv("CSC_PORTAL_BUCKET__NAME", "handed-in")
    ran = here("backup", "--data", made, "--to", tmp_path / "all.tar")
    assert "0 submissions" in ran.stdout, ran.stderr
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert set(tar.getnames()) == {"backup.json", "portal.sqlite3", "secret.key"}


def test_a_backup_that_was_cut_off_becomes_nothing(here, backup, tmp_path):
    whole = backup.read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    ran = here("restore", "--data", tmp_path / "second", "--from", tmp_path / "cut.tar")
    assert ran.returncode == 1
    assert "cut.tar" in ran.stderr
    assert not (tmp_path / "second").exists()


def test_a_foreign_archive_is_no_backup(here, tmp_path):
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "x", "x")
    ran = here("restore", "--data", tmp_path / "second", "--from", tmp_path / "other.tar")
    assert ran.returncode == 1
    assert "no backup of a portal" in ran.stderr


def test_a_portal_is_not_restored_over_another(here, made, backup):
    ran = here("restore", "--data", made, "--from", backup)
    assert ran.returncode == 1
    assert "not empty" in ran.stderr


def test_export_tells_all_to_organisers(made, tmp_path):
    ran = csc("export", "--data", made, "--to", tmp_path / "all.json")
    assert ran.returncode == 0, ran.stderr
    record = json.loads((tmp_path / "all.json").read_text())
    assert record["teams"][0]["members"][0]["email"] == "ada@lab.example"
    assert record["submissions"][0]["name"] == "ours.zip"


def test_a_portal_without_a_folder_asks_for_one(here):
    ran = here()
    assert ran.returncode == 2
    assert "--data" in ran.stderr


def test_a_lost_organiser_gets_another_link(made):
    ran = csc("organiser", "--data", made, "--email", "chief@lab.example", "--port", "8123")
    assert ran.stdout.startswith("http://localhost:8123/sign-in/")
    assert ask(made, "SELECT email FROM accounts_loginlink") == [("chief@lab.example",)]
