"""The state of every block in one sparse file, a byte each, changed under a lock of the file system.

What is relied on:

- `fcntl` locks on the file that exclude each other between all hosts that share it: ext4, xfs, GPFS, NFS 4,
  NFS 3 with its lock service, Lustre mounted with `flock`. A file system without locks is told; one that only
  pretends (`nolock`, `localflock`) cannot be found out, and lets two workers do one block, which does no
  harm to results (see `Work`).
- Taking the lock on a freshly opened file shows what the last holder wrote. NFS promises that.
- A byte is written or not. Nothing is relied on about longer writes.

The file is never mapped into memory: maps on network file systems show old bytes.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from organelle.errors import LedgerError, LedgerGone

LEASED = 0x20
"""Added to the number of failures of a block that a worker holds."""
DONE = ord("D")
FAILED = ord("F")
MOST_TRIES = 15
"""Below it, a state is a waiting block's number of failures."""

HEADER_BYTES = 64
SCAN_BYTES = 1 << 20
LOCK_SECONDS = 120
"""How long a lock may be held by others. They hold it for milliseconds, unless one was paused just then."""

_MAGIC = b"organelle states 1 "
_KNOWN = np.zeros(256, bool)
_KNOWN[[*range(MOST_TRIES), *range(LEASED, LEASED + MOST_TRIES), DONE, FAILED]] = True
_mutexes: dict[str, threading.Lock] = {}
"""One per file: `fcntl` locks do not exclude threads, and fall when any thread closes the file."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many blocks are in which state."""

    waiting: int
    leased: int
    done: int
    failed: int

    @property
    def left(self) -> int:
        """Blocks that are neither done nor given up."""
        return self.waiting + self.leased


@dataclass(frozen=True, slots=True)
class StateFile:
    """The file at `path`: `count` states behind a header that names the job by its `stamp` (40 letters)."""

    path: Path
    count: int
    stamp: str

    def create(self) -> None:
        """Write the header; every block waits. Takes one block of the disk until states are written."""
        with self.path.open("wb") as file:
            file.write(self._header())
            file.truncate(HEADER_BYTES + self.count)

    def check(self) -> None:
        """Read every byte; `LedgerError` unless they are this job's states."""
        with self.open() as states:
            head = os.pread(states.file, HEADER_BYTES, 0)
            size = os.fstat(states.file).st_size
            if head != self._header():
                raise self.damaged("its header is not that of this job")
            if size != HEADER_BYTES + self.count:
                raise self.damaged(f"it has {size} bytes instead of {HEADER_BYTES + self.count}")
            for start, part in states.parts():
                if not _KNOWN[part].all():
                    at = int(np.flatnonzero(~_KNOWN[part])[0])
                    raise self.damaged(f"the state of block {start + at} is {int(part[at])}, which none has")

    @contextmanager
    def open(self) -> Iterator[States]:
        """The states to read, while others may change them."""
        with _mutexes.setdefault(os.path.realpath(self.path), threading.Lock()):
            try:
                file = os.open(self.path, os.O_RDWR)
            except FileNotFoundError:
                raise LedgerGone(
                    f"{self.path} is gone: somebody finished the work, or removed the ledger; start again"
                ) from None
            try:
                yield States(self, file)
            finally:
                os.close(file)

    @contextmanager
    def locked(self) -> Iterator[States]:
        """The states to read and write, while nobody else does.

        Raises:
            LedgerError: the file system has no locks, or somebody kept the lock for `LOCK_SECONDS`.
        """
        with self.open() as states:
            self._lock(states.file)
            yield states  # closing the file gives the lock back

    def damaged(self, what: str) -> LedgerError:
        """The error for a file that cannot be trusted."""
        return LedgerError(
            f"{self.path} is damaged: {what}. It cannot be trusted; remove the folder {self.path.parent} "
            "and start again: every block is then done anew"
        )

    def _header(self) -> bytes:
        return (_MAGIC + self.stamp.encode()).ljust(HEADER_BYTES - 1)[: HEADER_BYTES - 1] + b"\n"

    def _lock(self, file: int) -> None:
        import fcntl

        end, pause = time.monotonic() + LOCK_SECONDS, 0.0005
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EINTR):
                    raise LedgerError(
                        f"{self.path} cannot be locked ({error.strerror}); choose a work folder on a file "
                        "system with file locks (NFS 4; Lustre mounted with flock)"
                    ) from error
            if time.monotonic() > end:
                raise LedgerError(
                    f"{self.path} has been locked for {LOCK_SECONDS} s; a process that uses it was paused or "
                    "hangs: end it, and start again"
                )
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, 0.05)


@dataclass(frozen=True, slots=True)
class States:
    """The states of an open file."""

    of: StateFile
    file: int

    def read(self, start: int, count: int) -> NDArray[np.uint8]:
        """States of blocks from `start` on: uint8, `count` of them or as many as there are."""
        count = max(0, min(count, self.of.count - start))
        data = os.pread(self.file, count, HEADER_BYTES + start)
        if len(data) != count:
            raise self.of.damaged(f"it ends before block {start + len(data)}")
        return np.frombuffer(data, np.uint8)

    def parts(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """All states, in parts of at most `SCAN_BYTES`, each behind its first block."""
        for start in range(0, self.of.count, SCAN_BYTES):
            yield start, self.read(start, SCAN_BYTES)

    def write(self, block: int, state: int) -> None:
        """Set the state of one block."""
        os.pwrite(self.file, bytes([state]), HEADER_BYTES + block)

    def failures_of_leased(self, block: int) -> int | None:
        """How often a leased block has failed so far; None if it is not leased (any more)."""
        state = int(self.read(block, 1)[0])
        return state - LEASED if LEASED <= state < LEASED + MOST_TRIES else None

    def free(self, block: int) -> None:
        """Let a block wait that is leased; any other stays what it is, above all one that is done."""
        if (failures := self.failures_of_leased(block)) is not None:
            self.write(block, failures)

    def waiting(self, start: int, most: int) -> list[int]:
        """The next `most` waiting blocks from `start` on; those before it when there are none behind.

        Blocks that have failed come last, when no other is left: a bad minute of a machine or network, in
        which workers die one after the other, does not use up all tries of the block that they begin with.
        """
        for low, high in ((0, 1), (1, MOST_TRIES)):
            for first, stop in ((start, self.of.count), (0, start)):
                if found := self._waiting(first, stop, most, low, high):
                    return found
        return []

    def tally(self) -> Tally:
        """Count them."""
        waiting = done = failed = 0
        for _, part in self.parts():
            waiting += int(np.count_nonzero(part < MOST_TRIES))
            done += int(np.count_nonzero(part == DONE))
            failed += int(np.count_nonzero(part == FAILED))
        return Tally(waiting, self.of.count - waiting - done - failed, done, failed)

    def which(self, low: int, high: int | None = None) -> list[int]:
        """Blocks whose state is `low`, or from `low` to below `high`."""
        found: list[int] = []
        for start, part in self.parts():
            here = (part >= low) & (part < (low + 1 if high is None else high))
            found += (np.flatnonzero(here) + start).tolist()
        return found

    def _waiting(self, start: int, stop: int, most: int, low: int, high: int) -> list[int]:
        """Up to `most` blocks from `start` to below `stop` whose state is from `low` to below `high`."""
        found: list[int] = []
        step = 1 << 12
        while start < stop and len(found) < most:
            part = self.read(start, min(step, stop - start))
            here = (part >= low) & (part < high)
            found += (np.flatnonzero(here)[: most - len(found)] + start).tolist()
            start += len(part)
            step = min(4 * step, SCAN_BYTES)
        return found
