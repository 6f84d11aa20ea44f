"""Mutex watershed on affinities (Wolf et al. 2018), tile by tile, joined where tiles see the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError, require_module
from organelle.geometry import Box, Voxels
from organelle.process.objects import Labels, Mask
from organelle.process.runs import Runs
from organelle.process.scratch import Cut
from organelle.process.tiled.tiles import Tiles

_NOTHING = -1e-9
"""Weight of edges that must neither join nor come before any other."""


@dataclass(frozen=True)
class Affinities:
    """How likely voxels belong to one object with those some steps further.

    Attributes:
        read: gives float (offset, z, y, x), 0 to 1, of a box.
        offsets: steps z, y, x from a voxel to its partner, as the network learned them; among them a step
            of one voxel along each axis, which join. Longer ones keep apart.
        bias: pairs above it belong together, pairs below it do not.
    """

    read: Callable[[Box], NDArray[np.floating[Any]]]
    offsets: Sequence[Voxels]
    bias: float = 0.5

    def __post_init__(self) -> None:
        axes = {tuple(map(abs, offset)) for offset in self.offsets}
        if not {(1, 0, 0), (0, 1, 0), (0, 0, 1)} <= axes:
            raise SettingsError(
                f"affinities need a step of one voxel along each axis to join voxels, not only "
                f"{', '.join(map(str, self.offsets))}; train with them (offsets in [[model.targets]])"
            )


@dataclass(frozen=True, eq=False)
class TileSeen:
    """What is kept of a tile, to join it with its neighbours.

    Attributes:
        count: pieces of the tile and its halo, numbered from 1.
        before: for each axis the pieces around its near face, where the neighbour looked too; None if there
            is no neighbour.
        behind: the same for its far face.
    """

    count: int
    before: tuple[Runs | None, Runs | None, Runs | None]
    behind: tuple[Runs | None, Runs | None, Runs | None]


@dataclass(frozen=True, eq=False)
class MutexTiles:
    """Objects of a mask from affinities, tile by tile.

    Each tile is cut with its halo. Two neighbouring tiles both see the voxels within a halo of their common
    face: pieces of which that part is the same are one object, see `join_tiles`.

    Attributes:
        affinities: what belongs together.
        read_mask: where objects are.
        tiles: with a halo of at least one voxel.

    Raises:
        SettingsError: no halo, hence nothing by which tiles could be joined.
    """

    affinities: Affinities
    read_mask: Callable[[Box], Mask]
    tiles: Tiles

    def __post_init__(self) -> None:
        if min(self.tiles.halo) < 1:
            raise SettingsError("tiles of a mutex watershed need a halo of at least one voxel to be joined")

    def cut(self, core: Box) -> tuple[Labels, TileSeen]:
        """The pieces in a tile, numbered from 1 with those in its halo, and what its neighbours need."""
        around = self.tiles.around(core)
        mask = self.read_mask(around)
        labels = np.zeros(around.shape, np.uint32)
        if mask.any():
            source = self.affinities
            labels = mutex_pieces(source.read(around), source.offsets, mask, source.bias)

        def seen(shared: Box | None) -> Runs | None:
            return None if shared is None else Runs.of(labels[shared.slices(around.start)])

        places = [self._neighbours(core, axis) for axis in range(3)]
        z, y, x = (seen(before and self._shared(before, core, a)) for a, (before, _) in enumerate(places))
        near = z, y, x
        z, y, x = (seen(behind and self._shared(core, behind, a)) for a, (_, behind) in enumerate(places))
        return labels[core.slices(around.start)], TileSeen(int(labels.max()), near, (z, y, x))

    def _neighbours(self, core: Box, axis: int) -> tuple[Box | None, Box | None]:
        """The tiles before and behind a tile along an axis."""
        found: list[Box | None] = []
        for at in (core.start[axis] - 1, core.stop[axis]):
            voxel = [*core.start]
            voxel[axis] = at
            cut = self.tiles.cut
            inside = 0 <= at < self.tiles.shape[axis]
            found.append(cut[cut.number((voxel[0], voxel[1], voxel[2]))] if inside else None)
        return found[0], found[1]

    def _shared(self, core: Box, behind: Box, axis: int) -> Box:
        """The voxels within a halo of the face between two tiles, as far as both see them."""
        start, stop = list(core.start), list(core.stop)
        start[axis] = stop[axis] - self.tiles.halo[axis]
        stop[axis] += self.tiles.halo[axis]
        seam = Box.between(start, stop)
        return seam.intersect(self.tiles.around(core)).intersect(self.tiles.around(behind))


@dataclass(frozen=True, eq=False)
class JoinedTiles:
    """The pieces of all tiles, each with a number of its own, and which of them are one object.

    Attributes:
        offsets: what is added to a tile's own numbers, by the tile's number.
        groups: at each number, the lowest number of its object; for `Fragments.number`.
    """

    offsets: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def count(self) -> int:
        """The highest number."""
        return len(self.groups) - 1


def join_tiles(blocks: Iterable[tuple[Box, TileSeen]], cut: Cut, join: float = 0.5) -> JoinedTiles:
    """Join pieces of which two neighbouring tiles see the same, to at least `join`.

    Args:
        blocks: all tiles in their order, with what `MutexTiles.cut` keeps of them.
        cut: the tiles.
        join: intersection over union of the pieces' parts that both tiles see; more keeps more apart.

    Memory: what tiles that wait for a neighbour see within their halos, as runs.
    """
    waiting: dict[tuple[Voxels, int], tuple[int, Runs]] = {}
    pairs, offsets, count = [np.empty((0, 2), np.int64)], [], 0
    for core, seen in blocks:
        offsets.append(count)
        for axis in range(3):
            theirs, mine = waiting.pop((core.start, axis), None), seen.before[axis]
            if theirs is not None and mine is not None:
                first, before = theirs
                pairs.append(_same(_drawn(before), _drawn(mine), join) + np.array([first, count]))
            behind = seen.behind[axis]
            if behind is not None:
                start = list(core.start)
                start[axis] = core.stop[axis]
                waiting[(start[0], start[1], start[2]), axis] = count, behind
        count += seen.count
    assert len(offsets) == len(cut)
    return JoinedTiles(np.array(offsets, np.int64), _groups(np.concatenate(pairs), count + 1))


def mutex_pieces(
    affinities: NDArray[np.floating[Any]], offsets: Sequence[Voxels], mask: Mask, bias: float
) -> Labels:
    """Mutex watershed of one array: pieces 1..n, in the order of their first voxel; each is connected."""
    mwatershed = require_module("mwatershed", "process")
    fits = [all(abs(o) < n for o, n in zip(offset, mask.shape, strict=True)) for offset in offsets]
    offsets = [offset for offset, fit in zip(offsets, fits, strict=True) if fit]
    if not offsets:  # a single voxel
        return mask.astype(np.uint32)
    weights = affinities[fits].astype(np.float64) - bias
    for weight, offset in zip(weights, offsets, strict=True):
        if sum(map(abs, offset)) > 1:
            np.minimum(weight, _NOTHING, out=weight)
        weight[~_both(mask, offset)] = _NOTHING
    pieces = mwatershed.agglom(weights, [list(offset) for offset in offsets])
    # A voxel that no edge joined has the number 0, or one of its own.
    alone = np.arange(1, mask.size + 1, dtype=np.uint64).reshape(mask.shape) + pieces.max(initial=0)
    return _numbered(np.where(mask, np.where(pieces > 0, pieces, alone), 0))


def _groups(pairs: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """For each of n pieces the lowest number of its object."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = pairs.T
    links = coo_array((np.ones(len(a), bool), (a, b)), (n, n))
    count, group = connected_components(links, directed=False)
    lowest = np.full(count, n, np.int64)
    np.minimum.at(lowest, group, np.arange(n))
    return np.asarray(lowest[group], np.int64)


