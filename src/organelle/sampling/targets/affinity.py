"""Which pairs of voxels belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from organelle.geometry import Voxels
from organelle.sampling.targets.records import TargetInput, TargetValues


def affinities(truth: TargetInput, offsets: Sequence[Voxels]) -> TargetValues:
    """Per offset: 1 where a voxel and its partner, `offset` voxels further, have one id above 0; else 0.

    So pairs of background voxels are 0. Unknown where either voxel is unknown or the partner lies outside of
    the patch.

    Args:
        truth: of one class; without ids all of it is one object.
        offsets: steps (z, y, x) in voxels.
    """
    objects = truth.objects()
    values = np.zeros((len(offsets), *objects.shape), np.float32)
    known = np.zeros(values.shape, bool)
    for channel, offset in enumerate(offsets):
        here = tuple(_from(step, n) for step, n in zip(offset, objects.shape, strict=True))
        there = tuple(_from(-step, n) for step, n in zip(offset, objects.shape, strict=True))
        known[channel][here] = truth.known[here] & truth.known[there]
        values[channel][here] = (objects[here] == objects[there]) & (objects[here] > 0)
    return TargetValues(values, known)


def _from(step: int, size: int) -> slice:
    """Along one axis: the voxels whose partner, `step` further, is inside."""
    return slice(min(size, max(0, -step)), max(0, size - max(0, step)))
