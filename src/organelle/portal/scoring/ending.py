"""A worker's end: asked for at any time, obeyed where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Ended(BaseException):
    """The end was asked for while something was waited for."""


class Ending:
    """Hears SIGTERM and SIGINT: what runs within `waits` ends at once, what runs outside is finished."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._waiting = False

    def listen(self) -> None:
        """From now on signals are heard here."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._hear)

    @contextmanager
    def waits(self) -> Iterator[None]:
        """A block that may be cut off anywhere: it raises `Ended` when the end is asked for."""
        self._waiting = True
        try:
            if self.asked.is_set():
                raise Ended
            yield
        finally:
            self._waiting = False

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, or until the end is asked for."""
        self.asked.wait(seconds)

    def _hear(self, sign: int, frame: Any) -> None:  # noqa: ARG002
        self.asked.set()
        if self._waiting:
            self._waiting = False
            raise Ended
