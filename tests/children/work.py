"""Functions that the tests let children carry out."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from organelle.children import tell
from organelle.errors import FormatError


def double(number: int) -> int:
    print("noise on standard output")
    return 2 * number


def hold(mebibytes: int) -> int:
    return int(np.ones(mebibytes << 20, np.uint8).sum())


def grow(mebibytes: int) -> int:
    """Memory in many small pieces."""
    return sum(len(piece) for piece in [bytes(1 << 20) for _ in range(mebibytes)])


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def die_once(mark: str) -> str:
    """Killed the first time, well the second."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def abort_for_memory() -> None:
    sys.stderr.write("terminate called after throwing an instance of 'std::bad_alloc'\n")
    sys.stderr.flush()
    os.abort()


def forget_why() -> None:
    """No room, and an error that does not say so, as a library raises it whose small allocation failed."""
    held: list[bytes] = []
    with contextlib.suppress(MemoryError):
        while True:
            held.append(bytes(1 << 20))
    held.clear()
    raise SystemError("error return without exception set")


def say_why_between_lines() -> None:
    try:
        raise MemoryError
    except MemoryError:
        raise ImportError("half a module")  # noqa: B904  (as import does it)


def complain() -> None:
    raise FormatError("chunk 0.0.0 is damaged")


def fail() -> None:
    raise KeyError("a fault")


def phases() -> str:
    tell("reading")
    tell("scoring")
    return "done"


def meet(mine: str, other: str, seconds: float) -> bool:
    """Whether another job is here at the same time, or was here before."""
    Path(mine).touch()
    end = time.monotonic() + seconds
    while not Path(other).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path(other).exists()


def do(what: str, **arguments):
    """Any of the above, so that one run can hold several kinds of jobs."""
    return globals()[what](**arguments)
