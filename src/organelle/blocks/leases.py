"""Leases: which worker holds which blocks, one small file per worker that holds any.

A worker shows that it lives by changing a count in its lease. Whoever waits for its blocks watches the
count, and takes it for dead when nothing has changed for the ledger's `patience`, by the watcher's own
monotonic clock: clocks of hosts or file servers are never compared, and times of files are not looked at.
Only time between looks counts, and of each pause between two looks a quarter of the patience at most, so
that a watcher, or a file server, that hung itself takes nobody for dead. A process of the same host and boot
is asked for directly, and known to be dead at once.

The first line of a lease has one length and is written in place; its checksum tells a line that was read
while it was being written, which counts as a sign of life. The other line, the blocks, is written once.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SUFFIX = ".lease"
_HEAD = re.compile(rb"(\d{12} [+-]\d{12}) ([0-9a-f]{8})\n")
_HIDDEN = "hidden"
_ENDED = (b"Z", b"X")

PARENT_SECONDS = 2.0
"""What a parent has to notice the death of its child, before others take back what that held."""

_NAME = re.compile(r"(?P<host>[\w.-]+)~(?P<boot>\w*)~(?P<pid>\d+)~(?P<start>\d*)~\w+\.lease")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of any host; `boot` and `start` are empty where the system does not tell them."""

    host: str
    boot: str
    pid: int
    start: str

    @staticmethod
    def own() -> Process:
        """This one."""
        host = re.sub(r"[^\w.-]", "_", socket.gethostname())[:60] or "unnamed"
        return Process(host, _boot(), os.getpid(), _started(os.getpid()) or "")

    @staticmethod
    def of(path: Path) -> Process | None:
        """The one that wrote the lease at `path`, by its name; None if that is no name of a lease."""
        if (match := _NAME.fullmatch(path.name)) is None:
            return None
        return Process(match["host"], match["boot"], int(match["pid"]), match["start"])

    def is_gone(self) -> bool:
        """Whether it is known to have ended; never true of other hosts, containers and times before boot."""
        known = bool(self.boot and self.start) and self.boot == _boot()
        return known and _started(self.pid) not in (self.start, _HIDDEN)

    def awaits_parent(self) -> bool:
        """Whether nothing but its exit status is left, which its parent has not taken yet."""
        return bool(self.boot) and self.boot == _boot() and _state(self.pid) in _ENDED

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def file_name(self, word: str) -> str:
        """The name of a lease of this process; `word` tells its leases apart."""
        return f"{self.host}~{self.boot}~{self.pid}~{self.start}~{word}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its file shows it."""

    path: Path
    owner: Process
    beat: bytes
    """Changes as long as the owner lives."""
    current: int | None
    """The block that is being worked on."""
    blocks: tuple[int, ...]
    """Those that were leased. Some of them may be done, and leased by somebody else again."""


def lease_text(beat: int, current: int | None, blocks: list[int]) -> bytes:
    """Both lines of a lease."""
    return head_line(beat, current) + json.dumps(blocks).encode() + b"\n"


def head_line(beat: int, current: int | None) -> bytes:
    """The line that is written again and again."""
    head = b"%012d %+013d" % (beat, -1 if current is None else current)
    return head + b" %08x\n" % zlib.crc32(head)


def read_leases(folder: Path) -> list[Lease]:
    """All leases in `folder`; one whose blocks cannot be read holds none."""
    found = (_read(path) for path in sorted(folder.glob(f"*{SUFFIX}")))
    return [lease for lease in found if lease is not None]


def _read(path: Path) -> Lease | None:
    owner = Process.of(path)
    try:
        data = path.read_bytes()
    except OSError:  # given back meanwhile
        return None
    if owner is None:
        return None
    head, _, rest = data.partition(b"\n")
    match = _HEAD.fullmatch(head + b"\n")
    current = int(match[1].split()[1]) if match and zlib.crc32(match[1]) == int(match[2], 16) else -1
    return Lease(path, owner, head, current if current >= 0 else None, _blocks(rest))


def _blocks(line: bytes) -> tuple[int, ...]:
    try:
        found = json.loads(line) if line.endswith(b"\n") else []
    except ValueError:
        return ()
    return tuple(b for b in found if isinstance(b, int)) if isinstance(found, list) else ()


@dataclass(slots=True)
class Watch:
    """What one process has seen of the others' leases."""

    patience: float
    _silence: dict[str, tuple[bytes, float, float]] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)

    def lost(self, leases: list[Lease]) -> list[Lease]:
        """Those of `leases` whose owners are dead, or silent for `patience` seconds.

        A parent knows better of what its child died, and has `PARENT_SECONDS` to take back what that held.
        """
        now = time.monotonic()
        self._silence = {lease.path.name: self._look(lease, now) for lease in leases}
        ended = [lease.path.name for lease in leases if lease.owner.awaits_parent()]
        self._ended = {name: self._ended.get(name, now) for name in ended}
        return [
            lease
            for lease in leases
            if (lease.owner.is_gone() and not self._is_the_parents(lease, now))
            or self._silence[lease.path.name][1] >= self.patience
        ]

    def _is_the_parents(self, lease: Lease, now: float) -> bool:
        since = self._ended.get(lease.path.name)
        return since is not None and now - since < PARENT_SECONDS

    def _look(self, lease: Lease, now: float) -> tuple[bytes, float, float]:
        beat, silence, looked = self._silence.get(lease.path.name, (b"", 0.0, now))
        if beat != lease.beat:
            return lease.beat, 0.0, now
        return beat, silence + min(now - looked, self.patience / 4), now


@cache
def _boot() -> str:
    """What processes that see the same process numbers share: this boot, and this container's numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return f"{zlib.crc32((boot + os.readlink('/proc/self/ns/pid')).encode()):08x}"  # noqa: PTH115
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process was started, in ticks since boot; None if there is none, or only its exit status."""
    try:
        fields = _stat(pid)
    except OSError:
        return _HIDDEN if _may_exist(pid) else None
    return None if fields[0] in _ENDED else fields[19].decode()


def _state(pid: int) -> bytes:
    """The letter of its state; nothing when there is none, or it is hidden."""
    try:
        return _stat(pid)[0]
    except OSError:
        return b""


def _stat(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _may_exist(pid: int) -> bool:
    """Whether there is such a process, even if the system hides those of other users."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return False  # it ended between two looks
