"""The parent's side: a few children, each busy with one job, and a watch over memory and time.

One thread serves one child: it takes the next job that fits into what memory is left, hands it over, and
waits for the answer or for the pipe to close. Another thread watches all of them. The system's own limits
(see `child`) are the first line; the watch on resident memory and on the clock is the second, and where
the system has none, the only one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable

from organelle.children.jobs import Event, Job, Outcome, Why
from organelle.children.machine import available_memory, cores
from organelle.children.waiting import Waiting
from organelle.children.worker import Listener, Worker

WATCH_SECONDS = 0.05


def run_jobs(
    call: str,
    jobs: Iterable[Job],
    *,
    workers: int | None = None,
    memory_bytes: int | None = None,
    warm: str = "",
    on_event: Listener | None = None,
) -> Generator[Outcome, None, None]:
    """Carry out `jobs` in child processes, and yield what became of each as soon as it is known.

    The largest job starts first. Jobs run side by side as long as their allowances fit into the memory; one
    that does not fit at all runs alone. What a job returns must not depend on that.

    Args:
        call: Import path `package.module:function`; it takes the arguments of a job and returns JSON values.
        jobs: What to do; keys are unique.
        workers: Children at a time; default: as many as there are cores.
        memory_bytes: For all children together; default: nine tenths of what is available now.
        warm: Import path of a function that each child calls once before its first job.
        on_event: Told, from several threads but one at a time, what happens to the children.

    Yields:
        One outcome per job, in the order in which they end. When the generator is closed early, or an
        error is raised, all children end with it.

    Raises:
        RuntimeError: the function has a fault (an error outside of the family), with its traceback.
    """
    waiting = Waiting(list(jobs), memory_bytes or int(0.9 * available_memory()))
    if not waiting.jobs:
        return
    count = max(1, min(workers or cores(), len(waiting.jobs)))
    listen = _one_at_a_time(on_event)
    crew = [Worker(call, warm, waiting, listen) for _ in range(count)]
    watch = threading.Thread(target=_watch, args=(crew, waiting.over), daemon=True)
    for thread in (*crew, watch):
        thread.start()
    try:
        for _ in range(len(waiting.jobs)):
            outcome = waiting.done.get()
            if outcome.failure and outcome.failure.why is Why.FAULT:
                raise RuntimeError(f"{call} failed on {outcome.key}:\n{outcome.failure.message}")
            yield outcome
    finally:
        waiting.stop()
        for worker in crew:
            worker.end()
        for worker in crew:
            worker.join()


def _watch(crew: list[Worker], over: threading.Event) -> None:
    """Stop children that hold more memory or take more time than their jobs may."""
    while not over.wait(WATCH_SECONDS):
        for worker in crew:
            child = worker.child
            if child is None or child.deadline == float("inf"):
                continue
            if child.resident() > child.most_resident:
                child.stop(Why.MEMORY)
            if time.monotonic() > child.deadline:
                child.stop(Why.WALL)


def _one_at_a_time(on_event: Listener | None) -> Listener:
    lock = threading.Lock()

    def listen(event: Event) -> None:
        if on_event:
            with lock:
                on_event(event)

    return listen
