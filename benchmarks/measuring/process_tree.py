"""CPU time and memory of a program and of all processes that it starts (Linux)."""

from __future__ import annotations

import ctypes
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
INTERVAL_SECONDS = 0.05
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Used:
    """User and system time of all processes; the largest memory of all together and of one.

    Memory that processes share counts once in the sum (proportional set size), and in full in the largest.
    """

    cpu_seconds: float
    peak_tree_bytes: int
    peak_process_bytes: int


class ProcessTree:
    """Made before the program starts; `watch` returns when it and all that it started have ended.

    This process adopts orphans, because the time of a process only counts where it is waited for: servers
    that fork others outlive the program that started them.
    """

    def __init__(self) -> None:
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "this system has no child subreapers")
        self._me = psutil.Process()
        self._others = set(self._me.children(recursive=True))
        self._seconds = _children_seconds()
        self._tree = self._process = 0

    def watch(self, child: subprocess.Popen[bytes]) -> Used:
        """Look at all processes, again and again, until the last has ended."""
        while child.poll() is None:
            self._look()
            time.sleep(INTERVAL_SECONDS)
        _, alive = psutil.wait_procs(self._found(), timeout=PATIENCE_SECONDS)
        if alive:
            raise RuntimeError(f"still running after the program: {alive}")
        return Used(_children_seconds() - self._seconds, self._tree, self._process)

    def _found(self) -> list[psutil.Process]:
        return [p for p in self._me.children(recursive=True) if p not in self._others]

    def _look(self) -> None:
        together = 0
        for process in self._found():
            try:
                together += process.memory_full_info().pss
                self._process = max(self._process, _peak_bytes(process.pid))
            except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
                continue  # it has just ended
        self._tree = max(self._tree, together)


def _peak_bytes(pid: int) -> int:
    """The most resident memory that a process has had; 0 if it has just given all back."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
