"""A portal of an older version: backed up, restored, and started with the present one, which shows it all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from organelle.files import sha256
from organelle.portal.backup import restore
from organelle.portal.folder import PortalFolder
from organelle.portal.upkeep import backup_portal

OLD = """
import json, sys
from pathlib import Path
from organelle.portal.folder import PortalFolder
root = Path(sys.argv[1])
PortalFolder(root).make()
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

ROOMS = ("challenge", "accounts", "submissions", "scoring", "board", "news")
for room in ROOMS:
    call_command("migrate", room, "0001", verbosity=0)
for other in ("sessions", "contenttypes"):
    call_command("migrate", other, verbosity=0)
loader = MigrationExecutor(connection).loader
then = loader.project_state([(room, "0001_initial") for room in ROOMS]).apps.get_model
later = [key for key in loader.disk_migrations if key[0] in ROOMS and key not in loader.applied_migrations]
assert later, "nothing has changed since"

from django.utils import timezone
when = timezone.datetime(2026, 1, 2, 3, 4, tzinfo=timezone.get_current_timezone())
ada = then("accounts", "User").objects.create(
    username="u1", email="ada@lab.example", name="Ada", password="!", rules_accepted="1"
)
team = then("accounts", "Team").objects.create(name="Golgi", slug="golgi", created=when)
then("accounts", "Membership").objects.create(user=ada, team=team, leads=True)
then("accounts", "ApiToken").objects.create(
    user=ada, name="old", prefix="csc_old", key="ab", scopes=["read"], expires=when
)
then("challenge", "Phase").objects.create(kind="open", starts=when)
then("challenge", "AuditEntry").objects.create(actor=ada, actor_name="Ada", action="team.made")
then("news", "Post").objects.create(slug="first", title="First post", body="Words.", published=when)
then("news", "Subscriber").objects.create(
    email="reader@lab.example", asked=when, confirmed=when, confirm_key="c", leave_key="l"
)
sub = then("submissions", "Submission").objects.create(
    team=team, user=ada, sha256=sys.argv[2], size_bytes=5, name="ours.zip", method="Old U-Net",
    state="scored", report={"ok": True, "problems": []}, created=when, attempt_at=when,
)
then("submissions", "Transition").objects.create(
    submission=sub, actor="system", source="scoring", target="scored", time=when
)
then("submissions", "Upload").objects.create(user=ada, length=9, offset=0, name="half.zip")
job = then("scoring", "Job").objects.create(
    submission=sub, kind="score", state="done", metric="2026-06", truth="t", configuration="c"
)
then("scoring", "JobEvent").objects.create(job=job, actor="one", what="done")
scores = {"overall": 0.51234, "instance": 0.4, "semantic": 0.6, "classes": {
    "mito": {"kind": "instance", "score": 0.51234, "ratios": {}, "submitted": True}}}
then("scoring", "Result").objects.create(
    sha256=sys.argv[2], metric="2026-06", truth="t", configuration="c", scores=scores, crops={"rows": []}
)
"""

NOW = """
import json, sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from django.test import Client
from organelle.portal.accounts.models import User
from organelle.portal.submissions.models import Submission
ada = User.objects.get()
one = Submission.objects.get()
pages = ["/", "/news/", "/news/feed.atom", "/leaderboard/", "/timeline/", "/ready/", "/account/", "/team/",
         "/account/tokens/", "/account/export/", "/submit/", "/submissions/", f"/submissions/{one.pk}/"]
chief = ["/admin/submissions/submission/", f"/admin/submissions/submission/{one.pk}/change/",
         f"/admin/scoring/job/{one.jobs.get().pk}/change/", "/admin/scoring/result/",
         "/admin/news/subscriber/",
         "/admin/challenge/auditentry/", "/admin/portal/limits/", "/admin/portal/storage/"]
client = Client(headers={"host": "localhost"})
client.force_login(ada)
def read(page):
    answer = client.get(page)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return [answer.status_code, body.decode()]
found = {page: read(page) for page in pages}
User.objects.update(is_staff=True, is_superuser=True)
found |= {page: read(page) for page in chief}
print(json.dumps({"one": str(one.pk), "pages": found}))
"""

SEEN = {
    "/news/": "First post",
    "/news/feed.atom": "First post",
    "/ready/": "ready",
    "/account/": "Ada",
    "/account/tokens/": "csc_old",
    "/team/": "Golgi",
    "/submit/": "half.zip",
    "/submissions/": "Old U-Net",
    "/admin/submissions/submission/": "Golgi",
    "/admin/scoring/result/": "2026-06",
    "/admin/news/subscriber/": "reader@lab.example",
    "/admin/challenge/auditentry/": "team.made",
    "/admin/portal/limits/": "Golgi",
}


def run(code: str, *words: object) -> str:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CSC_PORTAL_")}
    ours = {"CSC_PORTAL_FOLDER": str(words[0]), "DJANGO_SETTINGS_MODULE": "organelle.portal.settings"}
    command = [sys.executable, "-c", code, *map(str, words)]
    ran = subprocess.run(command, env=bare | ours, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a portal whose tables are those of the first version, with something in each."""
    folder = tmp_path_factory.mktemp("older")
    (folder / "zip").write_bytes(b"bytes")
    digest = sha256(folder / "zip")
    run(OLD, folder / "portal", digest)
    place = PortalFolder(folder / "portal").submission_file(digest)
    place.parent.mkdir(parents=True)
    (folder / "zip").rename(place)
    backup_portal(folder / "portal", folder / "all.tar")
    return folder / "all.tar"


def test_the_present_version_shows_all_of_an_older_one_and_does_so_when_it_starts_again(older, tmp_path):
    note = restore(older, tmp_path / "portal")
    assert note["submissions"] == 1
    told = json.loads(run(NOW, tmp_path / "portal").splitlines()[-1])
    pages = told["pages"]
    assert {page: code for page, (code, _) in pages.items() if code != 200} == {}
    assert {page: words for page, words in SEEN.items() if words not in pages[page][1]} == {}
    own = pages[f"/submissions/{told['one']}/"][1]
    assert "2026-01-02 03:04" in own
    assert "ours.zip" in own
    (file,) = (tmp_path / "portal" / "submissions").rglob("*.zip")
    assert file.read_bytes() == b"bytes"
    again = json.loads(run(NOW, tmp_path / "portal").splitlines()[-1])
    assert again["one"] == told["one"]
    assert {page for page, (code, _) in again["pages"].items() if code != 200} == set()
