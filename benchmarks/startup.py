"""Claim: `csc --help` answers within 0.3 s of CPU time."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Print user and system time: best of ten runs."""
    csc = Path(sys.executable).with_name("csc")
    seconds = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([csc, "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    print(f"csc --help: {min(seconds):.2f} s of CPU time")


if __name__ == "__main__":
    main()
