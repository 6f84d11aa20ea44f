"""How far the outlines of two objects are apart: Hausdorff distances between sets of voxel centres, in nm.

Only voxels that lie in one set and not in the other can be away from the other set; they are listed as
runs. Most runs are settled by one voxel of the other set that is no farther than the largest distance found
so far. Where nothing is near, the blocks are searched in which the other set lies.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.errors import require_module
from organelle.geometry import Nm
from organelle.metrics.overlap import overlap_table
from organelle.metrics.sides import OUT_OF_LEFTOVER, OUT_OF_OWN, OUT_OF_TRUTH, WITHIN, Sides

if TYPE_CHECKING:
    from organelle.metrics.kernels import Near
    from organelle.metrics.searching import Blocks, Jobs, Space

Array = np.ndarray[Any, np.dtype[Any]]

REACH = 5
"""How far around a voxel that strayed the other side is looked for voxel by voxel, in the finest voxels."""

BLOCK = 8
"""Edge of the blocks by which objects that are farther are found, in the finest voxels."""

LIST_BYTES = 256_000_000
"""Memory for lists of runs and blocks; those of a single object in one volume may need more."""

SAMPLED_ROWS = 7
"""One in so many rows is looked at first. Odd, so that other rows are met in the next plane."""


def squared_distances(sides: Sides, voxel_size_nm: Nm, cap_nm: float) -> Array:
    """The squared Hausdorff distance in nm^2 of every one of `sides.ids`, at most `cap_nm` squared.

    Args:
        sides: what to compare.
        voxel_size_nm: z, y, x.
        cap_nm: beyond this, nothing is told apart.

    Returns:
        float64 [2, object]: with the leftover as part of the object, and without; the second is only
        meant for objects with a component of their own.
    """
    squares = np.zeros((2, len(sides.ids)))
    if len(sides.ids) == 0:
        return squares
    space = _space(
        sides.truth.shape, (float(voxel_size_nm[0]), float(voxel_size_nm[1]), float(voxel_size_nm[2]))
    )
    capacity = sides.capacity()
    for asked in _batches(sides, capacity, int(space.edges[2])):
        _of_batch(sides, capacity * asked, space, cap_nm**2, squares.ravel())
    squares[1] = np.where(sides.disturbed, squares[1], squares[0])
    return squares


def hausdorff_distances(
    truth: Array, prediction: Array, ids: Array | list[int], voxel_size_nm: Nm, cap_nm: float
) -> Array:
    """The distance between `truth == id` and `prediction == id` for every one of `ids`, in nm.

    Args:
        truth: z, y, x ids of an unsigned type; every one of `ids` occurs.
        prediction: ids of the same shape.
        ids: what to compare, ascending.
        voxel_size_nm: z, y, x.
        cap_nm: the largest distance there is; also that of an id without a voxel in `prediction`.

    Returns:
        float64, one per id.
    """
    wanted = np.asarray(ids, np.int64)
    table = overlap_table(truth, prediction, int(prediction.max(initial=0)))
    own = np.zeros(len(table.truth_sizes), np.int64)
    there = wanted[wanted <= table.n_components]
    own[there] = there * (table.component_sizes[there] > 0)
    sides = Sides(truth, prediction, table, own, np.zeros_like(own))
    distances = np.full(len(own), float(cap_nm))
    distances[sides.ids] = np.sqrt(squared_distances(sides, voxel_size_nm, cap_nm)[0])
    return distances[wanted]


def hausdorff_distance(first: Array, second: Array, voxel_size_nm: Nm, cap_nm: float = np.inf) -> float:
    """The larger of the two directed maxima between two sets of voxels, in nm, never more than `cap_nm`.

    Args:
        first: bool z, y, x.
        second: bool of the same shape.
        voxel_size_nm: z, y, x.
        cap_nm: upper bound, and the answer when exactly one set is empty. Two empty sets are 0 apart.
    """
    if not (first.any() and second.any()):
        return float(cap_nm) if first.any() or second.any() else 0.0
    one, other = (np.ascontiguousarray(side).view(np.uint8) for side in (first, second))
    return float(hausdorff_distances(one, other, [1], voxel_size_nm, cap_nm)[0])


def _batches(sides: Sides, capacity: Array, edge: int) -> list[Array]:
    """Lists that fit into `LIST_BYTES` together, or are one object's in one volume: [object, list] bool."""
    table, index = sides.overlap, sides.index.itemsize
    in_truth = _most_blocks(table.truth_sizes, table.truth_runs, edge)[sides.ids]
    in_prediction = _most_blocks(table.component_sizes, table.component_runs, edge)
    blocks = in_prediction[sides.first] + in_prediction[sides.second] * sides.disturbed, in_truth
    per_run = index + _length_type(sides).itemsize
    runs = capacity[:, :OUT_OF_OWN].sum(axis=1), capacity[:, OUT_OF_OWN:].sum(axis=1)
    needed = np.concatenate([per_run * r + index * b for r, b in zip(runs, blocks, strict=True)])
    ends, batches, start = np.cumsum(needed), [], 0
    while start < len(needed):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + LIST_BYTES, side="right")))
        asked = np.zeros((2, len(sides.ids)), bool)
        asked.ravel()[start:stop] = True
        batches.append(np.repeat(asked.T, 2, axis=1))
        start = stop
    return batches


