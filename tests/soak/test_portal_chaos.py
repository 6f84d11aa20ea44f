"""A portal whose parts are killed while it works: what it acknowledged is scored once, and rightly.

`CSC_KILLS=100` kills more often than the twenty times that are the rule here.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from organelle.catalog import load_catalog
from organelle.errors import OrganelleError
from organelle.evaluate import evaluate, simulate
from organelle.files import sha256
from organelle.pack import Portal, submit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "portal"))

from running_portal import free_port
from working_portal import WorkingPortal

pytestmark = [pytest.mark.soak, pytest.mark.longest]

KILLS = int(os.environ.get("CSC_KILLS", "20"))
SUBMISSIONS = 20
ROWS = 9
PATIENCE = 900 + 15 * KILLS

PEOPLE = """
import json
from organelle.portal.start import prepare
import sys; from pathlib import Path
prepare(Path(sys.argv[1]))
from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.challenge.rules import rules_version
words = []
for number in range(4):
    team = Team.objects.create(name=f"team {number}", slug=f"team-{number}")
    user = User.objects.of(f"p{number}@lab.example")
    user.rules_accepted = rules_version()
    user.save()
    Membership.objects.create(user=user, team=team)
    words.append(ApiToken.make(user, "soak", ["submit", "read"])[1])
print(json.dumps(words))
"""


@pytest.fixture
def portal(tmp_path: Path, tiny_challenge: Path) -> WorkingPortal:
    return WorkingPortal(tmp_path, tiny_challenge)


def require_scored_once(portal: WorkingPortal, submissions: int) -> None:
    assert portal.states() == {"scored": submissions}, portal.log()[-3000:]
    assert portal.ask("SELECT count(*) FROM scoring_result") == [(submissions,)]
    scored = "SELECT count(*) FROM submissions_transition WHERE target = 'scored' GROUP BY submission_id"
    assert portal.ask(scored) == [(1,)] * submissions
    assert portal.ask("SELECT DISTINCT state FROM scoring_task") == [("done",)]
    assert portal.ask("SELECT count(*) FROM news_outgoingmail") == [(submissions,)]


def done(portal: WorkingPortal) -> int:
    return portal.ask("SELECT count(*) FROM scoring_task WHERE state = 'done'")[0][0]


POINTS = {
    "while it checks": lambda p: p.ask(
        "SELECT 1 FROM scoring_job WHERE kind = 'check' AND state = 'running'"
    ),
    "while it starts to score": lambda p: p.ask("SELECT 1 FROM scoring_task WHERE state = 'leased'"),
    "between two rows": lambda p: done(p) >= 2,
    "when the first is scored": lambda p: "scored" in p.states(),
}


class TestAWorker:
    """Alone, on a database in a file."""

    def test_killed_at_every_point(self, portal):
        portal.begin(2)
        for when in POINTS.values():
            with portal.worker() as process:
                portal.wait_for(lambda when=when: bool(when(portal)))
                process.send_signal(signal.SIGKILL)
        with portal.worker():
            portal.wait_until_over()
        require_scored_once(portal, 2)
        assert portal.ask("SELECT count(*) FROM scoring_worker WHERE stopped IS NULL") == [(5,)]

    def test_its_children_that_are_killed_cost_nothing(self, portal):
        portal.begin(1)
        with portal.worker() as process:
            portal.wait_for(lambda: done(portal) >= 1)
            for child in psutil.Process(process.pid).children():
                child.kill()
            portal.wait_until_over()
        require_scored_once(portal, 1)
        assert '"stopped"' not in portal.ask("SELECT crops FROM scoring_result")[0][0]

    def test_two_of_one_name_share_the_work_and_sigterm_gives_it_back(self, portal):
        portal.lease_seconds = 600  # what is not given back stays taken
        portal.begin(2)
        with portal.worker("same") as one, portal.worker("same") as two:
            portal.wait_for(lambda: len(portal.ask("SELECT 1 FROM scoring_worker WHERE name = 'same'")) == 2)
            portal.wait_for(lambda: done(portal) >= 1)
            one.terminate()
            assert one.wait(timeout=20) == 0
            portal.wait_until_over()
            two.terminate()
            assert two.wait(timeout=20) == 0
        require_scored_once(portal, 2)
        assert portal.ask("SELECT count(*) FROM scoring_worker WHERE stopped IS NOT NULL") == [(2,)]
        assert not portal.ask("SELECT 1 FROM scoring_jobevent WHERE what IN ('lost', 'fault')")

    def test_a_truth_that_is_away_costs_nothing_and_organisers_are_told(self, portal):
        portal.begin(1)
        portal.truth.rename(portal.root / "away")
        with portal.worker():
            portal.wait_for(lambda: portal.states() == {"queued": 1})
            portal.wait_for(lambda: "gone" in portal.ask("SELECT doing FROM scoring_worker")[0][0])
            (portal.root / "away").rename(portal.truth)
            portal.wait_until_over()
        require_scored_once(portal, 1)
        assert not portal.ask("SELECT 1 FROM scoring_jobevent WHERE what = 'fault'")

    def test_a_database_without_room_is_waited_for(self, portal):
        portal.begin(1)
        (pages,) = portal.ask("PRAGMA page_count")[0]
        told = portal.run(FULL, f"PRAGMA journal_mode=WAL; PRAGMA max_page_count={pages + 1};")
        assert "database or disk is full" in told
        with portal.worker():
            portal.wait_until_over()
        require_scored_once(portal, 1)


FULL = """
import django, logging, sys
from organelle.portal import settings
settings.DATABASES["default"]["OPTIONS"]["init_command"] = sys.argv[1]
django.setup()
from organelle.portal.scoring.ending import Ending
from organelle.portal.scoring.rounds import Rounds
logging.getLogger("organelle.portal").addHandler(logging.StreamHandler(sys.stdout))
rounds = Rounds("full", Ending())
rounds._register()
for _ in range(6):
    rounds._try()
