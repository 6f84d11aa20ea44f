"""How fast data arrives here: what a crop needs is read for some seconds, and kept nowhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from organelle.catalog import Catalog
from organelle.errors import EMMissing, SettingsError
from organelle.fetch.plan import plan_fetch
from organelle.stores import Entry, Source

PART_BYTES = 1 << 20
"""A single object is read in parts of this size, which is about that of a large chunk."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What arrived in `seconds`: objects or parts of one, their bytes, and how long one took (median)."""

    objects: int
    bytes: int
    seconds: float
    median_s: float

    @property
    def megabytes_per_s(self) -> float:
        """Millions of bytes per second, all requests together."""
        return self.bytes / 1e6 / self.seconds


def speedtest(
    source: Source, catalog: Catalog, crops: str | int | Iterable[str | int], *, seconds: float = 10.0
) -> Speed:
    """Read the objects of `crops`, `source.workers` at once, for at most about `seconds`.

    A source that is no bucket in the challenge's layout but the URL of one object is read in parts.

    Raises:
        SettingsError: the time is not positive.
        TransferError: an object could not be got; the errors of `plan_fetch`, too.
    """
    if not seconds > 0:
        raise SettingsError(f"the time must be positive, not {seconds} s")
    reads = _reads(source, catalog, crops)
    begin = time.perf_counter()

    def read(number: int) -> tuple[int, float] | None:
        """Size and time of one request; None when the time is over, but never for the first."""
        start = time.perf_counter()
        if number and start - begin > seconds:
            return None
        return reads[number](), time.perf_counter() - start

    answers = [a for a in source.each(range(len(reads)), read) if a]
    times = sorted(took for _, took in answers)
    total = sum(size for size, _ in answers)
    return Speed(len(answers), total, time.perf_counter() - begin, times[len(times) // 2])


def _reads(
    source: Source, catalog: Catalog, crops: str | int | Iterable[str | int]
) -> list[Callable[[], int]]:
    """Requests that are to be made; each returns how many bytes came."""
    try:
        plan = plan_fetch(source, catalog, crops)
    except EMMissing:
        if reads := _reads_of_object(source):
            return reads
        raise
    return [partial(_read_whole, source, o.key) for o in plan.objects]


def _reads_of_object(source: Source) -> list[Callable[[], int]]:
    """Parts of the object that the URL names; none if it names no object."""
    root, _, key = source.url.rpartition("/")
    if source.folder or not urlsplit(source.url).path.strip("/"):
        return []
    home = dataclasses.replace(source, url=root)
    entry = home.head(key)
    if entry is None or not entry.bytes:
        return []
    starts = range(0, entry.bytes, PART_BYTES)
    return [partial(_read_part, home, key, entry, start) for start in starts]


def _read_whole(source: Source, key: str) -> int:
    return len(source.get(key)[0])


def _read_part(source: Source, key: str, entry: Entry, start: int) -> int:
    return len(source.span(key, entry, start, min(start + PART_BYTES, entry.bytes)))
