"""How much of this machine may be used: memory and cores, as its control group allows them.

A container sees the whole machine in `/proc/meminfo` and is killed at the limit of its control group, so
both are asked, and the smaller answer counts. Sources: the kernel's `cgroup-v2` and `cgroup-v1/memory`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def available_memory(groups: Path = GROUPS, own: Path = OWN_GROUPS) -> int:
    """Bytes that can still be had without swapping anything out.

    Args:
        groups: Where the control groups are mounted.
        own: The file that says in which of them this process is.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *(most - used for most, used in _memory_limits(groups, own))]))


def total_memory(groups: Path = GROUPS, own: Path = OWN_GROUPS) -> int:
    """Bytes that could be had if nothing else were running; arguments as for `available_memory`."""
    import psutil

    whole = int(psutil.virtual_memory().total)
    return min([whole, *(most for most, _ in _memory_limits(groups, own))])


def cores(groups: Path = GROUPS, own: Path = OWN_GROUPS) -> int:
    """Processors that this process may use, at least 1; arguments as for `available_memory`."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([here, *(math.ceil(share) for share in _cpu_shares(groups, own))]))


def _memory_limits(groups: Path, own: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of every group above this process that has a limit."""
    for folder in _folders(groups, own, "memory"):
        most = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
        if most:
            yield most, used - _reclaimable(folder / "memory.stat")


def _reclaimable(stat: Path) -> int:
    """Bytes of files that are only kept because there is room."""
    words = stat.read_text().split() if stat.is_file() else []
    fields = dict(zip(words[::2], words[1::2], strict=False))
    return int(fields.get("inactive_file", fields.get("total_inactive_file", 0)))


def _cpu_shares(groups: Path, own: Path) -> Iterator[float]:
    for folder in _folders(groups, own, "cpu"):
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if (folder / "cpu.max").is_file():
            words = (folder / "cpu.max").read_text().split()
            quota, period = (int(word) if word.isdigit() else None for word in words[:2])
        if quota and period:
            yield quota / period


def _folders(groups: Path, own: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's groups from the innermost out, of both versions of control groups."""
    for line in own.read_text().splitlines() if own.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = groups / controllers if controllers else groups
        top = top if top.is_dir() else groups / controller
        inner = top / path.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(top))


def _number(file: Path) -> int | None:
    """The number in a file; None for `max`, a negative one, or no such file."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