"""


@contextmanager
def running(portal: WorkingPortal, port: int) -> Iterator[psutil.Process]:
    """`csc portal` with web and workers; all of it is gone afterwards."""
    command = [Path(sys.executable).with_name("csc"), "portal", "--data", portal.folder.root, "--port", port]
    with (portal.root / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            list(map(str, command)), env=portal.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None


def victims(parent: psutil.Process) -> dict[str, list[psutil.Process]]:
    """What may be killed: web servers, workers, and what works for those."""
    found: dict[str, list[psutil.Process]] = {"web": [], "worker": [], "child": []}
    for process in parent.children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        kind = "web" if "gunicorn" in line else "worker" if "scoring.worker" in line else "child"
        found[kind].append(process)
    return found


def kill_at_random(portal: WorkingPortal, parent: psutil.Process, killed: Counter[str]) -> None:
    """Kill something whenever a share of all rows is done, each kind in its turn as far as there is some.

    So all kills fall into the time in which there is work, however fast the machine.
    """
    rng, deadline = random.Random(0), time.monotonic() + PATIENCE
    portal.wait_for(lambda: bool(portal.states()), PATIENCE)
    while killed.total() < KILLS and time.monotonic() < deadline:
        if done(portal) < killed.total() * SUBMISSIONS * ROWS / (KILLS + 1):
            time.sleep(0.05)
            continue
        time.sleep(rng.uniform(0, 1.5))
        there = {kind: some for kind, some in victims(parent).items() if some}
        if there:
            kind = min(there, key=lambda k: (killed[k], rng.random()))
            rng.choice(there[kind]).kill()
            killed[kind] += 1


def hand_in(path: Path, url: str, token: str, challenge: Path, deadline: float) -> str:
    """Hand in until it is acknowledged; the number that the portal gave."""
    while True:
        try:
            receipt = submit(path, Portal(url, token), load_catalog(challenge), check=False)
            return str(receipt.answer["id"])
        except OrganelleError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_web_worker_and_children_are_killed_and_each_submission_is_scored_once(portal, tiny_challenge):
    deadline = time.monotonic() + PATIENCE
    portal.begin(0)
    tokens = json.loads(portal.run(PEOPLE, str(portal.folder.root)))
    catalog, truth = load_catalog(tiny_challenge), tiny_challenge / "truth.zarr"
    files = [portal.root / f"file-{number}.zip" for number in range(SUBMISSIONS)]
    for number, path in enumerate(files):
        simulate(truth, catalog, path, seed=number)
    port, killed = free_port(), Counter[str]()
    with running(portal, port) as parent:
        killer = threading.Thread(target=kill_at_random, args=(portal, parent, killed))
        killer.start()
        with ThreadPoolExecutor(4) as people:
            where = f"http://127.0.0.1:{port}", tiny_challenge, deadline
            acknowledged = list(
                people.map(
                    lambda job: hand_in(job[1], where[0], tokens[job[0] % 4], where[1], where[2]),
                    enumerate(files),
                )
            )
        killer.join(timeout=max(1.0, deadline - time.monotonic()))
        portal.wait_until_over(max(60.0, deadline - time.monotonic()))
    events = dict(portal.ask("SELECT what, count(*) FROM scoring_jobevent GROUP BY what"))
    print(f"killed {dict(killed)}; {portal.states()}; events {events}")
    assert killed.total() >= KILLS
    assert len(set(acknowledged)) == SUBMISSIONS
    require_nothing_lost(portal, [number.replace("-", "") for number in acknowledged])
    for path in files:
        (found,) = portal.ask(f"SELECT scores FROM scoring_result WHERE sha256 = '{sha256(path)}'") or [None]
        if found is not None:
            right = evaluate(path, truth, catalog, workers=0).scores
            assert json.loads(found[0])["overall"] == right.overall


def require_nothing_lost(portal: WorkingPortal, acknowledged: list[str]) -> None:
    """Each was scored once, or has failed and says why."""
    found = {key: (state, reason) for key, state, reason in portal.ask(
        "SELECT id, state, reason FROM submissions_submission"
    )}  # fmt: skip
    assert set(found) == set(acknowledged)
    for key, (state, reason) in found.items():
        scored = portal.ask(
            f"SELECT count(*) FROM submissions_transition WHERE target = 'scored' AND submission_id = '{key}'"
        )[0][0]
        assert (state, scored) == ("scored", 1) or (state == "failed" and reason and not scored)
    states = Counter(state for state, _ in found.values())
    assert portal.ask("SELECT count(*) FROM scoring_result") == [(states["scored"],)]
    assert states["scored"] >= 0.9 * len(acknowledged), portal.log()[-5000:]
