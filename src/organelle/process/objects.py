"""Connected pieces over blocks: the same as labelling the whole volume at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from organelle.blocks import Connectivity, FaceJoiner
from organelle.geometry import Box, Voxels
from organelle.process.layers import Array, Labels, Layer, Mask
from organelle.process.runs import Runs
from organelle.process.scratch import Cut, Name, Store
from organelle.process.site import Site, StoredLabels

__all__ = ["Cut", "Joined", "Labels", "Mask", "Pieces", "Tally", "find_pieces", "tally"]

Measure = Callable[[Runs, int], tuple[Array, ...]]
"""Something about the pieces 1..n of one block, from their runs: arrays of length n."""
Look = Callable[[Box], tuple[Runs | Array, Measure | None]]
"""The mask or labels of a block, and what to measure of its pieces."""
PLANES = tuple((axis, side) for axis in range(3) for side in (-1, 1))


@dataclass(frozen=True, eq=False)
class Joined:
    """What is known of all pieces of a volume.

    Attributes:
        sizes: voxels of piece i at index i; index 0 is 0.
        ids: the piece that each piece of a block belongs to, over all blocks in their order.
        offsets: where a block's pieces begin in `ids`, by the block's number.
        values: what each piece consists of, at its number; index 0 is 0.
        measured: what was measured of the pieces of every block, in the order of `ids`.
    """

    sizes: NDArray[np.int64]
    ids: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    values: Labels
    measured: tuple[Array, ...]

    @property
    def count(self) -> int:
        """How many pieces."""
        return len(self.sizes) - 1

    def gather(self, into: np.ufunc, start: Any, which: int = 0) -> Array:
        """What was measured (the array `which`), brought together: for piece i at index i."""
        whole = np.full(self.count + 1, start)
        if self.measured:
            into.at(whole, self.ids, self.measured[which])
        return whole


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected pieces of a volume: 1..N in the order of their first voxel.

    Attributes:
        joined: how many, how large, and which piece of a block belongs to which.
        store: the pieces of each block.
        site: where.
    """

    joined: Joined
    store: Store
    site: Site

    @property
    def count(self) -> int:
        """How many."""
        return self.joined.count

    def named(self, names: Callable[[], Array], dtype: DTypeLike = np.uint32) -> StoredLabels:
        """The layer that shows piece i as `names()[i]`; `names()[0]` must be 0."""
        return self._show(self.site.once(lambda: self._of_blocks(names(), dtype)), dtype)

    def chosen(self, keep: Callable[[], NDArray[np.bool_]] | None = None) -> Layer:
        """The pieces chosen (by number; index 0 does not count), numbered anew from 1, as labels.

        Without `keep` all are.
        """

        def choose() -> tuple[Array, NDArray[np.int64]]:
            kept = np.ones(self.count + 1, bool) if keep is None else keep().copy()
            kept[0] = False
            names = np.where(kept, np.cumsum(kept), 0).astype(np.uint32)
            kept[0] = True
            return self._of_blocks(names, np.uint32), self.joined.sizes[kept]

        whole, sizes = self.site.once(choose)
        return self._show(whole, np.uint32).with_sizes(sizes)

    def _of_blocks(self, names: Array, dtype: DTypeLike) -> Array:
        """The name of each piece of each block, behind a 0."""
        return np.append(np.zeros(1, dtype), np.asarray(names, dtype)[self.joined.ids])

    def _show(self, whole: Array, dtype: DTypeLike) -> StoredLabels:
        offsets, cut = self.joined.offsets, self.store.cut

        def name_in(block: Voxels) -> Name:
            first = int(offsets[cut.number(block)])
            return lambda values: whole[np.where(values > 0, values + np.int64(first), 0)]

        return StoredLabels.make(self.store, name_in, dtype)


def find_pieces(
    look: Look, site: Site, connectivity: Connectivity = 26, *, part: str, advice: str = ""
) -> Pieces:
    """Connected pieces right across block faces; of labels those of one value. Reads every block once.

    Args:
        look: what to label.
        site: where.
        connectivity: 26 joins across faces, edges and corners, 6 across faces only.
        part: who asks, for errors.
        advice: what to do against specks.
    """
    store = site.store(np.uint32)
    found = site.each(lambda box: _look_at(box, look, connectivity, store))
    return Pieces(site.once(lambda: _join(found, site, connectivity, part, advice)), store, site)


