"""What is given to a child process, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one job may use."""

    memory_bytes: int = GIB
    """Beyond what the child holds before the job starts."""
    cpu_seconds: float = 600
    wall_seconds: float = 3600


@dataclass(frozen=True, slots=True)
class Job:
    """Arguments of one call (JSON values), under a name that is unique among the jobs of a run."""

    key: str
    arguments: Mapping[str, Any] = field(hash=False)
    allowance: Allowance = Allowance()


class Why(StrEnum):
    """Why there is no value."""

    MEMORY = "memory"
    """It asked for more than its allowance."""
    CPU = "cpu"
    """It computed longer than its allowance."""
    WALL = "wall"
    """It took longer than its allowance."""
    CRASH = "crash"
    """The process broke down."""
    KILLED = "killed"
    """Somebody else killed it, and again each time it was tried once more."""
    ERROR = "error"
    """The function raised an error of the family."""
    FAULT = "fault"
    """The function raised any other error: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no value; `str()` is a sentence without a full stop."""

    why: Why
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job: exactly one of `value` and `failure` means something."""

    key: str
    value: Any = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a child, for logs and progress.

    `what` is `started` (with a job), a phase that the function told, `finished`, or `died`.
    """

    what: str
    key: str
    pid: int
    detail: str = ""
