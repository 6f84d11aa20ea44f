"""Volumes in memory that are read like stored ones."""

from __future__ import annotations

import numpy as np

from organelle.geometry import Box


def reader(array):
    def read(box: Box):
        return array[box.slices()]

    return read


def each(cut, function):
    """What a function gives for each block, as a site gives it."""
    return ((box, function(box)) for box in cut)


def whole(shape, blocks):
    """All blocks in one array; each voxel is written once."""
    result = np.zeros(shape, np.uint32)
    times = np.zeros(shape, int)
    for box, labels in blocks:
        result[box.slices()] = labels
        times[box.slices()] += 1
    assert (times == 1).all()
    return result
