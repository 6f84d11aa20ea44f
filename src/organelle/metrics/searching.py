"""How far the voxels of runs are from an object, compiled; all loops release the interpreter.

What is asked is the largest distance alone. So nearly every voxel is settled by finding *any* voxel of the
object that is no farther than the largest distance known so far; only a voxel for which there is none
needs its nearest one. Distances to one voxel are convex: if it is near enough to both ends of a run, it
settles the whole run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Int = Any
"""A whole number of whichever type numba gives it."""
Float = Any

SAMPLE = 64
"""One in so many runs is asked first; of many of them, about so many in all."""

FEW = 64
"""An object that lies in no more blocks is looked for in each of them; else around the place, outwards."""

COLUMNS = 8
"""What was found last is remembered in so many times so many columns along z, each 8 by 8 voxels wide."""


class Space(NamedTuple):
    """The volume: voxels per axis (z, y, x) and their size in nm.

    The ring holds all steps (z, y, x) up to some distance, nearest first: as such, for flat voxels, the
    largest per axis, squared lengths. Blocks: edges in voxels, and how many there are per axis.
    """

    shape: Ints
    size: Floats
    ring: Ints
    jumps: Ints
    reach: Ints
    squares: Floats
    edges: Ints
    grid: Ints


class Jobs(NamedTuple):
    """Lists of runs, each with the place of its answer and the one or two labels that are the object."""

    answers: Ints
    first: Array
    second: Array
    starts: Ints
    stops: Ints


class Blocks(NamedTuple):
    """Per label the blocks in which it lies: `numbers[starts[label]:stops[label]]`, if `listed[label]`."""

    listed: Array
    starts: Ints
    stops: Ints
    numbers: Array


class _Target(NamedTuple):
    """The object of one job: its labels in the flat volume, its lists of blocks, its mark in `owners`."""

    goal: Array
    first: Int
    second: Int
    here: Array
    there: Array
    owners: Array
    mark: Int
    listed: bool


@njit(nogil=True, cache=True)
def search(
    goal: Array,
    space: Space,
    blocks: Blocks,
    jobs: Jobs,
    begins: Array,
    lengths: Array,
    cap: float,
    squares: Floats,
    ways: Ints,
) -> Array:
    """Raise `squares` to the largest squared distance, in nm^2, from voxels of runs to their object.

    Args:
        goal: flat labels in which the objects are looked for; each has a voxel there.
        space: geometry.
        blocks: where the objects lie; need not be listed for those that are near.
        jobs: what to ask.
        begins: first voxels of runs, flat.
        lengths: of the runs.
        cap: squared distance beyond which nothing matters.
        squares: what is known already; receives the answers.
        ways: [answer] receives a step (z, y, x), no farther than that, by which the object was found last.

    Returns:
        [job] whether it is done; the others need their blocks.
    """
    done = np.ones(len(jobs.answers), np.bool_)
    owners = np.zeros(space.grid[0] * space.grid[1] * space.grid[2] if len(blocks.numbers) else 0, np.int32)
    memory = np.empty((COLUMNS * COLUMNS, 6), np.int64)
    for j in range(len(jobs.answers)):
        answer, a, b = jobs.answers[j], jobs.first[j], jobs.second[j]
        if squares[answer] >= cap:
            continue
        here = blocks.numbers[blocks.starts[a] : blocks.stops[a]]
        there = blocks.numbers[blocks.starts[b] : blocks.stops[b] if b != a else blocks.starts[b]]
        listed = blocks.listed[a] and blocks.listed[b]
        if listed:
            for numbers in (here, there):
                for k in range(len(numbers)):
                    owners[numbers[k]] = j + 1
        target = _Target(goal, a, b, here, there, owners, j + 1, listed)
        runs = slice(jobs.starts[j], jobs.stops[j])
        squares[answer], done[j] = _farthest(
            begins[runs], lengths[runs], target, space, squares[answer], cap, memory, ways[answer]
        )
    return done


@njit(nogil=True, cache=True)
def _farthest(
    begins: Array,
    lengths: Array,
    target: _Target,
    space: Space,
    most: Float,
    cap: Float,
    memory: Ints,
    way: Ints,
) -> tuple[Float, bool]:
    """The larger of `most` and the largest squared distance of the runs, and whether it is final."""
    step = max(SAMPLE, len(begins) // SAMPLE)
    for k in range(step // 2, len(begins), step):  # a good first guess settles most of the others
        square, _ = _ask(
            np.int64(begins[k]) + np.int64(lengths[k]) // 2, target, space, most, _probes(most, space)
        )
        if square < 0:
            return most, False
        most = max(most, square)
        if most >= cap:
            return cap, True
    memory[:, 0] = -1
    latest, probes = memory[0], _probes(most, space)
    for k in range(len(begins)):
        i = np.int64(begins[k])
        z, y, x = _place(i, space.shape)
        row, last = i - x, x + np.int64(lengths[k]) - 1
        known = memory[(y >> 3) % COLUMNS * COLUMNS + (x >> 3) % COLUMNS]
        if known[0] < 0:
            known[:] = latest
        while not _settled(z, y, x, last, known, target, space, most):
            x = _same_way(z, y, x, last, known, target, space)
            if x > last:
                break
            square, found = _ask(row + x, target, space, most, probes)
            if square < 0:
                return most, False
            if square > most:
                if square >= cap:
                    return cap, True
                most, probes = square, _probes(square, space)
            _remember(known, z, y, x, found, square, most, target, space)
            way[:], latest = known[3:], known
            x += 1
            if x > last:
                break
    return most, True


@njit(nogil=True, cache=True)
def _square(dz: Int, dy: Int, dx: Int, size: Floats) -> Float:
    """Squared length of a step; every distance is computed in this order, so that equal ones are equal."""
    return (dz * size[0]) ** 2 + (dy * size[1]) ** 2 + (dx * size[2]) ** 2


@njit(nogil=True, cache=True)
def _place(i: Int, shape: Ints) -> tuple[Int, Int, Int]:
    """z, y, x of a flat index."""
    row = i // shape[2]
    return row // shape[1], row % shape[1], i - row * shape[2]


@njit(nogil=True, cache=True)
def _is_target(i: Int, target: _Target) -> bool:
    label = target.goal[np.uint64(i)]
    return bool(label == target.first or label == target.second)


@njit(nogil=True, cache=True)
def _settled(
    z: Int, y: Int, x: Int, last: Int, known: Ints, target: _Target, space: Space, most: Float
) -> bool:
    """Whether one voxel of the object is near enough to all voxels from `x` to `last`.

    First the one found last around here, then the one that lies the same way from the middle of the run.
    """
    if known[0] < 0:
        return False
    wide = max(abs(x - known[2]), abs(last - known[2]))
    if _square(z - known[0], y - known[1], wide, space.size) <= most:
        return True
    middle = (x + last) // 2
    a, b, c = z + known[3], y + known[4], middle + known[5]
    if not (0 <= a < space.shape[0] and 0 <= b < space.shape[1] and 0 <= c < space.shape[2]):
        return False
    if _square(known[3], known[4], max(c - x, last - c), space.size) > most:
        return False
    if not _is_target((a * space.shape[1] + b) * space.shape[2] + c, target):
        return False
    known[0], known[1], known[2] = a, b, c
    return True


@njit(nogil=True, cache=True)
def _same_way(z: Int, y: Int, x: Int, last: Int, known: Ints, target: _Target, space: Space) -> Int:
    """The first voxel from `x` on from which the step that was remembered does not lead to the object."""
    if known[0] < 0:
        return x
    a, b, dx = z + known[3], y + known[4], known[5]
    if not (0 <= a < space.shape[0] and 0 <= b < space.shape[1]):
        return x
    row = (a * space.shape[1] + b) * space.shape[2]
    while x <= last and 0 <= x + dx < space.shape[2] and _is_target(row + x + dx, target):
        x += 1
    return x


@njit(nogil=True, cache=True)
def _remember(
    known: Ints, z: Int, y: Int, x: Int, found: Int, square: Float, most: Float, target: _Target, space: Space
) -> None:
    """Keep the voxel that was found, and the way to it: as far as `most` allows, if that is in the object.

    Deep inside of the object the same way serves more of the neighbours.
    """
    known[0], known[1], known[2] = _place(found, space.shape)
    known[3], known[4], known[5] = known[0] - z, known[1] - y, known[2] - x
    scale = np.sqrt(most / square)
    dz, dy, dx = np.int64(known[3] * scale), np.int64(known[4] * scale), np.int64(known[5] * scale)
    a, b, c = z + dz, y + dy, x + dx
    inside = 0 <= a < space.shape[0] and 0 <= b < space.shape[1] and 0 <= c < space.shape[2]
    near_enough = inside and _square(dz, dy, dx, space.size) <= most
    if near_enough and _is_target((a * space.shape[1] + b) * space.shape[2] + c, target):
        known[3], known[4], known[5] = dz, dy, dx


@njit(nogil=True, cache=True)
def _ask(
    i: Int, target: _Target, space: Space, enough: Float, probes: tuple[Ints, Ints, Ints, Int]
) -> tuple[Float, Int]:
    """Squared distance from flat voxel `i` to the object's nearest voxel, and which that is.

    Or to any that is no farther than `enough`. -1 where only blocks can tell, and are not listed.
    """
    steps, leaps, span, inner = probes
    if inner == len(space.ring):
        o = _seek(i, target, space.shape, steps, leaps, span, 0, len(steps), 1)
        if o >= 0:
            return _square(steps[o, 0], steps[o, 1], steps[o, 2], space.size), i + leaps[o]
    if inner < len(space.ring) or not target.listed:
        o = _seek(i, target, space.shape, space.ring, space.jumps, space.reach, inner - 1, -1, -1)
        if o < 0:
            o = _seek(i, target, space.shape, space.ring, space.jumps, space.reach, inner, len(space.ring), 1)
        if o >= 0:
            return space.squares[o], i + space.jumps[o]
    if not target.listed:
        return -1.0, np.int64(-1)
    return _in_blocks(i, enough, target, space)


@njit(nogil=True, cache=True)
def _probes(enough: Float, space: Space) -> tuple[Ints, Ints, Ints, Int]:
    """Steps along the axes that lead no farther than `enough`: all the way, a half, a quarter.

    Returns:
        Steps (z, y, x), the same for flat voxels, the largest per axis; and how many steps of the ring lead
        no farther.
    """
    steps, n, span = np.zeros((18, 3), np.int64), 0, np.zeros(3, np.int64)
    for axis in (2, 1, 0):  # what lies along x is in the cache already
        for part in (1, 2, 4):
            step = np.int64(np.sqrt(enough) / (part * space.size[axis]))
            while step > 0 and (step * space.size[axis]) ** 2 > enough:
                step -= 1
            if step > 0:
                steps[n, axis], steps[n + 1, axis] = step, -step
                span[axis] = max(span[axis], step)
                n += 2
    leaps = np.empty(n, np.int64)
    for o in range(n):
        leaps[o] = (steps[o, 0] * space.shape[1] + steps[o, 1]) * space.shape[2] + steps[o, 2]
    inner, outer = 0, len(space.squares)
    while inner < outer:  # numpy's own search is slow to compile
        middle = (inner + outer) // 2
        if space.squares[middle] <= enough:
            inner = middle + 1
        else:
            outer = middle
    return steps[:n], leaps, span, inner


@njit(nogil=True, cache=True)
def _seek(
    i: Int,
    target: _Target,
    shape: Ints,
    steps: Ints,
    leaps: Ints,
    span: Ints,
    first: Int,
    last: Int,
    stride: Int,
) -> Int:
    """The first of `steps[first:last:stride]` that leads from flat voxel `i` to the object; -1 if none."""
    z, y, x = _place(i, shape)
    if (
        span[0] <= z < shape[0] - span[0]
        and span[1] <= y < shape[1] - span[1]
        and span[2] <= x < shape[2] - span[2]
    ):
        for o in range(first, last, stride):
            if _is_target(i + leaps[o], target):
                return o
        return -1
    for o in range(first, last, stride):
        a, b, c = z + steps[o, 0], y + steps[o, 1], x + steps[o, 2]
        inside = 0 <= a < shape[0] and 0 <= b < shape[1] and 0 <= c < shape[2]
        if inside and _is_target(i + leaps[o], target):
            return o
    return -1


@njit(nogil=True, cache=True)
def _in_blocks(i: Int, enough: Float, target: _Target, space: Space) -> tuple[Float, Int]:
    """`_ask` by the blocks in which the object lies: few one by one, many around the place, outwards."""
    z, y, x = _place(i, space.shape)
    best, found = np.inf, np.int64(-1)
    if len(target.here) + len(target.there) <= FEW:
        for numbers in (target.here, target.there):
            for k in range(len(numbers)):
                best, found = _in_block(z, y, x, np.int64(numbers[k]), target, space, best, found)
        return best, found
    grid, edges, size = space.grid, space.edges, space.size
    a0, b0, c0 = z // edges[0], y // edges[1], x // edges[2]
    for r in range(max(grid[0], grid[1], grid[2])):
        if r > 0 and _to_shell(z, y, x, r, edges, size) >= best:
            break
        for a in range(max(a0 - r, 0), min(a0 + r + 1, grid[0])):
            for b in range(max(b0 - r, 0), min(b0 + r + 1, grid[1])):
                on_face = abs(a - a0) == r or abs(b - b0) == r
                for c in range(c0 - r, c0 + r + 1, 1 if on_face else 2 * r):
                    if not 0 <= c < grid[2]:
                        continue
                    block = (a * grid[1] + b) * grid[2] + c
                    if target.owners[block] == target.mark:
                        best, found = _in_block(z, y, x, block, target, space, best, found)
                        if best <= enough:
                            return best, found
    return best, found


@njit(nogil=True, cache=True)
def _to_shell(z: Int, y: Int, x: Int, r: Int, edges: Ints, size: Floats) -> Float:
    """Least squared distance to a voxel whose block is `r` blocks away along some axis."""
    least = np.inf
    for axis, place in enumerate((z, y, x)):
        block = place // edges[axis]
        below = place - ((block - r + 1) * edges[axis] - 1)
        least = min(least, min(below, (block + r) * edges[axis] - place) * size[axis])
    return least * least


@njit(nogil=True, cache=True)
def _in_block(
    z: Int, y: Int, x: Int, block: Int, target: _Target, space: Space, best: Float, found: Int
) -> tuple[Float, Int]:
    """The smaller of `best` and the squared distance to the object's nearest voxel in the block; where."""
    shape, edges, size = space.shape, space.edges, space.size
    a, b, c = _place(block, space.grid)
    left, right = c * edges[2], min((c + 1) * edges[2], shape[2])
    nearest = min(max(x, left), right - 1) - x
    for p in range(a * edges[0], min((a + 1) * edges[0], shape[0])):
        for q in range(b * edges[1], min((b + 1) * edges[1], shape[1])):
            if _square(p - z, q - y, nearest, size) >= best:
                continue
            row = (p * shape[1] + q) * shape[2]
            for s in range(left, right):
                if _is_target(row + s, target):
                    square = _square(p - z, q - y, s - x, size)
                    if square < best:
                        best, found = square, row + s
    return best, found
