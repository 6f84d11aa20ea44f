"""A portal in a folder, with files handed in and real workers, and what tests do to them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.catalog import load_catalog
from organelle.evaluate import simulate
from organelle.files import sha256
from organelle.portal.folder import PortalFolder

START = """
import json, sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from organelle.portal.accounts.models import Membership, Team, User
from organelle.portal.submissions.models import Submission
for number, (name, sha, size) in enumerate(json.loads(sys.argv[2])):
    team, made = Team.objects.get_or_create(name=f"team {number % 4}", slug=f"team-{number % 4}")
    if made:
        Membership.objects.create(user=User.objects.of(f"p{number}@lab.example"), team=team)
    Submission.objects.create(team=team, sha256=sha, size_bytes=size, name=name)
"""


@dataclass
class WorkingPortal:
    """One folder; `challenge` holds tables and `truth.zarr`, of which it takes a copy of its own."""

    root: Path
    challenge: Path
    lease_seconds: float = 2.0
    tables: Path | None = None
    """A database to begin with; without it the tables are made."""

    @property
    def folder(self) -> PortalFolder:
        return PortalFolder(self.root / "portal")

    @property
    def truth(self) -> Path:
        return self.root / "truth.zarr"

    def begin(self, submissions: int) -> WorkingPortal:
        """Set it up, with so many submissions of four teams, each with other errors."""
        shutil.copytree(self.challenge / "truth.zarr", self.truth)
        self.folder.make()
        if self.tables:
            shutil.copyfile(self.tables, self.folder.database)
        (self.folder.root / "portal.toml").write_text(
            f'truth = "{self.truth}"\ncatalog = "{self.challenge}"\nscoring_processes = 1\n'
            f"lease_seconds = {self.lease_seconds}\n[limits]\nper_day = 100\nconcurrent = 100\n"
        )
        made = [self._draw(number) for number in range(submissions)]
        self.run(START, str(self.folder.root), json.dumps(made))
        return self

    def run(self, script: str, *arguments: str) -> str:
        """Run a script in a process of the portal; what it printed."""
        found = subprocess.run(
            [sys.executable, "-c", script, *arguments], env=self.environment, check=True, capture_output=True
        )
        return found.stdout.decode()

    @property
    def environment(self) -> dict[str, str]:
        others = {k: v for k, v in os.environ.items() if not k.startswith("CSC_PORTAL_")}
        return others | {
            "CSC_PORTAL_FOLDER": str(self.folder.root),
            "DJANGO_SETTINGS_MODULE": "organelle.portal.settings",
        }

    @contextmanager
    def worker(self, name: str = "one", **environment: str) -> Iterator[subprocess.Popen]:
        """A worker, killed when the block ends if it still lives."""
        command = [sys.executable, "-m", "organelle.portal.scoring.worker", name]
        with (self.root / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment | environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def ask(self, sql: str) -> list[Any]:
        """Rows of a query."""
        with closing(sqlite3.connect(self.folder.database, timeout=30)) as database:
            return database.execute(sql).fetchall()

    def states(self) -> dict[str, int]:
        return dict(self.ask("SELECT state, count(*) FROM submissions_submission GROUP BY state"))

    def wait_for(self, what: Callable[[], bool], seconds: float = 60) -> None:
        """Until `what` is true; the worker's log in the error if that never happens."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                told = (self.root / "worker.log").read_text()[-3000:]
                raise AssertionError(f"it did not happen: {self.states()}\n{told}")
            time.sleep(0.02)

    def wait_until_over(self, seconds: float = 60) -> None:
        over = {"scored", "failed", "refused", "held", "cancelled"}
        self.wait_for(lambda: set(self.states()) <= over, seconds)

    def log(self) -> str:
        return (self.root / "worker.log").read_text()

    def _draw(self, number: int) -> tuple[str, str, int]:
        path = self.root / f"drawn-{number}.zip"
        catalog = load_catalog(self.challenge)
        simulate(self.truth, catalog, path, seed=number)
        digest = sha256(path)
        final = self.folder.submissions / digest[:2] / f"{digest}.zip"
        final.parent.mkdir(parents=True, exist_ok=True)
        path.replace(final)
        return path.name, final.stem, final.stat().st_size
