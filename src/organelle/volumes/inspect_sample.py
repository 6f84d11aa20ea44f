"""Values of a few chunks, read in a child process: a chunk that is made to burst harms nobody else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from organelle.children import Allowance, Job
from organelle.errors import OrganelleError
from organelle.geometry import Box, Grid
from organelle.stores import Place
from organelle.volumes.inspect_chunks import Stored, spread
from organelle.volumes.inspect_metadata import Findings
from organelle.volumes.inspect_records import LevelReport, ValueSample

LARGEST_BOX = 128 * 2**20
"""Bytes of voxels that one chunk of the sample may have."""

LARGEST_SAMPLE = 2 * LARGEST_BOX
"""Bytes of voxels of all chunks of one array."""

MEMORY = 2**30
CPU_SECONDS = 60.0
WALL_SECONDS = 180.0
MOST_DISTINCT = 1000


@dataclass(frozen=True)
class Wanted:
    """An array to sample: where it lies, what it is, what is stored, and how many chunks to read."""

    place: Place
    array: LevelReport
    stored: Stored
    most: int


def sample_values(wanted: Sequence[Wanted], found: Findings) -> list[ValueSample | None]:
    """Read a few of the stored chunks of each 3D array; None for one of which none could be read.

    What cannot be decoded becomes an error in `found`.
    """
    from organelle.children import run_jobs

    jobs = [job for number, one in enumerate(wanted) if (job := _job(number, one, found))]
    samples: list[ValueSample | None] = [None] * len(wanted)
    for outcome in run_jobs("organelle.volumes.inspect_sample:read_sample", jobs, workers=1):
        number = int(outcome.key)
        place = wanted[number].place
        broken = [str(outcome.failure)] if outcome.failure else outcome.value["broken"]
        for what in broken:
            found.error("chunk-broken", place, what, "fetch or write the array again")
        if outcome.failure is None and outcome.value["summary"]:
            samples[number] = ValueSample(**outcome.value["summary"])
    return samples


def _job(number: int, one: Wanted, found: Findings) -> Job | None:
    boxes = _boxes(one.array, one.stored, one.most)
    if not boxes or one.array.dtype is None:
        return None
    size = max(1, one.array.voxel_bytes * math.prod(boxes[0][1]))
    if size > LARGEST_BOX:
        found.warning(
            "no-sample",
            one.place,
            f"a chunk has {one.array.chunks} voxels: no sample was read",
            "write it again with chunks of 64 x 64 x 64: stages read whole chunks",
        )
        return None
    boxes = _boxes(one.array, one.stored, min(one.most, LARGEST_SAMPLE // size))
    arguments = {"place": str(one.place), "shape": one.array.shape, "boxes": boxes}
    return Job(str(number), arguments, Allowance(MEMORY, CPU_SECONDS, WALL_SECONDS))


def read_sample(place: str, shape: Sequence[int], boxes: Sequence[Any]) -> dict[str, Any]:
    """In the child: read boxes of the array at `place`, each `[start, shape]`; JSON values only."""
    import numpy as np

    from organelle.volumes.volume import open_volume

    z, y, x = shape
    values, broken = [], []
    try:
        volume = open_volume(place, Grid((1, 1, 1), (0, 0, 0), (z, y, x)))
    except OrganelleError as error:
        return {"summary": None, "broken": [str(error)]}
    for start, size in boxes:
        try:
            values.append(volume.read(Box(tuple(start), tuple(size))).ravel())
        except Exception as error:  # noqa: BLE001  a codec may raise anything over a stranger's bytes
            broken.append(f"{error}" or type(error).__name__)
    return {"summary": _summary(np.concatenate(values)) if values else None, "broken": broken}


def _summary(values: Any) -> dict[str, Any]:
    import numpy as np

    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high, mean = (
        (finite.min().item(), finite.max().item(), float(finite.mean(dtype=np.float64)))
        if finite.size
        else (None, None, None)
    )
    distinct = np.unique(finite[:: max(1, finite.size // 100_000)]).size
    return {
        "voxels": int(values.size),
        "low": low,
        "high": high,
        "mean": mean,
        "zeros": float((values == 0).mean()),
        "nans": 1 - finite.size / values.size,
        "distinct": min(MOST_DISTINCT, int(distinct)),
    }


def _boxes(array: LevelReport, stored: Stored, most: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Start and shape of the boxes to read: one chunk in each of the chosen files."""
    if array.shape is None or array.chunks is None or len(array.shape) != 3:
        return []
    pieces = array.shards or array.chunks
    boxes = []
    for number in spread(len(stored.found), most):
        index = stored.found[number]
        start = tuple(i * n for i, n in zip(index, pieces, strict=True))
        edges = zip(start, array.chunks, array.shape, strict=True)
        boxes.append((start, tuple(min(c, n - a) for a, c, n in edges)))
    return boxes
