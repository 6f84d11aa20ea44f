"""How fast data arrives here: what a crop needs is read for some seconds, and kept nowhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from organelle.catalog import Catalog
from organelle.errors import SettingsError
from organelle.fetch.plan import plan_fetch
from organelle.stores import Source


@dataclass(frozen=True, slots=True)
class Speed:
    """What arrived in `seconds`: whole objects, their bytes, and how long one took (median)."""

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

    Raises:
        SettingsError: the time is not positive.
        TransferError: an object could not be got; the errors of `plan_fetch`, too.
    """
    if seconds <= 0:
        raise SettingsError(f"the time must be positive, not {seconds} s")
    plan = plan_fetch(source, catalog, crops)
    keys = [o.key for o in plan.objects]
    begin = time.perf_counter()

    def read(key: str) -> tuple[int, float] | None:
        """Size and time of one object; None when the time is over, but never for the first."""
        start = time.perf_counter()
        if key != keys[0] and start - begin > seconds:
            return None
        return len(source.get(key)[0]), time.perf_counter() - start

    answers = [a for a in source.each(keys, read) if a]
    times = sorted(took for _, took in answers)
    total = sum(size for size, _ in answers)
    return Speed(len(answers), total, time.perf_counter() - begin, times[len(times) // 2])
