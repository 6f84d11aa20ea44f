"""A portal as a process of its own, which can be killed, and a wire to it that can be cut."""

from __future__ import annotations

import os
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PIECE = 1 << 16

PREPARE = """
import sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.challenge.rules import rules_version
user = User.objects.of("ada@lab.example")
user.rules_accepted = rules_version()
user.save()
Membership.objects.create(user=user, team=Team.objects.create(name="Golgi", slug="golgi"), leads=True)
print(ApiToken.make(user, "laptop", ["submit"])[1])
"""

LINK = """
import sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from organelle.portal.accounts.models import LoginLink
print(LoginLink.make("ada@lab.example")[1])
"""


ORGANISER = """
import sys
from pathlib import Path
from organelle.portal.start import prepare
prepare(Path(sys.argv[1]))
from organelle.portal.accounts.models import ApiToken, User
user = User.objects.of("chief@lab.example")
user.is_staff = user.is_superuser = True
user.save()
for n in range(99):
    print(ApiToken.make(user, f"desk {n}", list(ApiToken.Scope.values))[1])
"""


@dataclass
class RunningPortal:
    """A web server without workers; `token` lets Ada of the team Golgi hand in."""

    folder: Path
    port: int
    token: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        from organelle.portal.config import load_config
        from organelle.portal.start import children

        web = children(self.folder, self.port, "127.0.0.1", load_config(self.folder, {}))[0]
        self.process = subprocess.Popen(web.command, env=web.environment, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as wire:
                wire.sendall(b"OPTIONS /api/uploads/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
                if wire.recv(20):
                    return
            time.sleep(0.05)
        raise TimeoutError("the portal did not start")

    def kill(self) -> None:
        """All of its processes at once, with SIGKILL."""
        assert self.process is not None
        os.killpg(self.process.pid, 9)
        self.process.wait()

    def memory_mib(self) -> float:
        """Resident memory of all of its processes."""
        import psutil

        assert self.process is not None
        family = [psutil.Process(self.process.pid)]
        family += family[0].children(recursive=True)
        return sum(one.memory_info().rss for one in family) / 2**20

    def sign_in_link(self) -> str:
        """By which Ada signs in, once."""
        return f"{self.url}/sign-in/{run_program(LINK, self.folder).strip()}/"

    def organiser_tokens(self) -> list[str]:
        """Tokens of an organiser with all scopes: so many that none of them is too fast."""
        return run_program(ORGANISER, self.folder).split()

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """What its database answers."""
        with closing(sqlite3.connect(self.folder / "portal.sqlite3", timeout=30)) as database, database:
            return database.execute(question).fetchall()

    def stored(self) -> dict[str, Path]:
        """By hash, where the files of its submissions should lie."""
        found = self.rows("SELECT sha256 FROM submissions_submission")
        return {sha: self.folder / "submissions" / sha[:2] / f"{sha}.zip" for (sha,) in found}

    def parts(self) -> list[Path]:
        """Files in the folder of uploads."""
        return sorted((self.folder / "uploads").iterdir())


@contextmanager
def running_portal(folder: Path, settings: str = "") -> Iterator[RunningPortal]:
    """One that runs until the block ends; `settings` are more lines of its `portal.toml`."""
    folder.mkdir(exist_ok=True)
    (folder / "portal.toml").write_text(f"workers = 0\n{settings}")
    token = run_program(PREPARE, folder).strip()
    portal = RunningPortal(folder, free_port(), token)
    portal.start()
    try:
        yield portal
    finally:
        portal.kill()


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def run_program(program: str, folder: Path) -> str:
    """What this program prints of the portal in `folder`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CSC_PORTAL")}
    command = [sys.executable, "-c", program, str(folder)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


@dataclass
class Wire:
    """A way to a port that breaks, with a reset, after so many bytes each time; then it holds.

    `cuts` are the bytes that pass towards the portal before each break; `cut` tells how many there were.
    """

    target: int
    cuts: list[int]
    port: int = 0
    cut: int = 0

    @contextmanager
    def laid(self) -> Iterator[str]:
        """Its address, until the block ends."""
        server = socket.create_server(("127.0.0.1", 0))
        self.port = server.getsockname()[1]
        thread = threading.Thread(target=self._accept, args=(server,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.close()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with suppress(OSError), closing(near), socket.create_connection(("127.0.0.1", self.target)) as far:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    data = ready.recv(PIECE)
                    if not data or (ready is near and self._breaks(len(data))):
                        return
                    (far if ready is near else near).sendall(data)

    def _breaks(self, size: int) -> bool:
        if not self.cuts:
            return False
        self.cuts[0] -= size
        if self.cuts[0] > 0:
            return False
        self.cuts.pop(0)
        self.cut += 1
        return True
