"""Programs run outside of the repository, in environments made for the occasion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*command: str | Path, where: Path, status: int = 0) -> str:
    """What `command` prints; unless it ends with `status`, the test ends with everything that it said."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CSC_"))}
    done = subprocess.run(
        command,
        cwd=where,
        env=outside,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def install(folder: Path, *what: str, constraints: Path) -> Path:
    """The programs of a fresh environment below `folder` that holds `what`."""
    run(sys.executable, "-m", "venv", folder / "venv", where=folder)
    programs = folder / "venv" / "bin"
    run(programs / "pip", "install", "--quiet", "--no-compile", "-c", constraints, *what, where=folder)
    return programs
