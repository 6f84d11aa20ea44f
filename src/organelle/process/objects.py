"""The steps of a recipe over blocks: every result is that of the whole array at once.

A step takes functions that read a box and yields the blocks of its result, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from organelle.blocks import Components, Connectivity, FaceJoiner
from organelle.errors import require_module
from organelle.geometry import Box, Nm, Voxels
from organelle.process.grow import grow, reach

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint32]
LabelBlocks = Iterator[tuple[Box, Labels]]


@dataclass(frozen=True)
class Cut:
    """A volume and the blocks in which it is worked on."""

    shape: Voxels
    block_shape: Voxels

    @property
    def box(self) -> Box:
        """The whole volume."""
        return Box((0, 0, 0), self.shape)

    def __iter__(self) -> Iterator[Box]:
        return self.box.tiles(self.block_shape)


@dataclass(frozen=True)
class Objects:
    """The objects of a mask: how many, and their labels, block by block."""

    count: int
    """Objects kept; their ids are 1..count, in the order of their first voxel."""
    dropped: int
    """Objects that were too small."""
    blocks: LabelBlocks


def find_objects(
    read_mask: Callable[[Box], Mask], cut: Cut, min_voxels: float = 0, connectivity: Connectivity = 26
) -> Objects:
    """Connected pieces of a mask with at least `min_voxels`, right across block faces.

    The same as labelling the whole mask at once, with ids by first voxel. The mask is read twice.
    """
    components = _join(read_mask, cut, connectivity)
    ids = components.keep(components.sizes >= min_voxels)
    count = int(ids.max())
    blocks = ((box, components.relabel(box, label(read_mask(box), connectivity), ids)) for box in cut)
    return Objects(count, components.count - count, blocks)


def fill_holes(read_labels: Callable[[Box], Labels], cut: Cut) -> LabelBlocks:
    """Give to each object the cavities that it alone encloses.

    A cavity is background connected across faces (6 neighbours) that does not reach the volume's faces.
    For a single object that is `scipy.ndimage.binary_fill_holes`; a cavity that borders on two objects
    stays open. `read_labels` is asked for boxes that reach one voxel outside and must give 0 there.
    """

    def background(box: Box) -> Mask:
        return np.asarray(read_labels(box) == 0)

    cavities = _join(background, cut, 6)
    owner = _owners(read_labels, background, cavities, cut)
    for box in cut:
        holes = cavities.relabel(box, label(background(box), 6), owner)
        yield box, read_labels(box) + holes


def grow_back(
    read_labels: Callable[[Box], Labels],
    read_allowed: Callable[[Box], Mask],
    cut: Cut,
    distance_nm: float,
    voxel_size_nm: Nm,
) -> LabelBlocks:
    """`grow` over blocks: each is read with as much around it as the distance reaches."""
    margin = reach(distance_nm, voxel_size_nm)
    for box in cut:
        allowed = read_allowed(box)
        around = box.grow(margin).intersect(cut.box)
        labels = read_labels(around)
        inside = box.slices(around.start)
        where = np.zeros(labels.shape, bool)
        where[inside] = allowed
        yield box, grow(labels, where, distance_nm, voxel_size_nm)[inside]


def label(mask: Mask, connectivity: Connectivity = 26) -> Labels:
    """The connected pieces of one array as 1..n (cc3d)."""
    cc3d = require_module("cc3d", "process")
    # As bytes and not as bool: for bool cc3d reserves too few labels for dense dots in a thin array.
    pieces = cc3d.connected_components(np.ascontiguousarray(mask).view(np.uint8), connectivity=connectivity)
    return np.asarray(pieces, np.uint32)


def _join(read_mask: Callable[[Box], Mask], cut: Cut, connectivity: Connectivity) -> Components:
    joiner = FaceJoiner(cut.shape, cut.block_shape, connectivity)
    for box in cut:
        joiner.add(box, label(read_mask(box), connectivity))
    return joiner.finish()


def _owners(
    read_labels: Callable[[Box], Labels],
    background: Callable[[Box], Mask],
    cavities: Components,
    cut: Cut,
) -> NDArray[np.uint32]:
    """For each cavity the one object around it, or 0: several, none, or it reaches the volume's faces."""
    lowest = np.full(cavities.count + 1, np.iinfo(np.uint32).max, np.uint32)
    highest = np.zeros(cavities.count + 1, np.uint32)
    closed = np.ones(cavities.count + 1, bool)
    inner = cut.box.grow((-1, -1, -1))
    for box in cut:
        ids = cavities.relabel(box, label(background(box), 6))
        around = read_labels(box.grow((1, 1, 1)))
        for beside in _six_shifts(around):
            touching = (ids > 0) & (beside > 0)
            np.minimum.at(lowest, ids[touching], beside[touching])
            np.maximum.at(highest, ids[touching], beside[touching])
        outside = np.ones(box.shape, bool)
        if not (core := box.intersect(inner)).is_empty:
            outside[core.slices(box.start)] = False
        closed[ids[outside]] = False
    closed[0] = False
    return np.where(closed & (lowest == highest), highest, 0).astype(np.uint32)


def _six_shifts(around: Labels) -> Iterator[Labels]:
    """The neighbours across the six faces of all voxels but the outermost."""
    core = slice(1, -1)
    for axis in range(3):
        for side in (slice(None, -2), slice(2, None)):
            place = [core, core, core]
            place[axis] = side
            yield around[tuple(place)]