def _drawn(seen: Runs) -> Labels:
    return seen.draw(Box((0, 0, 0), seen.shape), np.uint32)


def _same(a: Labels, b: Labels, join: float) -> NDArray[np.int64]:
    """Pairs (n, 2) of pieces with an intersection over union of at least `join`."""
    both = (a > 0) & (b > 0)
    seen = np.stack([a[both], b[both]], axis=1).astype(np.int64)
    pairs, common = np.unique(seen, axis=0, return_counts=True)
    size_a, size_b = (dict(zip(*np.unique(v, return_counts=True), strict=True)) for v in (a, b))
    union = [size_a[i] + size_b[j] - n for (i, j), n in zip(pairs.tolist(), common.tolist(), strict=True)]
    return pairs[common >= join * np.array(union, np.float64)]


def _both(mask: Mask, offset: Voxels) -> Mask:
    """Voxels that are in the mask together with their partner."""
    result = np.zeros(mask.shape, bool)
    here = tuple(slice(max(0, -o), n - max(0, o)) for o, n in zip(offset, mask.shape, strict=True))
    there = tuple(slice(max(0, o), n - max(0, -o)) for o, n in zip(offset, mask.shape, strict=True))
    result[here] = mask[here] & mask[there]
    return result


def _numbered(pieces: NDArray[np.uint64]) -> Labels:
    flat = pieces.ravel()
    where = np.flatnonzero(flat)
    values, first, index = np.unique(flat[where], return_index=True, return_inverse=True)
    rank = np.empty(len(values), np.uint32)
    rank[np.argsort(first)] = np.arange(1, len(values) + 1)
    labels: Labels = np.zeros(pieces.shape, np.uint32)
    labels.ravel()[where] = rank[index]
    return labels
