"""What a prediction will cost, before it begins."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from organelle.geometry import Box
from organelle.predict.backends import one_thread_each
from organelle.predict.opening import open_forward
from organelle.predict.plan import PredictPlan
from organelle.predict.side_by_side import side_by_side

if TYPE_CHECKING:
    from rich.table import Table

REPEATED = 3
"""Patches that are timed after one to warm up; the fastest counts."""


@dataclass(frozen=True)
class Estimate:
    """Sizes and times of a plan.

    Attributes:
        crops: crops and regions with something to do.
        blocks: pieces of work.
        voxels: of one output, summed over crops.
        patches: that go through the network, those at the faces of blocks more than once.
        em_bytes: of EM in those patches' reach, decoded, each block with its surroundings.
        output_bytes: before compression.
        memory_bytes: of one worker, without the network's own.
        patch_seconds: of one patch through the network, or as given; None when nobody measured.
        workers: that work at the same time.
    """

    crops: int
    blocks: int
    voxels: int
    patches: int
    em_bytes: int
    output_bytes: int
    memory_bytes: int
    patch_seconds: float | None
    workers: int = 1

    @property
    def seconds(self) -> float | None:
        """About how long it takes: the patches' time shared by the workers."""
        return None if self.patch_seconds is None else self.patches * self.patch_seconds / self.workers

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(show_header=False, title="What this would do", title_justify="left")
        table.add_row("crops and regions", f"{self.crops:,}")
        table.add_row("blocks", f"{self.blocks:,}")
        table.add_row("voxels per class", f"{self.voxels:,}")
        table.add_row("patches", f"{self.patches:,}")
        table.add_row("EM to read, decoded", size_text(self.em_bytes))
        table.add_row("to write, before compression", size_text(self.output_bytes))
        table.add_row("memory per worker, network aside", size_text(self.memory_bytes))
        if self.patch_seconds is not None and self.seconds is not None:
            table.add_row("seconds per patch", f"{self.patch_seconds:.3g}")
            table.add_row(f"time with {self.workers} worker(s)", time_text(self.seconds))
        return table


def estimate(plan: PredictPlan, *, patch_seconds: float | None = None, workers: int = 1) -> Estimate:
    """The sizes of `plan`; nothing is read or computed.

    Args:
        plan: of `plan_predict`.
        patch_seconds: what one patch takes one worker; `measure_patch` measures it here.
        workers: that share the work.
    """
    busy = [crop for crop in plan.crops if crop.classes]
    return Estimate(
        len(busy),
        sum(len(crop.blocks) for crop in busy),
        sum(crop.region.size for crop in busy),
        plan.patches,
        sum(_em_bytes(plan, index) for index in range(len(plan.crops)) if plan.crops[index].classes),
        plan.output_bytes,
        plan.memory_bytes,
        patch_seconds,
        workers,
    )


def measure_patch(plan: PredictPlan) -> float:
    """Seconds of one patch through the network on this machine, all views counted alike; with mirrors."""
    forward = open_forward(plan.checkpoints, plan.spec, plan.settings, cache=plan.work / "cache" / "onnx")
    patch = np.zeros((plan.spec.in_channels, *plan.views[0].patch_shape), np.float32)
    times = []
    with one_thread_each():
        for _ in range(1 + REPEATED):
            start = time.perf_counter()
            deque(side_by_side(forward, [(i, patch) for i in range(forward.threads)], forward.threads), 0)
            times.append((time.perf_counter() - start) / forward.threads)
    return min(times[1:])


def size_text(count: int) -> str:
    """Bytes in the unit that reads best."""
    size, unit = float(count), 0
    while size >= 1000 and unit < 5:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def time_text(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _em_bytes(plan: PredictPlan, index: int) -> int:
    """EM that the blocks of a crop read, each with what its patches reach around it; faces aside."""
    crop = plan.crops[index]
    first = crop.blocks[0]
    hulls = [view.grid.hull(first) for view in plan.views]
    reach: Box = hulls[0]
    for hull in hulls[1:]:
        reach = reach.union(hull)
    around = [n - m for n, m in zip(reach.shape, first.shape, strict=True)]
    per_axis = [
        n + count * more for n, count, more in zip(crop.region.shape, crop.blocks.counts, around, strict=True)
    ]
    return per_axis[0] * per_axis[1] * per_axis[2] * crop.em_dtype.itemsize
