"""One child process and the thread that serves it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from organelle.children.child import receive, send
from organelle.children.jobs import Allowance, Event, Failure, Job, Outcome, Why
from organelle.children.waiting import Waiting

TRIES = 4
"""How often a job is begun whose child was killed from outside: by an operator, or for the sake of others."""

WARM_SECONDS = 600
"""Time to import and compile what the jobs need: minutes where nothing was compiled before."""

_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT} if os.name == "posix" else set()
_START = "from organelle.children.child import main; main()"
_ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "BLOSC", "NUMEXPR")
} | {"MALLOC_ARENA_MAX": "2"}

Listener = Callable[[Event], None]


@dataclass
class Running:
    """A child process and what the watch must know about its job."""

    process: subprocess.Popen[bytes]
    words: IO[bytes]
    most_resident: float = float("inf")
    deadline: float = float("inf")
    stopped: Why | None = field(default=None)

    def begin(self, allowance: Allowance) -> None:
        """A job begins: from now on the watch looks."""
        self.most_resident = self.resident() + allowance.memory_bytes
        self.deadline = time.monotonic() + allowance.wall_seconds

    def resident(self) -> int:
        """Bytes of memory that the process holds; 0 when it is gone."""
        import psutil

        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def rest(self) -> None:
        """The job has ended."""
        self.most_resident, self.deadline = float("inf"), float("inf")

    def stop(self, why: Why) -> None:
        """Kill it, and remember why."""
        self.stopped = self.stopped or why
        self.process.kill()

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        self.words.seek(0)
        return self.words.read()[-2000:].decode(errors="replace").strip()


class Worker(threading.Thread):
    """Serves one child, and starts another when it died."""

    def __init__(self, call: str, warm: str, waiting: Waiting, listen: Listener) -> None:
        super().__init__(daemon=True)
        self.call, self.warm, self.waiting, self.listen = call, warm, waiting, listen
        self.child: Running | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Take jobs until there are no more."""
        while (job := self.waiting.take()) is not None:
            try:
                outcome = self._try(job)
            except Exception as error:  # noqa: BLE001  (a thread's error would be lost)
                outcome = Outcome(job.key, failure=Failure(Why.FAULT, str(error) or repr(error)))
            self.waiting.finish(job, outcome)
        self.end()

    def end(self) -> None:
        """End the child, whatever it does."""
        with self._lock:
            if self.child:
                self.child.process.kill()
                self.child.process.wait()
                for stream in (self.child.process.stdin, self.child.process.stdout, self.child.words):
                    with suppress(OSError):
                        stream.close()  # type: ignore[union-attr]
            self.child = None

    def _try(self, job: Job) -> Outcome:
        failure = None
        for _ in range(TRIES):
            if self.waiting.over.is_set():
                break
            answer = self._ask(job)
            if "value" in answer:
                return Outcome(job.key, answer["value"])
            failure = _explain(Why(answer["why"]), answer["message"], job.allowance)
            if failure.why is not Why.ERROR:
                self.end()  # the next job shall not suffer from this one
            if failure.why is not Why.KILLED:
                break
        return Outcome(job.key, failure=failure or Failure(Why.KILLED, "not begun"))

    def _ask(self, job: Job) -> dict[str, Any]:
        """Hand the job to the child and wait; tells the phases on the way."""
        child = None
        try:
            child = self._ready()
            self.listen(Event("started", job.key, child.process.pid))
            child.begin(job.allowance)
            allowance = asdict(job.allowance)
            send(_pipe(child.process.stdin), {"arguments": job.arguments, "allowance": allowance})
            while (message := receive(_pipe(child.process.stdout))) is not None:
                if "phase" not in message:
                    child.rest()
                    self.listen(Event("finished", job.key, child.process.pid))
                    return dict(message)
                self.listen(Event(str(message["phase"]), job.key, child.process.pid))
        except (OSError, ValueError):
            pass  # a broken pipe or half a message: the child is dead, or talks nonsense
        if child is None:
            return {"why": Why.KILLED, "message": "it could not be started"}
        child.process.kill()
        why, message = _autopsy(child, child.process.wait())
        self.listen(Event("died", job.key, child.process.pid, message))
        return {"why": why, "message": message}

    def _ready(self) -> Running:
        """The child, started and warm; `OSError` when it died on the way."""
        if self.child is None:
            with self._lock:
                self.child = _start()
            self.child.begin(Allowance(1 << 50, wall_seconds=WARM_SECONDS))
            send(_pipe(self.child.process.stdin), {"call": self.call, "warm": self.warm})
            if receive(_pipe(self.child.process.stdout)) is None:
                words = self.child.last_words()
                code = self.child.process.wait()
                self.end()
                if -code in _OUTSIDE:
                    raise OSError("killed before its first job")
                raise RuntimeError(f"a child process did not start:\n{words}")
            self.child.rest()
        return self.child


def _start() -> Running:
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | _ONE_THREAD | {"PYTHONPATH": paths}
    words = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the child)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        env=environment,
    )
    return Running(process, words)


def _autopsy(child: Running, code: int) -> tuple[Why, str]:
    """Why a child ended, from its exit status, from what the watch did, and from its last words."""
    if child.stopped:
        return child.stopped, ""
    words = child.last_words()
    if os.name == "posix" and code == -signal.SIGXCPU:
        return Why.CPU, ""
    if "bad_alloc" in words or "MemoryError" in words:
        return Why.MEMORY, ""
    if -code in _OUTSIDE:
        return Why.KILLED, f"signal {-code}"
    last = words.splitlines()[-1][:200] if words else "without a word"
    return Why.CRASH, f"exit status {code}, {last}"


def _explain(why: Why, message: str, allowance: Allowance) -> Failure:
    told = {
        Why.MEMORY: f"it needs more than the {allowance.memory_bytes / 2**30:.1f} GiB of memory allowed",
        Why.CPU: f"it needs more than the {allowance.cpu_seconds:.0f} s of computing time allowed",
        Why.WALL: f"it takes longer than the {allowance.wall_seconds:.0f} s allowed",
        Why.CRASH: f"the process that read it broke down ({message})",
        Why.KILLED: f"its process was killed from outside {TRIES} times ({message}); is memory scarce?",
    }
    return Failure(why, told.get(why, message))


def _pipe(stream: IO[bytes] | None) -> Any:
    return stream
