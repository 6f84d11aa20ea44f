from __future__ import annotations

import sys
import threading
import time

import pytest

from organelle.stores.cache import OVERHEAD, ObjectCache


class Loads:
    """Counts what is asked for."""

    def __init__(self, size: int = 100) -> None:
        self.size, self.asked = size, list[str]()

    def __call__(self, key: str) -> bytes:
        self.asked.append(key)
        return key.encode() * self.size


def test_an_object_is_asked_for_once_and_an_absent_one_too() -> None:
    cache, loads, absent = ObjectCache(10_000), Loads(), list[int]()
    assert [cache.get("a", lambda: loads("a")) for _ in range(3)] == [b"a" * 100] * 3
    assert [cache.get("b", lambda: absent.append(1)) for _ in range(3)] == [None] * 3
    assert loads.asked == ["a"]
    assert absent == [1]
    assert (cache.knows("a"), cache.knows("b"), cache.knows("c")) == (True, False, None)


def test_what_was_used_longest_ago_goes_first_and_the_limit_holds() -> None:
    cache, loads = ObjectCache(5 * (100 + OVERHEAD)), Loads()
    for key in "abcdeafaga":
        cache.get(key, lambda key=key: loads(key))
        assert sys.getsizeof(cache) <= cache.limit_bytes + 200
    assert [key for key in "abcdefg" if cache.knows(key)] == ["a", "d", "e", "f", "g"]


def test_an_object_that_would_push_out_all_others_is_not_kept() -> None:
    cache = ObjectCache(10_000)
    assert cache.get("large", lambda: bytes(5_000)) == bytes(5_000)
    assert cache.knows("large") is None


def test_many_who_want_one_object_share_one_request() -> None:
    cache, asked, found = ObjectCache(10_000), list[int](), list[bytes | None]()

    def load() -> bytes:
        asked.append(1)
        time.sleep(0.05)
        return b"x"

    threads = [threading.Thread(target=lambda: found.append(cache.get("x", load))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"x"] * 20
    assert len(asked) == 1


def test_a_failure_is_not_remembered() -> None:
    cache = ObjectCache(10_000)

    def fail() -> bytes:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        cache.get("x", fail)
    assert cache.get("x", lambda: b"back") == b"back"
    cache.clear()
    assert cache.knows("x") is None
