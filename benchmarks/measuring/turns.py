"""Programs that take turns, each in a process of its own, so that all meet the same moods of one machine.

Needs nothing but the standard library: the other side may run in another environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PATIENCE_SECONDS = 300.0


class Player:
    """A module of this folder, run by an interpreter, that answers what it is asked in its turn."""

    def __init__(self, python: Path | str, module: str, *arguments: object, **environment: str) -> None:
        alone = dict.fromkeys(ONE_THREAD, "1")
        self._process = subprocess.Popen(
            [str(python), "-m", f"{HERE.name}.{module}", *map(str, arguments)],
            cwd=HERE.parent,
            env={**os.environ, **alone, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, action: str, **how: Any) -> dict[str, Any]:
        """The answer to one request; ends this program if the other has failed (it says why itself)."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the player was started without pipes")
        try:
            process.stdin.write(json.dumps({"action": action, **how}) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            sys.exit(f"{process.args} ended before it was asked to {action}")
        line = process.stdout.readline()
        if not line:
            sys.exit(f"{process.args} ended while asked to {action}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask_and_close(self, action: str) -> dict[str, Any]:
        """One question, no more."""
        answer = self.ask(action)
        self.close()
        return answer

    def close(self) -> None:
        """Let it end."""
        self._process.communicate(timeout=PATIENCE_SECONDS)


class Clock:
    """CPU seconds of each of many equal pieces of work, per patch; the first `skip` pieces do not count."""

    def __init__(self, patches: int, skip: int) -> None:
        self._patches, self._skip = patches, skip
        self._times = [(time.process_time(), time.perf_counter())]

    def tick(self) -> None:
        """A piece is done."""
        self._times.append((time.process_time(), time.perf_counter()))

    def read(self) -> dict[str, Any]:
        """`cpu` of each piece, and `wall` seconds per patch over all of them."""
        times = self._times[self._skip :]
        cpu = [(b[0] - a[0]) / self._patches for a, b in pairwise(times)]
        return {"cpu": cpu, "wall": (times[-1][1] - times[0][1]) / len(cpu) / self._patches}


def play(**actions: Callable[..., dict[str, Any]]) -> None:
    """Answer requests from standard input until it ends; `peak_bytes` tells the memory up to then."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    for line in sys.stdin:
        request = json.loads(line)
        found = actions[request.pop("action")](**request)
        print(json.dumps({**found, "peak_bytes": peak_bytes()}), file=answers, flush=True)


def peak_bytes() -> int:
    """The most resident memory of this process; unlike `ru_maxrss` it forgets who started it (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
