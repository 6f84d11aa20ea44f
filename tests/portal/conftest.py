"""A portal in memory. Django is set up here and not for all tests, most of which need none."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import django
import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "organelle.portal.settings"
django.setup()

from django.core.cache import cache  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from organelle.portal.accounts.models import Membership, Team, User  # noqa: E402
from organelle.portal.board import looking  # noqa: E402
from organelle.portal.challenge.rules import rules_version  # noqa: E402
from organelle.portal.explorer import answers  # noqa: E402
from organelle.portal.folder import PortalFolder  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Requests of the last test do not count in this one."""
    cache.clear()


@pytest.fixture(autouse=True)
def pages_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes from the web server's memory."""
    monkeypatch.setattr(answers, "BEHIND_S", 0)
    monkeypatch.setattr(looking, "BEHIND_S", 0)


@pytest.fixture
def boards_of_one_look(pages_of_now, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Boards are looked up once, as for a crowd, until `looking.forget()`."""
    looking.forget()
    monkeypatch.setattr(looking, "BEHIND_S", 86_400.0)
    yield
    looking.forget()


@pytest.fixture(scope="session")
def empty_tables(django_db_setup, django_db_blocker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables and nothing in them: a portal that finds a copy is begun sooner."""
    made = tmp_path_factory.mktemp("tables") / "portal.sqlite3"
    with django_db_blocker.unblock(), closing(sqlite3.connect(made)) as target:
        connection.ensure_connection()
        connection.connection.backup(target)
    return made


@pytest.fixture
def portal_of_its_own(portal_folder: PortalFolder, empty_tables: Path) -> PortalFolder:
    """A folder with a database file, of which other processes may make use."""
    shutil.copyfile(empty_tables, portal_folder.database)
    return portal_folder


@pytest.fixture
def person(db) -> User:
    return User.objects.of("ada@lab.example")


@pytest.fixture
def team(person: User) -> Team:
    team = Team.objects.create(name="Golgi", slug="golgi")
    Membership.objects.create(user=person, team=team, leads=True)
    return team


@pytest.fixture
def organiser(db) -> User:
    person = User.objects.of("chief@lab.example")
    person.is_staff = person.is_superuser = True
    person.save()
    return person


@pytest.fixture
def signed_in(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def portal_folder(settings, tmp_path) -> PortalFolder:
    """A folder in which uploads and submissions are kept."""
    settings.FOLDER = PortalFolder(tmp_path / "portal")
    settings.FOLDER.make()
    return settings.FOLDER


@pytest.fixture
def small_disk(settings, tmp_path: Path) -> Iterator[PortalFolder]:
    """A portal's folder on a disk of 80 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    settings.FOLDER = PortalFolder(place / "portal")
    settings.FOLDER.make()
    yield settings.FOLDER
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def entrant(person: User, team: Team, portal_folder: PortalFolder) -> User:
    """Somebody who may hand in: in a team, with the rules accepted."""
    person.rules_accepted = rules_version()
    person.save()
    return person
