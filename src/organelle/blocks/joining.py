"""Objects that lie in several blocks: labels joined across faces, edges and corners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from organelle.errors import GridMismatch
from organelle.geometry import Box, Voxels

Connectivity = Literal[6, 26]
_Faces = dict[tuple[int, int], NDArray[np.int64]]


@dataclass(frozen=True)
class Components:
    """The objects of a whole volume: ids 1..N in the order of their first voxel (z, y, x; x fastest).

    Attributes:
        sizes: voxels of object i at index i; index 0 is 0.
        first_voxels: flat index, in the whole volume, of object i's first voxel at index i; index 0 is -1.
        ids: id of each (block, label), concatenated over blocks.
        offsets: where a block's labels begin in `ids`, by the block's start.
    """

    sizes: NDArray[np.int64]
    first_voxels: NDArray[np.int64]
    ids: NDArray[np.uint32]
    offsets: dict[Voxels, int]

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.sizes) - 1

    def relabel(
        self, block: Box, labels: NDArray[np.integer], ids: NDArray[np.uint32] | None = None
    ) -> NDArray[np.uint32]:
        """The block's own labels (as they were added) replaced by ids of the whole volume.

        Args:
            block: a block that was added.
            labels: the labels that were added for it.
            ids: what to write for object i, at index i (index 0: background); default: i.
        """
        offset = self.offsets[block.start]
        table = np.zeros(int(labels.max(initial=0)) + 1, np.uint32)
        table[1:] = self.ids[offset : offset + len(table) - 1]
        return np.asarray((table if ids is None else ids[table])[labels], np.uint32)

    def keep(self, chosen: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """For `relabel`: the objects chosen (index 0 is ignored) numbered anew from 1, the others 0."""
        chosen = chosen.copy()
        chosen[0] = False
        return np.where(chosen, np.cumsum(chosen), 0).astype(np.uint32)


class FaceJoiner:
    """Finds which labels of neighbouring blocks are one object, from the blocks' faces alone.

    Blocks are the tiles of a volume (`Box.tiles`) and may be added in any order, each with labels 1..n of
    its own; the answer depends neither on the order nor on the size of the blocks. Only the faces that
    still wait for a neighbour are kept in memory.

    Args:
        shape: of the whole volume.
        block_shape: of the tiles.
        connectivity: 26 joins across faces, edges and corners, 6 across faces only.
    """

    def __init__(self, shape: Voxels, block_shape: Voxels, connectivity: Connectivity = 26) -> None:
        self.shape = shape
        self.block_shape = block_shape
        self.connectivity = connectivity
        self._offsets: dict[Voxels, int] = {}
        self._total = 0
        self._faces: dict[Voxels, _Faces] = {}
        self._awaited: dict[Voxels, set[Voxels]] = {}
        self._sizes: list[NDArray[np.int64]] = []
        self._firsts: list[NDArray[np.int64]] = []
        self._pairs: list[NDArray[np.int64]] = []
        self._values: list[NDArray[np.int64]] = []

    def add(self, block: Box, labels: NDArray[np.integer]) -> None:
        """Take in a block's `labels`: 0 is background, 1..n its own pieces, every number in use."""
        if block.shape != labels.shape:
            raise GridMismatch(f"labels of shape {labels.shape} do not fill a block of {block.shape}")
        sizes = np.bincount(labels.ravel())[1:]
        planes = {
            (axis, side): np.take(labels, [0 if side < 0 else -1], axis=axis)
            for axis, side in product(range(3), (-1, 1))
        }
        if not sizes.all():
            raise GridMismatch(
                f"the labels of the block at {block.start} do not use every number up to their largest"
            )
        self.add_counted(block, planes, sizes, _first_voxels(labels, len(sizes)))

    def add_counted(
        self,
        block: Box,
        planes: Mapping[tuple[int, int], NDArray[np.integer]],
        sizes: NDArray[np.int64],
        first_voxels: NDArray[np.int64],
        values: NDArray[np.integer] | None = None,
    ) -> None:
        """Take in a block of which all that matters is known.

        Args:
            block: a tile of the volume.
            planes: its six outer planes (3D, one voxel thick) with labels 0..n, by axis and side (-1 or 1).
            sizes: voxels of the pieces 1..n.
            first_voxels: flat index in the block of the first voxel of each.
            values: what each piece consists of; only pieces of equal values are joined. Default: all are.
        """
        if block.start in self._offsets:
            raise GridMismatch(f"the block at {block.start} was already added")
        self._sizes.append(sizes)
        self._firsts.append(self._in_volume(block, first_voxels))
        self._values.append(np.zeros(len(sizes), np.int64) if values is None else values.astype(np.int64))
        self._offsets[block.start] = self._total
        self._faces[block.start] = {key: _numbered(plane, self._total) for key, plane in planes.items()}
        self._total += len(sizes)
        self._meet_neighbours(block.start)

    def finish(self) -> Components:
        """All objects of the volume; blocks that were never added count as background."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        a, b = np.concatenate([np.empty((2, 0), np.int64), *self._pairs], axis=1)
        values = _concatenate(self._values)
        alike = values[a] == values[b]
        a, b = a[alike], b[alike]
        links = coo_array((np.ones(len(a), bool), (a, b)), (self._total, self._total))
        count, group = connected_components(links, directed=False)
        firsts = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(firsts, group, _concatenate(self._firsts))
        sizes = np.zeros(count, np.int64)
        np.add.at(sizes, group, _concatenate(self._sizes))
        order = np.argsort(firsts)
        rank = np.empty(count, np.uint32)
        rank[order] = np.arange(1, count + 1)
        return Components(
            np.concatenate([[0], sizes[order]]),
            np.concatenate([[-1], firsts[order]]),
            rank[group],
            dict(self._offsets),
        )

    @property
    def pieces(self) -> int:
        """How many were added so far."""
        return self._total

    def _in_volume(self, block: Box, first: NDArray[np.int64]) -> NDArray[np.int64]:
        """Flat indices in a block as flat indices in the whole volume."""
        inside = np.unravel_index(first, block.shape)
        place = [i + a for i, a in zip(inside, block.start, strict=True)]
        return np.asarray(np.ravel_multi_index(place, self.shape), np.int64)

    def _meet_neighbours(self, start: Voxels) -> None:
        """Join with the neighbours that came before; faces that met all their neighbours are let go."""
        awaited = set()
        for direction in _directions(self.connectivity):
            neighbour = self._neighbour(start, direction)
            if neighbour in self._faces:
                self._pairs.append(self._touching(start, neighbour, direction))
                self._awaited[neighbour].discard(start)
                self._let_go(neighbour)
            elif neighbour is not None:
                awaited.add(neighbour)
        self._awaited[start] = awaited
        self._let_go(start)

    def _let_go(self, start: Voxels) -> None:
        if not self._awaited[start]:
            del self._awaited[start], self._faces[start]

    def _neighbour(self, start: Voxels, direction: Voxels) -> Voxels | None:
        """Start of the tile next to the one at `start`, or None outside of the volume."""
        place = [a + d * n for a, d, n in zip(start, direction, self.block_shape, strict=True)]
        if any(not 0 <= a < n for a, n in zip(place, self.shape, strict=True)):
            return None
        z, y, x = place
        return z, y, x

    def _touching(self, start: Voxels, neighbour: Voxels, direction: Voxels) -> NDArray[np.int64]:
        """The distinct pairs (2, n) of pieces that touch between two neighbouring blocks."""
        a = _side(self._faces[start], direction)
        b = _side(self._faces[neighbour], (-direction[0], -direction[1], -direction[2]))
        steps = (-1, 0, 1) if self.connectivity == 26 else (0,)
        pairs = [_overlapping(a, b, (z, y, x)) for z, y, x in product(steps, repeat=3)]
        return np.asarray(np.unique(np.concatenate(pairs, axis=1), axis=1), np.int64)


def _first_voxels(labels: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Flat index of the first voxel of each label."""
    flat = labels.ravel()
    index = np.flatnonzero(flat)[::-1]
    first = np.empty(count, np.int64)
    first[flat[index] - 1] = index  # the last assignment wins: the lowest index
    return first


