"""Objects of remote stores in memory: each is asked for once while it is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock

OVERHEAD = 200
"""Bytes that an entry counts beside its content: its name, and its place in the table."""


class ObjectCache:
    """The objects that were used last, at most `limit_bytes` of them; an absent object is remembered, too.

    Threads may share it. When several ask for one object at the same time, one loads it and all get it.
    An object larger than a quarter of the limit is handed through and not kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, bytes | None] = OrderedDict()
        self._loading: dict[Hashable, Future[bytes | None]] = {}
        self._bytes = 0

    def __sizeof__(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    def get(self, key: Hashable, load: Callable[[], bytes | None]) -> bytes | None:
        """The object of `key`, from `load` when it is not kept; None for one that does not exist.

        An error of `load` is raised for all who wait, and forgotten.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            waiting = self._loading.get(key)
            if waiting is None:
                mine: Future[bytes | None] = Future()
                self._loading[key] = mine
        if waiting is not None:
            return waiting.result()
        try:
            data = load()
        except BaseException as error:
            self._finish(key)
            mine.set_exception(error)
            raise
        self._keep(key, data)
        self._finish(key)
        mine.set_result(data)
        return data

    def knows(self, key: Hashable) -> bool | None:
        """Whether the object exists, if it is kept or was found absent; else None."""
        with self._lock:
            return self._kept[key] is not None if key in self._kept else None

    def clear(self) -> None:
        """Forget everything, so that the next question goes to the store."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _finish(self, key: Hashable) -> None:
        with self._lock:
            del self._loading[key]

    def _keep(self, key: Hashable, data: bytes | None) -> None:
        if _cost(data) > self.limit_bytes / 4:
            return
        with self._lock:
            self._kept[key] = data
            self._bytes += _cost(data)
            while self._bytes > self.limit_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= _cost(dropped)


def _cost(data: bytes | None) -> int:
    return OVERHEAD + len(data or b"")
