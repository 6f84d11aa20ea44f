"""Several who do the same thing at the same moment, on a database file: one succeeds, the others are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import json, os, threading
from collections import Counter
from pathlib import Path
from django.db import connection
from organelle.portal.start import prepare

prepare(Path(os.environ["CSC_PORTAL_FOLDER"]))
from organelle.portal.accounts import sign_in, teams
from organelle.portal.accounts.models import LoginLink, Membership, Team, User
from organelle.portal.challenge.pace import may

def race(act, runners=6):
    start, ends = threading.Barrier(runners), Counter()
    def run(number):
        start.wait()
        try:
            ends["done" if act(number) else "not"] += 1
        except Exception as error:
            ends[type(error).__name__] += 1
        connection.close()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(runners)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return ends

def person(number):
    return User.objects.of(f"p{number}@lab.example")

_, word = LoginLink.make("ada@lab.example")
told = {
    "link": race(lambda _: sign_in.use_link(word)),
    "pace": race(lambda _: may("knock", "ada", most=2, seconds=60)),
    "one person": race(lambda n: person(0).pk),
    "teams of one": race(lambda n: teams.make_team(User.objects.get(email="ada@lab.example"), f"Team {n}")),
    "one name": race(lambda n: teams.make_team(person(n), "Same")),
}
ada = User.objects.get(email="ada@lab.example")
_, word, _ = teams.invite(teams.team_of(ada), "x@lab.example", ada)
told["join"] = race(lambda n: teams.join(word, person(n + 10)))
for n in range(20, 26):
    teams.make_team(person(n), f"Before {n}")
told["other name"] = race(lambda n: teams.rename(teams.team_of(person(n + 20)), person(n + 20), "Other") or 1)
told["left"] = {"people": Membership.objects.count(), "teams": Team.objects.count()}
print("told", json.dumps(told))
"""


def test_one_of_many_succeeds(portal_of_its_own):
    environment = os.environ | {"CSC_PORTAL_FOLDER": str(portal_of_its_own.root)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("told "))[5:])
    assert told == {
        "link": {"done": 1, "LinkGone": 5},
        "pace": {"done": 2, "not": 4},
        "one person": {"done": 6},
        "teams of one": {"done": 1, "TeamError": 5},
        "one name": {"done": 1, "TeamError": 5},
        "join": {"done": 1, "InvitationGone": 5},
        "other name": {"done": 1, "TeamError": 5},
        "left": {"people": 9, "teams": 8},
    }
