"""One worker's hold on blocks: it leases a few, says which one it is at, and shows that it lives."""

from __future__ import annotations

import errno
import random
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from organelle.blocks.leases import Process, Watch, head_line, lease_text
from organelle.blocks.ledger_states import DONE, LEASED

if TYPE_CHECKING:
    from organelle.blocks.ledger import Ledger

BEATS = 8
"""Signs of life within the patience of a ledger."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between looks for blocks that others give back."""


class Holder:
    """A worker of `ledger`; used as a context, at whose end it gives back what it holds and has not done.

    One thread works with it; another one shows that it lives. `name` tells what people call a block.
    """

    def __init__(self, ledger: Ledger, name: Callable[[int], str] = str) -> None:
        self.ledger, self.name = ledger, name
        self._left: set[int] = set()
        self._path: Path | None = None
        self._beat = 0
        self._current: int | None = None
        self._from = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watch = Watch(ledger.patience)
        self._heart = threading.Thread(target=self._live, daemon=True, name="lease")

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join()
        self.give_back()

    def take(self, most: int) -> list[int]:
        """Lease up to `most` waiting blocks, in order; those held before are given back. Maybe none waits."""
        self.give_back()
        path = self.ledger.folder / Process.own().file_name(uuid.uuid4().hex)
        with self.ledger.states.locked() as states:
            blocks = states.waiting(self._from, most)
            if not blocks:
                return []
            path.write_bytes(lease_text(0, None, blocks))
            for block in blocks:
                states.write(block, LEASED + int(states.read(block, 1)[0]))
        with self._lock:
            self._path, self._current, self._from = path, None, blocks[-1] + 1
            self._left = set(blocks)
        return blocks

    def wait(self, most: int) -> list[int]:
        """Like `take`, but while none waits and others hold some, wait for those or their holders' death.

        Empty means that every block is done or given up.
        """
        pause = SHORTEST_PAUSE
        while True:
            if blocks := self.take(most):
                return blocks
            if not self.ledger.tally().left:
                return []
            self.take_from_the_dead()
            self._over.wait(pause * random.uniform(0.5, 1.0))
            pause = min(1.5 * pause, LONGEST_PAUSE, self.ledger.patience / 4)

    def begin(self, block: int) -> bool:
        """Say that `block` is worked on now; False if the lease was taken away meanwhile."""
        with self._lock:
            self._current = block
            return self._write_head()

    def finish(self, block: int) -> None:
        """Note that `block` is done: its results are written, whoever holds it now."""
        with self.ledger.states.locked() as states:
            states.write(block, DONE)
        self._left.discard(block)

    def fail(self, block: int, reason: str) -> None:
        """Note that `block` failed, unless it was taken away meanwhile: then it is another worker's."""
        with self.ledger.states.locked() as states:
            if block in self._left and self._holds():
                self.ledger.count_failure(states, block, self.name(block), reason)
        self._left.discard(block)

    def give_back(self) -> None:
        """Let the blocks wait that are held and not done; none of them counts as failed."""
        if self._path is None:
            return
        with self.ledger.states.locked() as states:
            if self._holds():
                for block in self._left:
                    states.free(block)
                self._path.unlink(missing_ok=True)
        with self._lock:
            self._path, self._current = None, None
        self._left.clear()

    def take_from_the_dead(self) -> None:
        """Free what dead workers held, and what was lost between two writes."""
        for lease in self._watch.lost(self.ledger.leases()):
            self.ledger.take_back(lease, f"its worker ({lease.owner}) died or was killed at it", self.name)
        self.ledger.free_strays()

    def _holds(self) -> bool:
        """Whether nobody took the lease away; the ledger is locked."""
        return self._path is not None and self._path.exists()

    def _live(self) -> None:
        while not self._over.wait(self.ledger.patience / BEATS):
            with self._lock, suppress(OSError):  # a missed beat is no harm
                self._write_head()

    def _write_head(self) -> bool:
        """Change the first line of the lease; False if there is none any more."""
        if self._path is None:
            return False
        self._beat += 1
        try:
            with self._path.open("r+b", buffering=0) as file:
                file.write(head_line(self._beat, self._current))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESTALE):
                raise
            return False
        return True
