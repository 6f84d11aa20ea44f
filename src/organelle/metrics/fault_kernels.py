"""The passes over whole volumes behind `organelle.metrics.faults`, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Int = Any
"""A whole number of whichever type numba gives it."""


@njit(nogil=True, cache=True)
def gather_faults(
    truth: Array, components: Array, new: Ints, of_truth: Ints, of_component: Ints, anchors: Ints
) -> tuple[Ints, Ints, Floats]:
    """Volume, box and middle of every fault, from one pass.

    Args:
        truth: z, y, x ids.
        components: numbers of the same shape.
        new: id that each component stands for; 0 for none.
        of_truth: [id] fault that a truth object takes part in; 0 for none.
        of_component: [number] the same for components.
        anchors: [fault, 2] truth id and component whose voxels the middle is taken of; 0, 0 for every
            wrong voxel.

    Returns:
        Wrong voxels per fault; [fault, 6] first and last voxel, z y x, of the objects that take part; the
        middle of its anchor, [fault, 3].
    """
    n = len(anchors)
    voxels, boxes = np.zeros(n, np.int64), np.zeros((n, 6), np.int64)
    boxes[:, :3], boxes[:, 3:] = np.iinfo(np.int64).max, -1
    sums, counted = np.zeros((n, 3), np.float64), np.zeros(n, np.int64)
    for z in range(truth.shape[0]):
        for y in range(truth.shape[1]):
            for x in range(truth.shape[2]):
                t, c = np.int64(truth[z, y, x]), np.int64(components[z, y, x])
                if t == 0 and c == 0:
                    continue
                wrong = t == 0 or new[c] != t
                first, second = of_truth[t], of_component[c]
                for fault in (first, second if second != first else np.int64(0)):
                    if fault == 0:
                        continue
                    _extend(boxes[fault], z, y, x)
                    if wrong:
                        voxels[fault] += 1
                        if _is_anchor(anchors, fault, t, c):
                            sums[fault, 0] += z
                            sums[fault, 1] += y
                            sums[fault, 2] += x
                            counted[fault] += 1
    for fault in range(n):
        sums[fault] /= max(counted[fault], 1)
    return voxels, boxes, sums


@njit(nogil=True, cache=True)
def voxels_nearest(
    truth: Array,
    components: Array,
    new: Ints,
    of_truth: Ints,
    of_component: Ints,
    anchors: Ints,
    middles: Floats,
    size: Floats,
) -> Ints:
    """[fault, 3] the voxel of each anchor that is nearest to its middle; -1 where there is none.

    Args as for `gather_faults`; `size` is that of a voxel in nm.
    """
    n = len(anchors)
    places, squares = np.full((n, 3), -1, np.int64), np.full(n, np.inf)
    for z in range(truth.shape[0]):
        for y in range(truth.shape[1]):
            for x in range(truth.shape[2]):
                t, c = np.int64(truth[z, y, x]), np.int64(components[z, y, x])
                if (t == 0 and c == 0) or (t != 0 and new[c] == t):
                    continue
                first, second = of_truth[t], of_component[c]
                for fault in (first, second if second != first else np.int64(0)):
                    if fault == 0 or not _is_anchor(anchors, fault, t, c):
                        continue
                    square = ((z - middles[fault, 0]) * size[0]) ** 2
                    square += ((y - middles[fault, 1]) * size[1]) ** 2
                    square += ((x - middles[fault, 2]) * size[2]) ** 2
                    if square < squares[fault]:
                        squares[fault] = square
                        places[fault, 0], places[fault, 1], places[fault, 2] = z, y, x
    return places


@njit(nogil=True, cache=True)
def renumber(labels: Array, new: Array, out: Array) -> None:
    """Write `new[label]` for every label of a flat volume."""
    for i in range(labels.size):
        out[i] = new[labels[i]]


@njit(nogil=True, cache=True)
def pair_the_rest(truth: Ints, components: Ints, of_truth: Ints, of_component: Ints) -> None:
    """Pair what is still alone, in the order of the list; both tables of partners are filled in."""
    for i in range(len(truth)):
        if of_truth[truth[i]] == 0 and of_component[components[i]] == 0:
            of_truth[truth[i]], of_component[components[i]] = components[i], truth[i]


@njit(nogil=True, cache=True)
def _is_anchor(anchors: Ints, fault: Int, t: Int, c: Int) -> bool:
    truth, component = anchors[fault, 0], anchors[fault, 1]
    if truth == 0 and component == 0:
        return True
    return bool((t != 0 and t == truth) or (c != 0 and c == component))


@njit(nogil=True, cache=True)
def _extend(box: Ints, z: Int, y: Int, x: Int) -> None:
    box[0], box[1], box[2] = min(box[0], z), min(box[1], y), min(box[2], x)
    box[3], box[4], box[5] = max(box[3], z), max(box[4], y), max(box[5], x)