def _of_batch(sides: Sides, capacity: Array, space: Space, cap: float, squares: Array) -> None:
    """Raise `squares` by some lists: write down their runs, then ask how far they are.

    First those of some rows: what they tell of the distances spares most runs of the others.
    """
    require_module("numba", "score")
    from organelle.metrics.kernels import list_strays

    if not capacity.any():
        return
    lists = _Lists(sides, capacity)
    truth, prediction = _Volume(sides, space, predicted=False), _Volume(sides, space, predicted=True)
    for every in (SAMPLED_ROWS, 1):
        cursors, near = lists.cursors(), (prediction.near(squares), truth.near(squares))
        list_strays(
            truth.goal,
            prediction.goal,
            space.shape,
            every,
            sides.new,
            *cursors,
            *near,
            lists.begins,
            lists.lengths,
        )
        stops = lists.stops(cursors)
        for volume in (truth, prediction):
            volume.ask(lists, stops, cap, squares)


class _Lists:
    """Room for lists of runs: `capacity` is [object, list]."""

    def __init__(self, sides: Sides, capacity: Array) -> None:
        self._sides, self._room = sides, capacity > 0
        self._keys = (0, sides.ids), (1, sides.second), (2, sides.first), (2, sides.second)
        self.starts = np.cumsum(capacity).reshape(capacity.shape) - capacity
        self.begins = np.empty(int(capacity.sum()), sides.index)
        self.lengths = np.empty(len(self.begins), _length_type(sides))

    def cursors(self) -> tuple[Array, Array, Array]:
        """Where the lists start, for `list_strays`: by truth id, by leftover, by component."""
        n_ids, n_components = len(self._sides.own), len(self._sides.new)
        tables = np.full(n_ids, -1), np.full(n_components, -1), np.full(n_components, -1)
        for column, (table, keys) in enumerate(self._keys):
            room = self._room[:, column]
            tables[table][keys[room]] = self.starts[room, column]
        return tables

    def stops(self, cursors: tuple[Array, Array, Array]) -> Array:
        """[object, list] where they end."""
        stops = np.stack([cursors[table][keys] for table, keys in self._keys], axis=1)
        return np.where(self._room, stops, self.starts)


