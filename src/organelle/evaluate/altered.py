"""Objects altered by hand: cut, moved, eroded, joined, invented; every change with what it costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from organelle.errors import require_module
from organelle.geometry import Box, Nm
from organelle.metrics import connected_components

Array = np.ndarray[Any, np.dtype[Any]]

BALL_RADIUS_VOXELS = 2
"""An invented object has 33 voxels: larger than a speck, smaller than most organelles."""

PLACES_TRIED = 200
"""So often a place for an invented object is drawn before the crop counts as full."""

NEIGHBOURS_TRIED = 6
"""So many neighbours, by the gap between bounding boxes, are measured to find the nearest."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the counts: objects matched, invented and missed; voxels lost and gained."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    lost: int = 0
    gained: int = 0


def cut(mask: Array, voxel_size_nm: Nm) -> tuple[Array, Array] | None:
    """The two sides of a mask (bool, z y x) without the plane of voxels through its middle.

    The plane lies across the longest axis that has voxels on both sides of it, at the median voxel. None
    if there is no such axis.
    """
    profiles = [mask.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    lengths = [np.ptp(np.flatnonzero(profile)) for profile in profiles]
    for axis in np.argsort(-np.multiply(lengths, voxel_size_nm), kind="stable"):
        volume = np.cumsum(profiles[axis])
        middle = int(np.searchsorted(volume, volume[-1] / 2))
        along = np.arange(mask.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
        near, far = mask & (along < middle), mask & (along > middle)
        if near.any() and far.any():
            return near, far
    return None


def moved(mask: Array, axis: int, by: int) -> Array:
    """The mask moved along an axis; what leaves the array is lost."""
    to, source = [slice(None)] * 3, [slice(None)] * 3
    to[axis], source[axis] = slice(max(by, 0), min(by, 0) or None), slice(max(-by, 0), min(-by, 0) or None)
    after = np.zeros_like(mask)
    after[tuple(to)] = mask[tuple(source)]
    return after


def eroded(mask: Array) -> Array:
    """The mask without the voxels that have a face to the background; the array's border is no background."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_erosion(mask, border_value=1))


def closest_voxels(one: Array, other: Array, voxel_size_nm: Nm) -> tuple[float, Array, Array]:
    """Their distance in nm, and the voxel of each of two lists (n, 3) that is nearest to the other list."""
    from scipy.spatial import KDTree

    distances, indices = KDTree(other * np.array(voxel_size_nm)).query(one * np.array(voxel_size_nm))
    distance, index = np.asarray(distances), np.asarray(indices)
    first = int(np.argmin(distance))
    return float(distance[first]), one[first], other[index[first]]


def line(start: Array, stop: Array) -> Array:
    """The voxels (n, 3) of a straight line with both ends; neighbours share at least a corner."""
    steps = int(np.abs(stop - start).max())
    return np.rint(np.linspace(start, stop, steps + 1)).astype(np.int64)


class AlteredLabels:
    """Labels in the making (z, y, x) beside the truth that they are made of.

    No change writes on another object, on voxels that are not `known`, or on what another change wrote, so
    every component keeps overlapping exactly the objects that it was made of.
    """

    def __init__(self, truth: Array, known: Array | None, voxel_size_nm: Nm) -> None:
        components, count = connected_components(truth)
        owner = np.zeros(count + 1, np.int64)
        for numbers, values in zip(components, truth, strict=True):
            owner[numbers] = values
        self.pieces = np.bincount(owner[1:], minlength=1)
        self.ids = np.flatnonzero(self.pieces)
        self.labels = truth.astype(np.min_scalar_type(int(self.ids.max(initial=0)) + 2 * len(self.ids) + 1))
        self._truth, self._known, self._voxel_size_nm = truth, known, voxel_size_nm
        self._corners = _corners(truth, self.ids)
        self._next_id = int(self.ids.max(initial=0)) + 1
        z, y, x = truth.shape
        self._crop = Box((0, 0, 0), (z, y, x))

    def remove(self, number: int) -> Effect | None:
        """Delete an object."""
        window, mask = self._look_at(number)
        return self._put(number, window, mask, np.zeros_like(mask))

    def erode(self, number: int) -> Effect | None:
        """Take off the outermost voxels; None if nothing would be left or nothing lies outermost."""
        window, mask = self._look_at(number, margin=1)
        after = eroded(mask)
        if not after.any() or np.array_equal(after, mask):
            return None
        return self._put(number, window, mask, after)

    def shift(self, number: int, axis: int, by: int) -> Effect | None:
        """Move an object; None if something is in the way or it would leave the crop."""
        window, mask = self._look_at(number, margin=abs(by))
        after = moved(mask, axis, by)
        return self._put(number, window, mask, after) if after.any() else None

    def split(self, number: int) -> Effect | None:
        """Cut an object in two; None if it is too thin."""
        window, mask = self._look_at(number)
        sides = cut(mask, self._voxel_size_nm)
        if sides is None:
            return None
        effect = self._put(number, window, mask, sides[0] | sides[1])
        self.labels[window.slices()][sides[1]] = self._new_id()
        return effect

    def merge(self, number: int, others: Collection[int]) -> tuple[int, Effect] | None:
        """Join an object with the nearest of `others`, and say which; None if no straight way is free.

        Only objects of one piece are joined: what is left of others would find partners of its own.
        """
        if self.pieces[number] > 1:
            return None
        for partner, way in self._ways(number, others):
            z, y, x = way.T
            both = (0, number, partner)
            if not (np.isin(self.labels[z, y, x], both).all() and np.isin(self._truth[z, y, x], both).all()):
                continue
            if self._known is not None and not self._known[z, y, x].all():
                continue
            gained = int(np.count_nonzero(self.labels[z, y, x] == 0))
            window, mask = self._look_at(partner)
            self.labels[z, y, x] = number
            self.labels[window.slices()][mask] = number
            return partner, Effect(tp=1, fn=1, gained=gained)
        return None

    def invent(self, rng: np.random.Generator) -> Effect | None:
        """Put a ball where nothing is near; None if no such place was found."""
        for _ in range(PLACES_TRIED):
            z, y, x = rng.integers(self._crop.shape).tolist()
            window = Box((z, y, x), (1, 1, 1)).grow((BALL_RADIUS_VOXELS + 1,) * 3).intersect(self._crop)
            place = window.slices()
            if self.labels[place].any() or not self._is_free(window, np.ones(window.shape, bool)):
                continue
            dz, dy, dx = np.ogrid[place]
            ball = (dz - z) ** 2 + (dy - y) ** 2 + (dx - x) ** 2 <= BALL_RADIUS_VOXELS**2
            self.labels[place][ball] = self._new_id()
            return Effect(fp=1, gained=int(np.count_nonzero(ball)))
        return None

    def _look_at(self, number: int, margin: int = 0) -> tuple[Box, Array]:
        """The box around an object, clipped to the crop, and its voxels in there."""
        corner = self._corners[np.searchsorted(self.ids, number)].tolist()
        box = Box.between(corner[:3], corner[3:]).grow((margin,) * 3).intersect(self._crop)
        return box, self._truth[box.slices()] == number

    def _put(self, number: int, window: Box, before: Array, after: Array) -> Effect | None:
        """Let an object have the voxels `after`, if those are free."""
        gained, lost = after & ~before, before & ~after
        if not self._is_free(window, gained):
            return None
        labels = self.labels[window.slices()]
        labels[lost], labels[gained] = 0, number
        found = int((after & before).any())
        pieces = connected_components(after)[1]
        return Effect(found, pieces - found, 1 - found, int(lost.sum()), int(gained.sum()))

    def _is_free(self, window: Box, mask: Array) -> bool:
        """Whether all these voxels are background, in truth and here, and known."""
        place = window.slices()
        if self.labels[place][mask].any() or self._truth[place][mask].any():
            return False
        return self._known is None or bool(self._known[place][mask].all())

    def _ways(self, number: int, others: Collection[int]) -> Iterator[tuple[int, Array]]:
        """The nearest of `others` and the straight way to each, nearest first."""
        here = self._border(number)
        found = []
        for other in self._near(number, others):
            distance, start, stop = closest_voxels(here, self._border(other), self._voxel_size_nm)
            found.append((distance, other, line(start, stop)))
        for _, other, way in sorted(found, key=lambda item: item[:2]):
            yield other, way

    def _near(self, number: int, others: Collection[int]) -> list[int]:
        """Those of `others`, of one piece, whose bounding boxes are nearest."""
        there = np.sort(np.fromiter((o for o in others if o != number and self.pieces[o] == 1), np.int64))
        low, high = np.split(self._corners[np.searchsorted(self.ids, there)], 2, axis=1)
        corner = self._corners[np.searchsorted(self.ids, number)]
        gap = np.maximum(low - corner[3:], corner[:3] - high).clip(min=0) * self._voxel_size_nm
        nearest = np.argsort(np.linalg.norm(gap, axis=1), kind="stable")[:NEIGHBOURS_TRIED]
        return [int(n) for n in there[nearest]]

    def _border(self, number: int) -> Array:
        """The voxels (n, 3) of an object that have a face to something else."""
        window, mask = self._look_at(number, margin=1)
        inner = eroded(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
        return np.argwhere(mask & ~inner) + window.start

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1


def _corners(truth: Array, ids: Array) -> Array:
    """[object] First voxel and the one after the last, of every id: z, y, x, z, y, x."""
    if len(ids) == 0:
        return np.zeros((0, 6), np.int64)
    boxes = require_module("cc3d", "score").statistics(truth, no_slice_conversion=True)["bounding_boxes"]
    inclusive = boxes[ids].astype(np.int64)
    return np.concatenate([inclusive[:, ::2], inclusive[:, 1::2] + 1], axis=1)
