"""Claim: `csc --help` and every question to the catalog are answered within 0.3 s of CPU time."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    ["--help"],
    ["catalog", "crops", "--class", "mito", "--max-voxel-size", "4"],
    ["catalog", "crops"],
    ["catalog", "crops", "--json"],
    ["catalog", "datasets"],
    ["catalog", "classes"],
    ["catalog", "class", "mito"],
    ["get-counts"],
)


def main() -> None:
    """Print user and system time of each command: best of ten runs."""
    for command in COMMANDS:
        print(f"csc {' '.join(command)}: {min(seconds_of(command) for _ in range(10)):.2f} s of CPU time")


def seconds_of(command: list[str]) -> float:
    """User and system time of one run."""
    csc = Path(sys.executable).with_name("csc")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([csc, *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
