"""What organisers do from the command line: check, back up, restore, export; each as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CSC = Path(sys.executable).with_name("csc")


def csc(*words, **variables) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CSC_PORTAL_")}
    return subprocess.run(
        [CSC, "portal", *map(str, words)], capture_output=True, text=True, env=bare | variables
    )


def python(folder: Path, code: str) -> str:
    """Run `code` with Django set up for the portal in `folder`."""
    from organelle.portal.start import environment_of

    ran = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        env=environment_of(folder, 8000), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ran.stdout


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


def test_check_of_no_portal_makes_none(tmp_path):
    ran = csc("check", "--data", tmp_path / "none")
    assert ran.returncode == 1
    assert "no portal" in ran.stderr
    assert not (tmp_path / "none").exists()


def test_a_backup_becomes_the_same_portal(made, tmp_path):
    (made / "portal.toml").write_text('title = "Kept"\n')
    try:
        assert csc("backup", "--data", made, "--to", tmp_path / "all.tar").returncode == 0
        again = csc("backup", "--data", made, "--to", tmp_path / "all.tar")
        assert again.returncode == 1
        assert "--overwrite" in again.stderr
        assert csc("restore", "--data", tmp_path / "second", "--from", tmp_path / "all.tar").returncode == 0
    finally:
        (made / "portal.toml").unlink()
    second = tmp_path / "second"
    code = "from organelle.portal.submissions.models import *; print(Submission.objects.get().team.name)"
    assert python(second, code) == "Golgi\n"
    assert (second / "secret.key").read_bytes() == (made / "secret.key").read_bytes()
    assert (second / "portal.toml").read_text() == 'title = "Kept"\n'
    sha = "ab" * 32
    assert (second / "submissions" / "ab" / f"{sha}.zip").read_bytes() == b"bytes"


def test_what_is_in_a_bucket_is_not_in_the_backup(made, tmp_path):
    ran = csc("backup", "--data", made, "--to", tmp_path / "all.tar", CSC_PORTAL_BUCKET__NAME="handed-in")
    assert "0 submissions" in ran.stdout, ran.stderr
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert set(tar.getnames()) == {"backup.json", "portal.sqlite3", "secret.key"}


def test_a_backup_that_was_cut_off_becomes_nothing(made, tmp_path):
    csc("backup", "--data", made, "--to", tmp_path / "all.tar")
    whole = (tmp_path / "all.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    ran = csc("restore", "--data", tmp_path / "second", "--from", tmp_path / "cut.tar")
    assert ran.returncode == 1
    assert "cut.tar" in ran.stderr
    assert not (tmp_path / "second").exists()


def test_a_foreign_archive_is_no_backup(tmp_path):
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "x", "x")
    ran = csc("restore", "--data", tmp_path / "second", "--from", tmp_path / "other.tar")
    assert "no backup of a portal" in ran.stderr


def test_a_portal_is_not_restored_over_another(made, tmp_path):
    csc("backup", "--data", made, "--to", tmp_path / "all.tar")
    ran = csc("restore", "--data", made, "--from", tmp_path / "all.tar")
    assert ran.returncode == 1
    assert "not empty" in ran.stderr


def test_export_tells_all_to_organisers(made, tmp_path):
    ran = csc("export", "--data", made, "--to", tmp_path / "all.json")
    assert ran.returncode == 0, ran.stderr
    record = json.loads((tmp_path / "all.json").read_text())
    assert record["teams"][0]["members"][0]["email"] == "ada@lab.example"
    assert record["submissions"][0]["name"] == "ours.zip"


def test_a_portal_without_a_folder_asks_for_one():
    ran = csc()
    assert ran.returncode == 2
    assert "--data" in ran.stderr


def test_a_lost_organiser_gets_another_link(made):
    ran = csc("organiser", "--data", made, "--email", "chief@lab.example", "--port", "8123")
    assert ran.stdout.startswith("http://localhost:8123/sign-in/")
    code = "from organelle.portal.accounts.models import *; print(LoginLink.objects.get().email)"
    assert python(made, code) == "chief@lab.example\n"
