"""How far single voxels are from an object, compiled; all loops release the interpreter."""

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
Float = Any

NEAR = 32
"""So many voxels around each stray voxel are looked at, nearest first."""

SAMPLE = 64
"""One in so many stray voxels is asked first; of many of them, about so many in all."""

SKIPPED = 4
"""After a voxel with nothing near, so many voxels to its right are taken to be far, too."""


@njit(nogil=True, cache=True)
def near_squares(
    goal: Array,
    shape: Ints,
    meaning: Array,
    ids: Ints,
    places: Array,
    starts: Ints,
    ends: Ints,
    size: Floats,
    ring: Ints,
    jumps: Ints,
    reach: Ints,
    ring_squares: Floats,
    cap: float,
    squares: Floats,
) -> Ints:
    """Raise `squares` to the largest squared distance from stray voxels to what is near them.

    Args:
        goal: flat labels.
        shape: z, y, x.
        meaning: the id of each label.
        ids: the objects; each has a voxel in `goal`.
        places: lists of flat voxels, ascending, one per object; each is overwritten from its start by
            those with no voxel of the object near them.
        starts: [object] where its list starts.
        ends: [object] where it ends.
        size: of a voxel, in nm.
        ring: offsets z, y, x of all voxels up to some distance, nearest first.
        jumps: the same for flat voxels.
        reach: largest offset per axis.
        ring_squares: squared distances of the ring.
        cap: squared distance beyond which nothing matters.
        squares: [object] what is known already; receives the answers, nm^2.

    Returns:
        [object] how many far voxels now start each list.
    """
    far = np.zeros(len(ids), np.int64)
    for i in range(len(ids)):
        if squares[i] < cap and ends[i] > starts[i]:
            strays = places[starts[i] : ends[i]]
            far[i], squares[i] = _near(
                strays, goal, shape, meaning, ids[i], size, ring, jumps, reach, ring_squares, squares[i]
            )
            squares[i] = min(squares[i], cap)
    return far


