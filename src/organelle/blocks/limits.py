"""A limit for the time that one block may take, also where code hangs that lets no other thread run.

A worker that hangs still shows that it lives, by another thread, so that nobody takes its blocks. With a
limit the interpreter's own watchdog (`faulthandler`, a thread that needs no lock) ends the process, and
leaves in a file of the ledger where it hung. Whoever takes back what the dead held makes the reason of it.
"""

from __future__ import annotations

import faulthandler
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from organelle.blocks.leases import Process

OneBlock = Callable[[], AbstractContextManager[None]]
"""A context for one block."""


@contextmanager
def time_limit(folder: Path, seconds: float | None) -> Iterator[OneBlock]:
    """Contexts in which a block may take so many seconds, or else this process ends at once.

    One thread of a process has such a limit at a time.

    Args:
        folder: of the ledger.
        seconds: None: any time.
    """
    if seconds is None:
        yield nullcontext
        return
    limit = seconds

    @contextmanager
    def one_block() -> Iterator[None]:
        faulthandler.dump_traceback_later(limit, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    place = _place(folder, Process.own())
    try:
        with place.open("w") as file:
            file.write(f"{seconds:g} 0x{threading.get_ident():016x}\n")
            file.flush()
            yield one_block
    finally:
        place.unlink(missing_ok=True)


def told_of_limit(folder: Path, owner: Process) -> str | None:
    """Why a process that is gone was ended, if it was ended for its limit."""
    try:
        text = _place(folder, owner).read_text(errors="replace")
    except OSError:
        return None
    head, _, dump = text.partition("\n")
    if "Timeout" not in dump:
        return None
    seconds, _, thread = head.partition(" ")
    at = re.search(rf'{thread}\b.*\n\s+File "(.*)", line (\d+) in (\S+)', dump)
    where = f"; it was in {at[3]} ({at[1]}:{at[2]})" if at else ""
    return f"it took longer than {seconds} s, on which its worker ({owner}) was ended{where}"


def forget_limit(folder: Path, owner: Process) -> None:
    """Remove what a process that is gone left."""
    _place(folder, owner).unlink(missing_ok=True)


def _place(folder: Path, owner: Process) -> Path:
    return folder / f"{owner.host}~{owner.boot}~{owner.pid}~{owner.start}.limit"
