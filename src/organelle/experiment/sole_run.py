"""One process at a time runs an experiment in a work folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from organelle.errors import OutputExists


@contextmanager
def sole_run(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold a lock for each of the experiments; the system lets go of it when the process ends, however.

    Args:
        folder: where the locks lie.
        names: of the experiments.

    Raises:
        OutputExists: another process runs one of them; its number and host are named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for name in sorted(names):
            stream = held.enter_context((folder / f"{name}.lock").open("a+"))
            _lock(stream, name)
            held.callback(stream.truncate, 0)
        yield


def _lock(stream: IO[str], name: str) -> None:
    stream.seek(0)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = stream.read().strip() or "another process"
        raise OutputExists(
            f"{who} runs {name} in the same work folder now; wait until it ends, or choose another --work"
        ) from None
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    stream.flush()