@njit(nogil=True, cache=True)
def _near(
    places: Array,
    goal: Array,
    shape: Ints,
    meaning: Array,
    label: Int,
    size: Floats,
    ring: Ints,
    jumps: Ints,
    reach: Ints,
    ring_squares: Floats,
    most: Float,
) -> tuple[Int, Float]:
    """`near_squares` for one object: how many voxels are far, and the largest square of the others."""
    n_far, skip, near = 0, np.int64(-1), min(NEAR, len(ring))
    step = max(SAMPLE, places.size // SAMPLE)
    for k in range(step // 2, places.size, step):  # a good first guess rules most of the others out
        i = np.int64(places[k])
        most = max(most, _around(i, most, goal, shape, meaning, label, ring, jumps, reach, ring_squares))
    probes, leaps, span = _probes(most, size, shape)
    for k in range(places.size):
        i = np.int64(places[k])
        if i < skip:
            places[n_far] = i
            n_far += 1
            continue
        if _seek(i, goal, shape, meaning, label, probes, leaps, span, 0, len(probes), 1) >= 0:
            continue
        o = _seek(i, goal, shape, meaning, label, ring, jumps, reach, 0, near, 1)
        if o < 0:
            places[n_far] = i
            n_far += 1
            skip = i + SKIPPED
        elif ring_squares[o] > most:
            most = ring_squares[o]
            probes, leaps, span = _probes(most, size, shape)
    return n_far, most


@njit(nogil=True, cache=True)
def far_squares(
    goal: Array,
    shape: Ints,
    meaning: Array,
    ids: Ints,
    places: Array,
    starts: Ints,
    far: Ints,
    size: Floats,
    ring: Ints,
    jumps: Ints,
    reach: Ints,
    ring_squares: Floats,
    block_starts: Ints,
    blocks: Ints,
    edges: Ints,
    grid: Ints,
    cap: float,
    squares: Floats,
) -> None:
    """Raise `squares` by what `near_squares` found far; arguments as there and in `list_blocks`."""
    for i in range(len(ids)):
        if far[i] and squares[i] < cap:
            own = blocks[block_starts[ids[i]] : block_starts[ids[i] + 1]]
            strays = places[starts[i] : starts[i] + far[i]]
            squares[i] = _far(
                strays,
                goal,
                shape,
                meaning,
                ids[i],
                size,
                ring,
                jumps,
                reach,
                ring_squares,
                own,
                edges,
                grid,
                squares[i],
                cap,
            )


@njit(nogil=True, cache=True)
def _far(
    places: Array,
    goal: Array,
    shape: Ints,
    meaning: Array,
    label: Int,
    size: Floats,
    ring: Ints,
    jumps: Ints,
    reach: Ints,
    ring_squares: Floats,
    blocks: Ints,
    edges: Ints,
    grid: Ints,
    most: Float,
    cap: Float,
) -> Float:
    """The largest squared distance of one object's far voxels, asked block by block.

    A distance changes no more than the way walked, so that one answer rules out the voxels around it.
    """
    height, width = shape[1], shape[2]
    place, scout = np.empty(3, np.int64), np.empty(3, np.int64)
    low, high = _bounds(places, height, width)
    cells = (high - low) // edges + 1
    scouts = np.full(cells[0] * cells[1] * cells[2], -1, np.int64)
    distances = np.empty(len(scouts))
    sample = max(SAMPLE, places.size // SAMPLE)
    for step in (sample, 1):
        bound = np.sqrt(most)
        probes, leaps, span = _probes(most, size, shape)
        for k in range(step // 2, len(places), step):
            i = np.int64(places[k])
            if _seek(i, goal, shape, meaning, label, probes, leaps, span, 0, len(probes), 1) >= 0:
                continue
            _decode(i, height, width, place)
            cell = _cell(place, low, edges, cells)
            if scouts[cell] >= 0:
                _decode(scouts[cell], height, width, scout)
                if distances[cell] + _apart(place, scout, size) <= bound:
                    continue
            square = _around(i, most, goal, shape, meaning, label, ring, jumps, reach, ring_squares)
            if square < 0:
                square = _in_blocks(place, most, goal, shape, meaning, label, size, blocks, edges, grid)
            scouts[cell], distances[cell] = i, np.sqrt(square)
            if square > most:
                if square >= cap:
                    return cap
                most, bound = square, np.sqrt(square)
                probes, leaps, span = _probes(most, size, shape)
    return most


@njit(nogil=True, cache=True)
def _in_blocks(
    place: Ints,
    enough: Float,
    goal: Array,
    shape: Ints,
    meaning: Array,
    label: Int,
    size: Floats,
    blocks: Ints,
    edges: Ints,
    grid: Ints,
) -> Float:
    """Squared distance to the object's nearest voxel, or to any that is no farther than `enough`."""
    first, least = blocks[0], np.inf
    for k in range(len(blocks)):
        away = _to_block(place, blocks[k], edges, grid, size)
        if away < least:
            first, least = blocks[k], away
    best = _within(place, first, edges, grid, goal, shape, meaning, label, size, np.inf)
    for k in range(len(blocks)):
        if best <= enough:
            break
        if _to_block(place, blocks[k], edges, grid, size) < best:
            best = _within(place, blocks[k], edges, grid, goal, shape, meaning, label, size, best)
    return best


@njit(nogil=True, cache=True)
def _to_block(place: Ints, block: Int, edges: Ints, grid: Ints, size: Floats) -> Float:
    """Squared distance to the nearest place that a voxel of the block can have."""
    total, rest = 0.0, block
    for axis in (2, 1, 0):
        low = rest % grid[axis] * edges[axis]
        rest //= grid[axis]
        away = max(low - place[axis], place[axis] - (low + edges[axis] - 1), 0) * size[axis]
        total += away * away
    return total


@njit(nogil=True, cache=True)
def _within(
    place: Ints,
    block: Int,
    edges: Ints,
    grid: Ints,
    goal: Array,
    shape: Ints,
    meaning: Array,
    label: Int,
    size: Floats,
    best: Float,
) -> Float:
    """The smaller of `best` and the squared distance to the object's nearest voxel in the block."""
    c, b, a = block % grid[2], block // grid[2] % grid[1], block // grid[2] // grid[1]
    for z in range(a * edges[0], min((a + 1) * edges[0], shape[0])):
        dz = ((z - place[0]) * size[0]) ** 2
        for y in range(b * edges[1], min((b + 1) * edges[1], shape[1])):
            dy = dz + ((y - place[1]) * size[1]) ** 2
            if dy >= best:
                continue
            row = (z * shape[1] + y) * shape[2]
            for x in range(c * edges[2], min((c + 1) * edges[2], shape[2])):
                if meaning[goal[row + x]] == label:
                    best = min(best, dy + ((x - place[2]) * size[2]) ** 2)
    return best


@njit(nogil=True, cache=True)
def _probes(enough: Float, size: Floats, shape: Ints) -> tuple[Ints, Ints, Ints]:
    """Steps along the axes that lead no farther than `enough`: all the way, a half, a quarter.

    Returns:
        Offsets (z, y, x), the same for flat voxels, the largest per axis.
    """
    steps, n = np.zeros((18, 3), np.int64), 0
    for axis in (2, 1, 0):  # what lies along x is in the cache already
        for part in (1, 2, 4):
            step = np.int64(np.sqrt(enough) / (part * size[axis]))
            while step > 0 and (step * size[axis]) ** 2 > enough:
                step -= 1
            if step > 0:
                steps[n, axis], steps[n + 1, axis] = step, -step
                n += 2
    span = np.zeros(3, np.int64)
    for axis in range(3):
        span[axis] = steps[:, axis].max()
    return steps[:n], (steps[:n, 0] * shape[1] + steps[:n, 1]) * shape[2] + steps[:n, 2], span


@njit(nogil=True, cache=True)
def _seek(
    i: Int,
    goal: Array,
    shape: Ints,
    meaning: Array,
    label: Int,
    steps: Ints,
    jumps: Ints,
    reach: Ints,
    first: Int,
    last: Int,
    stride: Int,
) -> Int:
    """The first of `steps[first:last:stride]` that leads from flat voxel `i` to the object; -1 if none."""
    rest, x = i // shape[2], i % shape[2]
    z, y = rest // shape[1], rest % shape[1]
    if (
        reach[0] <= z < shape[0] - reach[0]
        and reach[1] <= y < shape[1] - reach[1]
        and reach[2] <= x < shape[2] - reach[2]
    ):
        for o in range(first, last, stride):
            if meaning[goal[np.uint64(i + jumps[o])]] == label:
                return o
        return -1
    for o in range(first, last, stride):
        a, b, c = z + steps[o, 0], y + steps[o, 1], x + steps[o, 2]
        inside = 0 <= a < shape[0] and 0 <= b < shape[1] and 0 <= c < shape[2]
        if inside and meaning[goal[np.uint64(i + jumps[o])]] == label:
            return o
    return -1


@njit(nogil=True, cache=True)
def _around(
    i: Int,
    enough: Float,
    goal: Array,
    shape: Ints,
    meaning: Array,
    label: Int,
    ring: Ints,
    jumps: Ints,
    reach: Ints,
    ring_squares: Floats,
) -> Float:
    """Squared distance from flat voxel `i` to the object's nearest voxel if it lies in the ring, else -1.

    Or to any voxel that is no farther than `enough`: those are looked at from the outside in, since the
    object is rather there.
    """
    inner = np.searchsorted(ring_squares, enough, side="right")
    o = _seek(i, goal, shape, meaning, label, ring, jumps, reach, inner - 1, -1, -1)
    if o < 0:
        o = _seek(i, goal, shape, meaning, label, ring, jumps, reach, inner, len(ring), 1)
    return ring_squares[o] if o >= 0 else -1.0


@njit(nogil=True, cache=True)
def _decode(i: Int, height: Int, width: Int, out: Ints) -> None:
    rest = np.int64(i) // width
    out[0], out[1], out[2] = rest // height, rest % height, np.int64(i) % width


@njit(nogil=True, cache=True)
def _cell(place: Ints, low: Ints, edges: Ints, cells: Ints) -> Int:
    z, y = (place[0] - low[0]) // edges[0], (place[1] - low[1]) // edges[1]
    return (z * cells[1] + y) * cells[2] + (place[2] - low[2]) // edges[2]


@njit(nogil=True, cache=True)
def _apart(a: Ints, b: Ints, size: Floats) -> Float:
    """Distance in nm, a little more so that rounding rules nothing out."""
    total = 0.0
    for axis in range(3):
        total += ((a[axis] - b[axis]) * size[axis]) ** 2
    return np.sqrt(total) * (1 + 1e-9)


@njit(nogil=True, cache=True)
def _bounds(places: Array, height: Int, width: Int) -> tuple[Ints, Ints]:
    low, high = np.full(3, np.iinfo(np.int64).max, np.int64), np.full(3, -1, np.int64)
    place = np.empty(3, np.int64)
    for k in range(len(places)):
        _decode(places[k], height, width, place)
        for axis in range(3):
            low[axis], high[axis] = min(low[axis], place[axis]), max(high[axis], place[axis])
    return low, high
