"""Fifty readers and ten uploaders at once: nobody gets an error.

The figures that it prints (median and 99th percentile of answers) stand in `docs/how-to/portal.md`; they were
measured with `CSC_LOAD_S=60`, the seconds that it lasts.
"""

from __future__ import annotations

import http.client
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from organelle.pack import Portal
from organelle.pack.resumable import send_in_pieces

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "portal"))

from postgres_server import serve_postgres
from running_portal import RunningPortal, run_program, running_portal

pytestmark = [pytest.mark.soak, pytest.mark.alone]

READERS, UPLOADERS = 50, 10
SECONDS = float(os.environ.get("CSC_LOAD_S", "20"))
MOST_PAUSE_S = 1.0
"""Between two pages a reader looks at the first, evenly up to so long."""

UPLOAD_BYTES = 4 << 20
PAGES = (
    "/",
    "/datasets/",
    "/crops/?organism=mouse",
    "/classes/mito/",
    "/leaderboard/",
    "/news/",
    "/statistics/",
)
LIMITS = "[limits]\nper_day = 100000\ntotal = 100000\nconcurrent = 100000\n"

TOKENS = """
import sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.challenge.rules import rules_version
for number in range(10):
    user = User.objects.of(f"p{number}@lab.example")
    user.rules_accepted = rules_version()
    user.save()
    team = Team.objects.create(name=f"team {number}", slug=f"team-{number}")
    Membership.objects.create(user=user, team=team)
    print(ApiToken.make(user, "load", ["submit"])[1])
"""


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield ""


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    with serve_postgres("portal", "portal") as port:
        yield f"postgresql://portal@127.0.0.1:{port}/portal"


class Crowd:
    """What readers and uploaders met."""

    def __init__(self, portal: RunningPortal) -> None:
        self.portal = portal
        self.end = time.monotonic() + SECONDS
        self.errors: list[str] = []
        self.pages: list[float] = []
        self.uploads: list[float] = []

    def read(self, seed: int) -> None:
        """Look at page after page, over one connection as browsers do."""
        rng = random.Random(seed)
        wire = http.client.HTTPConnection("127.0.0.1", self.portal.port, timeout=60)
        while time.monotonic() < self.end:
            page, began = rng.choice(PAGES), time.monotonic()
            try:
                wire.request("GET", page)
                answer = wire.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                # The server may end a connection that is idle, and a browser then opens another.
                if not isinstance(error, http.client.RemoteDisconnected):
                    self.errors.append(f"{page}: {error!r}")
                wire.close()
                continue
            if answer.status != 200:
                self.errors.append(f"{page}: {answer.status}")
            self.pages.append(time.monotonic() - began)
            time.sleep(rng.uniform(0, MOST_PAUSE_S))
        wire.close()

    def upload(self, folder: Path, token: str, seed: int) -> None:
        """Hand in one drawn file after the other, with the client that `csc submit` is."""
        rng = np.random.default_rng(seed)
        portal = Portal(self.portal.url, token)
        while time.monotonic() < self.end:
            file = folder / f"{seed}-{len(self.uploads)}.zip"
            content = rng.bytes(UPLOAD_BYTES)
            file.write_bytes(content)
            began = time.monotonic()
            try:
                send_in_pieces(portal, file, sha256(content).hexdigest(), {"method": "load"})
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody met it
                self.errors.append(f"upload: {error!r}")
            self.uploads.append(time.monotonic() - began)
            file.unlink()

    def told(self, name: str) -> str:
        lines = [
            f"{name}, {SECONDS:g} s, {READERS} readers, {UPLOADERS} uploaders: {len(self.errors)} errors"
        ]
        for what, seconds in (("pages", self.pages), ("uploads of 4 MiB", self.uploads)):
            middle, high = 1000 * np.percentile(seconds, [50, 99])
            lines.append(f"  {len(seconds)} {what}: median {middle:.0f} ms, 99th percentile {high:.0f} ms")
        return "\n".join(lines)


@pytest.mark.parametrize(("database", "processes"), [(sqlite, 1), (postgresql, 1), (postgresql, 2)])
def test_a_crowd_gets_no_error(database, processes, tmp_path):
    with database(tmp_path) as address:
        settings = f'database = "{address}"\nweb_processes = {processes}\n{LIMITS}'
        with running_portal(tmp_path / "portal", settings) as portal:
            tokens = run_program(TOKENS, portal.folder).split()
            crowd = Crowd(portal)
            threads = [threading.Thread(target=crowd.read, args=(n,)) for n in range(READERS)]
            threads += [
                threading.Thread(target=crowd.upload, args=(tmp_path, token, n))
                for n, token in enumerate(tokens)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            stored = len(list((portal.folder / "submissions").rglob("*.zip")))
    print(f"\n{crowd.told(f'{database.__name__}, {processes} web processes')}")
    assert crowd.errors == []
    assert stored == len(crowd.uploads)
    assert len(crowd.pages) > READERS
