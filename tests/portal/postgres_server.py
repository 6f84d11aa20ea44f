"""PostgreSQL of this machine, as a server that a test has for itself."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_portal import free_port


@contextmanager
def serve_postgres(user: str, database: str, password: str = "") -> Iterator[int]:
    """The port of a server with an empty database, until the block ends; without a password all may in."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL is installed")
    home, port = Path(tempfile.mkdtemp(prefix="portal-pg-")), free_port()
    owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    secret = home / "password"
    secret.write_text(password)
    if owner:
        for path in (home, secret):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    asked = ["-A", "scram-sha-256", "--pwfile", secret] if password else ["-A", "trust"]

    def run(program: str, *words: object) -> None:
        subprocess.run(
            [programs[-1] / program, *map(str, words)],
            check=True,
            user=owner and owner.pw_uid,
            cwd=home,
            env=os.environ | {"PGPASSWORD": password},
            stdout=subprocess.DEVNULL,
        )

    try:
        run("initdb", "-D", home / "db", "-U", user, "-E", "UTF8", *asked)
        run("pg_ctl", "-D", home / "db", "-w", "-l", home / "log", "-o", f"-p {port} -k {home}", "start")
        try:
            run("createdb", "-h", "127.0.0.1", "-p", port, "-U", user, database)
            yield port
        finally:
            run("pg_ctl", "-D", home / "db", "-m", "fast", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