def _directions(connectivity: Connectivity) -> Iterator[Voxels]:
    for z, y, x in product((-1, 0, 1), repeat=3):
        steps = abs(z) + abs(y) + abs(x)
        if steps == 1 or (connectivity == 26 and steps):
            yield z, y, x


def _numbered(plane: NDArray[np.integer], offset: int) -> NDArray[np.int64]:
    """Labels of a block as piece numbers of the whole volume; background is -1."""
    wide = plane.astype(np.int64)
    return np.where(wide > 0, wide + (offset - 1), -1)


def _side(faces: _Faces, direction: Voxels) -> NDArray[np.int64]:
    """The voxels of a block that look in `direction`: a face, an edge or a corner, kept 3D."""
    axis = next(i for i, d in enumerate(direction) if d)
    piece = faces[axis, direction[axis]]
    for other in range(axis + 1, 3):
        if direction[other]:
            piece = np.take(piece, [0 if direction[other] < 0 else -1], axis=other)
    return piece


def _overlapping(a: NDArray[np.int64], b: NDArray[np.int64], shift: Voxels) -> NDArray[np.int64]:
    """Pairs (2, n) of foreground where `a` meets `b` moved by `shift` voxels; `a` and `b` of one shape."""
    ahead = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(shift, a.shape, strict=True))
    back = tuple(slice(max(-s, 0), n + min(-s, 0)) for s, n in zip(shift, a.shape, strict=True))
    left, right = a[ahead], b[back]
    both = (left >= 0) & (right >= 0)
    left, right = left[both], right[both]
    changed = np.ones(len(left), bool)
    changed[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return np.stack([left[changed], right[changed]])


def _concatenate(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *parts])