class _Volume:
    """One of two volumes, in which the nearest voxels are looked for of what strayed in the other.

    A question is the row of its answer, the list of runs, and the labels of the objects. Row 1 is for
    disturbed objects alone.
    """

    def __init__(self, sides: Sides, space: Space, *, predicted: bool) -> None:
        own, both, ids, table = sides.first, sides.second, sides.ids, sides.overlap
        self._sides, self._space = sides, space
        if predicted:
            self.goal, sizes, runs = sides.components.ravel(), table.component_sizes, table.component_runs
            self._keys, self._n_keys, self._labels = ids, len(sides.own), own
            self._questions = (0, OUT_OF_TRUTH, own, both), (1, OUT_OF_TRUTH, own, own), (1, WITHIN, own, own)
        else:
            self.goal, sizes, runs = sides.truth.ravel(), table.truth_sizes, table.truth_runs
            self._keys, self._n_keys, self._labels = own, len(sides.new), ids
            self._questions = (
                (0, OUT_OF_OWN, ids, ids),
                (0, OUT_OF_LEFTOVER, ids, ids),
                (1, OUT_OF_OWN, ids, ids),
            )
        self._room = _most_blocks(sizes, runs, int(space.edges[2]))
        self._blocks = self._list_blocks(np.zeros_like(self._room))
        self._ways = np.zeros((2 * len(ids), 3), np.int64)

    def near(self, squares: Array) -> Near:
        """What is known by now, for `list_strays`; nothing of disturbed objects, which have two answers."""
        from organelle.metrics.kernels import Near

        plain, size = ~self._sides.disturbed, self._space.size[2]
        labels, reach = np.zeros(self._n_keys, self.goal.dtype), np.zeros(self._n_keys, np.int64)
        ways, known = np.zeros((self._n_keys, 3), np.int64), squares[: len(plain)][plain]
        keys, steps = self._keys[plain], (np.sqrt(known) / size).astype(np.int64)
        labels[keys] = self._labels[plain]
        reach[keys] = steps - ((steps * size) ** 2 > known)
        ways[keys] = self._ways[: len(plain)][plain]
        return Near(labels, reach, ways)

    def ask(self, lists: _Lists, stops: Array, cap: float, squares: Array) -> None:
        """Raise `squares`; blocks are listed for those objects alone that are far from some voxel."""
        from organelle.metrics.searching import Jobs, search

        jobs = self._jobs(lists.starts, stops)
        everything = lists.begins, lists.lengths, cap, squares, self._ways
        done = search(self.goal, self._space, self._blocks, jobs, *everything)
        if not done.all():
            rest, wanted = Jobs(*(column[~done] for column in jobs)), np.zeros_like(self._room)
            for labels in (rest.first, rest.second):
                wanted[labels] = self._room[labels]
            self._blocks = self._list_blocks(wanted)
            search(self.goal, self._space, self._blocks, rest, *everything)

    def _jobs(self, starts: Array, stops: Array) -> Jobs:
        """Every question about every object whose list holds a run."""
        from organelle.metrics.searching import Jobs

        columns = []
        for row, runs, first, second in self._questions:
            asked = (stops[:, runs] > starts[:, runs]) & (self._sides.disturbed | (row == 0))
            answers = row * len(asked) + np.arange(len(asked))
            columns.append([c[asked] for c in (answers, first, second, starts[:, runs], stops[:, runs])])
        answers, one, other, begin, end = (np.concatenate(column) for column in zip(*columns, strict=True))
        label = self.goal.dtype
        return Jobs(answers, one.astype(label), other.astype(label), begin, end)

    def _list_blocks(self, room: Array) -> Blocks:
        """In which blocks labels lie; `room[label]` is how many there may be, 0 where nobody asks."""
        from organelle.metrics.kernels import list_blocks
        from organelle.metrics.searching import Blocks

        starts, space = np.cumsum(room) - room, self._space
        cursors = np.where(room > 0, starts, -1)
        numbers = np.empty(int(room.sum()), self._sides.index)
        if len(numbers):
            list_blocks(self.goal, space.shape, space.edges, space.grid, cursors, numbers)
        return Blocks(room > 0, starts, cursors.clip(min=starts), numbers)


def _most_blocks(sizes: Array, runs: Array, edge: int) -> Array:
    """[label] how many entries `list_blocks` makes at most."""
    return np.asarray(np.minimum(sizes, 2 * runs + sizes // edge))


def _length_type(sides: Sides) -> np.dtype[Any]:
    """The type of lengths of runs."""
    return np.dtype(np.uint16 if sides.width < 1 << 16 else np.uint32)


@lru_cache(maxsize=16)
def _space(shape: tuple[int, ...], size: Nm) -> Space:
    """Geometry of a crop, with all steps up to `REACH`, nearest first."""
    from organelle.metrics.searching import Space

    limit = (REACH * min(size)) ** 2
    reach = [int(REACH * min(size) / s) for s in size]
    steps = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1).reshape(-1, 3)
    z, y, x = np.square(steps * np.asarray(size)).T
    squares = z + y + x
    order = np.argsort(squares, kind="stable")[1:]
    kept = order[squares[order] <= limit]
    ring, extent, sizes = steps[kept].astype(np.int64), np.array(shape), np.array(size)
    jumps = (ring[:, 0] * shape[1] + ring[:, 1]) * shape[2] + ring[:, 2]
    edges = np.maximum(1, np.rint(BLOCK * sizes.min() / sizes)).astype(np.int64)
    return Space(
        extent, sizes, ring, jumps, np.abs(ring).max(axis=0), squares[kept], edges, -(-extent // edges)
    )