def _join(
    blocks: Iterable[tuple[Box, _Found]], site: Site, connectivity: Connectivity, part: str, advice: str
) -> Joined:
    """The pieces of all blocks, joined across faces."""
    joiner = FaceJoiner(site.cut.shape, site.cut.block_shape, connectivity)
    measured: list[tuple[Array, ...]] = []
    values, offsets, voxels = [np.empty(0, np.uint32)], [], 0
    for box, found in blocks:
        offsets.append(joiner.pieces)
        joiner.add_counted(box, found.planes, found.sizes, found.first, found.values)
        measured.append(found.measured)
        values.append(found.values)
        voxels += box.size
        site.check(part, joiner.pieces, voxels, advice)
    components = joiner.finish()
    by_piece = np.zeros(components.count + 1, np.uint32)
    by_piece[components.ids] = np.concatenate(values)
    return Joined(
        components.sizes,
        components.ids,
        np.array(offsets, np.int64),
        by_piece,
        tuple(np.concatenate(arrays) for arrays in zip(*measured, strict=True)),
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """The pieces of one block."""

    planes: dict[tuple[int, int], Labels]
    sizes: NDArray[np.int64]
    first: NDArray[np.int64]
    values: Labels
    measured: tuple[Array, ...]


def _look_at(box: Box, look: Look, connectivity: Connectivity, store: Store) -> _Found:
    seen, measure = look(box)
    runs = seen if isinstance(seen, Runs) else Runs.of(seen)
    pieces, count = runs.label(connectivity)
    store.put(box, pieces)
    sizes, first = pieces.count(count)
    values = np.zeros(count + 1, np.uint32)
    values[pieces.values] = runs.values
    planes = {(axis, side): _plane(pieces, axis, side) for axis, side in PLANES}
    return _Found(planes, sizes, first, values[1:], measure(pieces, count) if measure else ())


def _plane(pieces: Runs, axis: int, side: int) -> Labels:
    """An outer plane of a block."""
    start, shape = [0, 0, 0], list(pieces.shape)
    start[axis], shape[axis] = (0 if side < 0 else shape[axis] - 1), 1
    return pieces.draw(Box.between(start, [a + n for a, n in zip(start, shape, strict=True)]), np.uint32)


@dataclass(frozen=True, eq=False)
class Tally:
    """The ids of a layer in order, with the voxels and the first voxel (flat, in the volume) of each."""

    ids: Labels
    sizes: NDArray[np.int64]
    first: NDArray[np.int64]


def tally(layer: Layer, site: Site) -> tuple[Layer, Tally]:
    """The layer (kept if need be), and what ids it has."""
    kept = layer if isinstance(layer, StoredLabels) and layer.name_in is None else site.keep(layer)
    assert isinstance(kept, StoredLabels)
    store, shape = kept.store, layer.shape
    found = site.each(lambda box: _tally_in(box, store, shape), store.cut)
    return kept, site.once(lambda: _add_up(found))


def _tally_in(box: Box, store: Store, shape: Voxels) -> tuple[Array, ...]:
    """The ids of a block, with voxels and first voxel of each."""
    runs = store.block(box.start)
    if runs is None:
        return np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int64)
    assert isinstance(runs, Runs)
    ids, voxels, index = runs.tally()
    place = np.array(np.unravel_index(index, box.shape)) + np.reshape(box.start, (3, 1))
    return ids, voxels, np.ravel_multi_index(tuple(place), shape)


def _add_up(blocks: Iterable[tuple[Box, tuple[Array, ...]]]) -> Tally:
    ids, sizes, first = [np.empty(0, np.uint32)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for _, (some, voxels, index) in blocks:
        ids.append(some)
        sizes.append(voxels)
        first.append(index)
    names, group = np.unique(np.concatenate(ids), return_inverse=True)
    total = np.bincount(group, np.concatenate(sizes), len(names)).astype(np.int64)
    begin = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(begin, group, np.concatenate(first))
    return Tally(names, total, begin)
