"""Jobs that wait, and the memory that is left for them."""

from __future__ import annotations

import queue
import threading

from organelle.children.jobs import Job, Outcome

OWN_BYTES = 400 << 20
"""What a child holds before its first job, about."""


class Waiting:
    """The jobs that nobody has taken yet, and the memory that nobody uses."""

    def __init__(self, jobs: list[Job], memory_bytes: int) -> None:
        self.jobs = jobs
        self.done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.over = threading.Event()
        self._left = sorted(jobs, key=_cost, reverse=True)
        self._free = memory_bytes
        self._busy = 0
        self._changed = threading.Condition()

    def take(self) -> Job | None:
        """The largest job that fits, None when there are no more; waits while none fits."""
        with self._changed:
            while self._left and not self.over.is_set():
                for at, job in enumerate(self._left):
                    if self._busy == 0 or _cost(job) <= self._free:
                        del self._left[at]
                        self._busy += 1
                        self._free -= _cost(job)
                        return job
                self._changed.wait()
        return None

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Give the job's memory back, and hand on what became of it."""
        with self._changed:
            self._busy -= 1
            self._free += _cost(job)
            self._changed.notify_all()
        self.done.put(outcome)

    def stop(self) -> None:
        """Nobody takes a job any more."""
        with self._changed:
            self.over.set()
            self._changed.notify_all()


def _cost(job: Job) -> int:
    return job.allowance.memory_bytes + OWN_BYTES
