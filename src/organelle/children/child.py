"""The child's side: read a job, carry it out within its allowance, write what came of it.

Started as `python -m organelle.children.child`. Messages are JSON behind their length, in both directions,
so that a child that was taken over by a hostile file has no more to say than text.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from organelle.children.jobs import Allowance, Why
from organelle.errors import OrganelleError

LENGTH = struct.Struct("<Q")
MOST_BYTES = 1 << 30
"""Longest message that is believed."""

ORPHAN_SECONDS = 0.5
"""How often a child looks whether its parent is still there."""

_NO_ROOM = ("failed to map segment", "annot allocate memory", "can't start new thread", "bad_alloc")
_NO_ROOM_BYTES = 16 << 20
"""A failing job that came so near to its limit is taken to have failed for it, whatever its error says."""

_answers: BinaryIO | None = None


def tell(phase: str) -> None:
    """Say what the running job is doing now; outside of a child nothing happens."""
    if _answers is not None:
        send(_answers, {"phase": phase})


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message."""
    data = json.dumps(message).encode()
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message, None at the end of the stream; `ValueError` if it is no message."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    if length > MOST_BYTES:
        raise ValueError(f"a message of {length} bytes")
    data = stream.read(length)
    return None if len(data) < length else json.loads(data)


def resolve(path: str) -> Callable[..., Any]:
    """The function at the import path `package.module:name`."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def main() -> None:
    """Carry out jobs until the parent closes its end."""
    global _answers
    _answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not end up between the messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    work: Callable[..., Any] | None = None
    while (message := receive(sys.stdin.buffer)) is not None:
        if work is None:
            work = resolve(message["call"])
            if message["warm"]:
                resolve(message["warm"])()
            send(_answers, {"ready": True})
        else:
            allowance = Allowance(**message["allowance"])
            send(_answers, _carry_out(work, message["arguments"], allowance))


def _carry_out(work: Callable[..., Any], arguments: dict[str, Any], allowance: Allowance) -> dict[str, Any]:
    before, most = _most_address_space(), _address_space() + allowance.memory_bytes
    try:
        with _limits(allowance, most):
            return {"value": work(**arguments)}
    except OrganelleError as error:
        return {"why": Why.ERROR, "message": str(error)}
    except Exception as error:  # noqa: BLE001  (told to the parent, which stops with it)
        full = before < most - _NO_ROOM_BYTES <= _most_address_space()
        if full or _wants_memory(error):
            return {"why": Why.MEMORY, "message": ""}
        return {"why": Why.FAULT, "message": traceback.format_exc()}


def _wants_memory(error: BaseException | None) -> bool:
    """Whether an error, or what led to it, says that memory could not be had: a library that cannot be loaded
    says it, too.
    """
    while error:
        no_room = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
        if no_room or any(words in str(error) for words in _NO_ROOM):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _limits(allowance: Allowance, most: int) -> Iterator[None]:
    """Hold address space below `most` bytes and CPU time below the allowance from now, where the system can.

    Beyond the first, allocations fail; beyond the second, the system ends the process with SIGXCPU.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows: the parent watches
        yield
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wanted = {resource.RLIMIT_CPU: int(time.process_time() + allowance.cpu_seconds) + 1}
    if sys.platform == "linux":
        wanted[resource.RLIMIT_AS] = most
    before = {kind: resource.getrlimit(kind) for kind in wanted}
    for kind, most in wanted.items():
        hard = before[kind][1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    try:
        yield
    finally:
        for kind, limits in before.items():
            resource.setrlimit(kind, limits)


def _address_space() -> int:
    """Bytes of addresses in use now; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as file:  # noqa: PTH123  (no Path here: it is read before every job)
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _most_address_space() -> int:
    """Bytes of addresses that were ever in use at a time; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/status") as file:  # noqa: PTH123
        words = next((line.split() for line in file if line.startswith("VmPeak:")), ["", "0"])
        return int(words[1]) << 10


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
