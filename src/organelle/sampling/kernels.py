"""The loops over a patch, compiled; all release the interpreter, so that threads draw side by side.

A patch is walked in rows. Where each voxel of a row lies is worked out first, without a branch, so that it
becomes vector code; then the row is read, many voxels at once; then it is interpolated. Neighbouring rows
follow each other within tiles, which keeps what they read in the cache. Places are counted from a whole voxel
near the row's beginning, so that single precision is exact to 1e-4 voxels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit
from organelle.sampling.taps import LANES, gather

TILE = 16
ROW = 128
BEFORE = 512
SPACING = 32
"""Voxels between the points of an elastic field; `ROW` is a multiple."""

Row = tuple[NDArray[np.uint32], NDArray[np.float32]]
Ahead = tuple[np.uint64, np.uint64, np.uint64]
Way = tuple[tuple[float, float, float, float], ...]

# Without `_nrt` numba counts references to arrays each time that one is handed to a function, for every row:
# EM then costs twice as much, inlined or not. `plane_kernels` does without.
_loop = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"}, _nrt=False)


def gather_bytes(
    em: NDArray[np.uint8],
    present: NDArray[np.bool_],
    tone: NDArray[np.float32],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    out: NDArray[np.float32],
    imaged: NDArray[np.bool_],
) -> None:
    """EM, linear between voxels, at `first + matrix @ voxel + field`, then through a table of tones.

    The table is linear between its entries; where a place is a whole voxel the patch has that voxel's entry.

    Where the nearest voxel is outside or not present the patch is 0 and `imaged` False; up to half a voxel
    beyond the outermost voxels their value goes on.

    Args:
        em: [z, y, x], contiguous, fewer than 2^32 voxels.
        present: bool of the same shape; empty if all are.
        tone: what each of the 256 grey values becomes, and another value, which has no weight.
        first: place in `em` of the patch's voxel 0, 0, 0.
        matrix: steps in `em` per step in the patch, [3, 3].
        field: displacements in voxels of `em` at every `SPACING`th voxel of the patch, [z, y, x, 3]; empty
            for none.
        out: patch of any shape.
        imaged: of the same shape.
    """
    row, taps = _new_row(), np.empty((4, ROW), np.uint32)
    flat, there, seen, shown = em.reshape(-1), present.reshape(-1), out.reshape(-1), imaged.reshape(-1)
    _gather_bytes(em.shape, flat, there, tone, first, matrix, field, out.shape, seen, shown, *row, taps)


@_loop
def _gather_bytes(
    size: tuple[int, int, int],
    flat: NDArray[np.uint8],
    present: NDArray[np.bool_],
    curve: NDArray[np.float32],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    shape: tuple[int, int, int],
    out: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    place: NDArray[np.uint32],
    weights: NDArray[np.float32],
    taps: NDArray[np.uint32],
) -> None:
    way, row, ahead = _way(first, matrix), (place, weights), _strides(size)
    still = field.size == 0 and matrix[0, 2] == 0, field.size == 0 and matrix[1, 2] == 0
    length = SPACING if field.size else ROW
    for ti in range(0, shape[0], TILE):
        for tj in range(0, shape[1], TILE):
            for k in range(0, shape[2], length):
                for i in range(ti, min(ti + TILE, shape[0])):
                    for j in range(tj, min(tj + TILE, shape[1])):
                        n = min(length, shape[2] - k)
                        start = np.uint64((i * shape[1] + j) * shape[2] + k)
                        inside = _between(size, way, field, (i, j, k), n, row)
                        _load(flat, _used(ahead, still, row), place, taps, n)
                        _blend_taps(taps, row, out, start, n)
                        _look_up(curve, taps, out, start, n)
                        _note(present, ahead, row, inside, out, imaged, start, n)


def gather_values(
    em: NDArray[Any],
    present: NDArray[np.bool_],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    out: NDArray[np.float32],
    imaged: NDArray[np.bool_],
) -> None:
    """As `gather_bytes` for EM of any other type, whose values are taken as they are."""
    row = _new_row()
    flat, there, seen, shown = em.reshape(-1), present.reshape(-1), out.reshape(-1), imaged.reshape(-1)
    _gather_values(em.shape, flat, there, first, matrix, field, out.shape, seen, shown, *row)


@_loop
def _gather_values(
    size: tuple[int, int, int],
    flat: NDArray[Any],
    present: NDArray[np.bool_],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    shape: tuple[int, int, int],
    out: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    place: NDArray[np.uint32],
    weights: NDArray[np.float32],
) -> None:
    way, row, ahead = _way(first, matrix), (place, weights), _strides(size)
    length = SPACING if field.size else ROW
    for ti in range(0, shape[0], TILE):
        for tj in range(0, shape[1], TILE):
            for k in range(0, shape[2], length):
                for i in range(ti, min(ti + TILE, shape[0])):
                    for j in range(tj, min(tj + TILE, shape[1])):
                        n = min(length, shape[2] - k)
                        start = np.uint64((i * shape[1] + j) * shape[2] + k)
                        inside = _between(size, way, field, (i, j, k), n, row)
                        _blend_values(flat, ahead, row, out, start, n)
                        _note(present, ahead, row, inside, out, imaged, start, n)


def gather_labels(
    labels: NDArray[Any],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    out: NDArray[Any],
) -> None:
    """The label of the nearest voxel at `first + matrix @ voxel + field`, 0 outside; see `gather_bytes`."""
    flat, found, place = labels.reshape(-1), out.reshape(-1), np.empty(ROW, np.uint32)
    _gather_labels(labels.shape, flat, first, matrix, field, out.shape, found, place)


@_loop
def _gather_labels(
    size: tuple[int, int, int],
    flat: NDArray[Any],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    shape: tuple[int, int, int],
    out: NDArray[Any],
    place: NDArray[np.uint32],
) -> None:
    way = _way(first, matrix)
    length = SPACING if field.size else ROW
    for ti in range(0, shape[0], TILE):
        for tj in range(0, shape[1], TILE):
            for k in range(0, shape[2], length):
                for i in range(ti, min(ti + TILE, shape[0])):
                    for j in range(tj, min(tj + TILE, shape[1])):
                        n = min(length, shape[2] - k)
                        low, high = _nearest(size, way, field, (i, j, k), n, place)
                        start = np.uint64((i * shape[1] + j) * shape[2] + k)
                        _read(flat, place, out, start, low, high, n)


@_loop
def fill_rim(em: NDArray[Any], present: NDArray[np.bool_]) -> None:
    """Give voxels that are not present, beside some that are, the mean of those (of up to 26), in place.

    Interpolation up to the last present voxel then needs no case of its own.
    """
    nz, ny, nx = em.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if present[z, y, x]:
                    continue
                total, count = 0.0, 0
                for a in range(max(z - 1, 0), min(z + 2, nz)):
                    for b in range(max(y - 1, 0), min(y + 2, ny)):
                        for c in range(max(x - 1, 0), min(x + 2, nx)):
                            if present[a, b, c]:
                                total += em[a, b, c]
                                count += 1
                if count:
                    em[z, y, x] = total / count


def _new_row() -> Row:
    """Per voxel of a row: its place in the flat array, and three weights, [axis, voxel]."""
    return np.empty(ROW, np.uint32), np.empty((3, ROW), np.float32)


@_loop
def _strides(shape: tuple[int, int, int]) -> Ahead:
    """Steps in the flat array to the next voxel on each axis; 0 on an axis that has no next one."""
    z = shape[1] * shape[2] if shape[0] > 1 else 0
    y = shape[2] if shape[1] > 1 else 0
    return np.uint64(z), np.uint64(y), np.uint64(1 if shape[2] > 1 else 0)


@_loop
def _way(first: NDArray[np.float64], matrix: NDArray[np.float64]) -> Way:
    """Per axis of the data: where voxel 0, 0, 0 lies, and the steps along the axes of the patch."""
    return (
        (first[0], matrix[0, 0], matrix[0, 1], matrix[0, 2]),
        (first[1], matrix[1, 0], matrix[1, 1], matrix[1, 2]),
        (first[2], matrix[2, 0], matrix[2, 1], matrix[2, 2]),
    )


@_loop
def _begin(
    line: tuple[float, float, float, float],
    field: NDArray[np.float32],
    voxel: tuple[int, int, int],
    axis: int,
) -> tuple[float, float]:
    """Coordinate of a row's first voxel on one axis of the data, and its step from voxel to voxel."""
    i, j, k = voxel
    place = line[0] + line[1] * i + line[2] * j + line[3] * k
    step = line[3]
    if field.size:
        a, b, c = i // SPACING, j // SPACING, k // SPACING
        u, v = (i - a * SPACING) / SPACING, (j - b * SPACING) / SPACING
        here = _mix(field[a, b, c, axis], field[a, b + 1, c, axis], v) * (1 - u)
        here += _mix(field[a + 1, b, c, axis], field[a + 1, b + 1, c, axis], v) * u
        there = _mix(field[a, b, c + 1, axis], field[a, b + 1, c + 1, axis], v) * (1 - u)
        there += _mix(field[a + 1, b, c + 1, axis], field[a + 1, b + 1, c + 1, axis], v) * u
        place += here
        step += (there - here) / SPACING
    return place, step


@_loop
def _mix(a: float, b: float, share: float) -> float:
    return a * (1 - share) + b * share


@_loop
def _between(
    shape: tuple[int, int, int],
    way: Way,
    field: NDArray[np.float32],
    voxel: tuple[int, int, int],
    n: int,
    row: Row,
) -> tuple[int, int]:
    """Fill `row` for interpolation; the first of its voxels that is inside, and the first after those."""
    place, (wz, wy, wx) = row[0], (row[1][0], row[1][1], row[1][2])
    z, dz = _begin(way[0], field, voxel, 0)
    y, dy = _begin(way[1], field, voxel, 1)
    x, dx = _begin(way[2], field, voxel, 2)
    oz, oy, ox = _origin(z), _origin(y), _origin(x)
    fz, fy, fx = np.float32(z - oz), np.float32(y - oy), np.float32(x - ox)
    sz, sy, sx = np.float32(dz), np.float32(dy), np.float32(dx)
    lz, ly, lx = np.float32(-oz), np.float32(-oy), np.float32(-ox)
    hz, hy, hx = np.float32(shape[0] - 1 - oz), np.float32(shape[1] - 1 - oy), np.float32(shape[2] - 1 - ox)
    base, uz, uy = _base(shape, oz, oy, ox), np.uint32(shape[1] * shape[2]), np.uint32(shape[2])
    if _amid(fz, sz, lz, hz, n) and _amid(fy, sy, ly, hy, n) and _amid(fx, sx, lx, hx, n):
        for a in range(n):
            step = np.float32(np.int32(a))
            qz, qy, qx = fz + sz * step, fy + sy * step, fx + sx * step
            az, ay, ax = np.int32(qz), np.int32(qy), np.int32(qx)
            wz[a], wy[a], wx[a] = qz - np.float32(az), qy - np.float32(ay), qx - np.float32(ax)
            place[a] = np.uint32(np.uint32(az) * uz + np.uint32(ay) * uy + np.uint32(ax) + base)
        return 0, n
    mz, my, mx = _last(shape[0], oz), _last(shape[1], oy), _last(shape[2], ox)
    for a in range(n):
        step = np.float32(np.int32(a))
        qz = min(max(fz + sz * step, lz), hz)
        qy = min(max(fy + sy * step, ly), hy)
        qx = min(max(fx + sx * step, lx), hx)
        az, ay, ax = min(np.int32(qz), mz), min(np.int32(qy), my), min(np.int32(qx), mx)
        wz[a], wy[a], wx[a] = qz - np.float32(az), qy - np.float32(ay), qx - np.float32(ax)
        place[a] = np.uint32(np.uint32(az) * uz + np.uint32(ay) * uy + np.uint32(ax) + base)
    low, high = _inside(fz, sz, lz, hz, 0, n)
    low, high = _inside(fy, sy, ly, hy, low, high)
    return _inside(fx, sx, lx, hx, low, high)


@_loop
def _base(shape: tuple[int, int, int], z: Any, y: Any, x: Any) -> Any:
    """Place of a voxel, which may lie outside, in the flat array: counted, as all places, modulo 2^32."""
    return np.uint32((np.int64(z) * shape[1] + np.int64(y)) * shape[2] + np.int64(x))


@_loop
def _amid(first: Any, step: Any, low: Any, high: Any, n: int) -> Any:
    """Whether each of a row's voxels has one before and one after it on an axis."""
    last = first + step * np.float32(n - 1)
    return min(first, last) >= low and max(first, last) < high


@_loop
def _inside(first: Any, step: Any, low: Any, high: Any, start: int, stop: int) -> tuple[int, int]:
    """The part of `start` to `stop` that lies from half a voxel before `low` to half a voxel after `high`."""
    half = np.float32(0.5)
    bottom, top = low - half, high + half
    ends = first + step * np.float32(start), first + step * np.float32(stop - 1)
    if stop > start and min(ends) >= bottom and max(ends) < top:
        return start, stop
    while start < stop and not bottom <= first + step * np.float32(start) < top:
        start += 1
    while stop > start and not bottom <= first + step * np.float32(stop - 1) < top:
        stop -= 1
    return start, stop


@_loop
def _origin(place: float) -> Any:
    """A whole voxel so far before `place` that no voxel of its row comes before it: cutting is flooring."""
    return np.int32(math.floor(place) - BEFORE)


@_loop
def _last(count: int, origin: Any) -> Any:
    """The last voxel that has a next one, or the only one, counted from `origin`."""
    return np.int32(max(0, count - 2) - origin)


@_loop
def _nearest(
    shape: tuple[int, int, int],
    way: Way,
    field: NDArray[np.float32],
    voxel: tuple[int, int, int],
    n: int,
    place: NDArray[np.uint32],
) -> tuple[int, int]:
    """Fill `place` with the nearest voxels of a row; which of them are inside, as in `_between`."""
    z, dz = _begin(way[0], field, voxel, 0)
    y, dy = _begin(way[1], field, voxel, 1)
    x, dx = _begin(way[2], field, voxel, 2)
    oz, oy, ox = _origin(z), _origin(y), _origin(x)
    fz, fy, fx = np.float32(z - oz), np.float32(y - oy), np.float32(x - ox)
    sz, sy, sx = np.float32(dz), np.float32(dy), np.float32(dx)
    base, uz, uy = _base(shape, oz, oy, ox), np.uint32(shape[1] * shape[2]), np.uint32(shape[2])
    half = np.float32(0.5)
    for a in range(n):
        step = np.float32(np.int32(a))
        az = np.int32((fz + sz * step) + half)
        ay = np.int32((fy + sy * step) + half)
        ax = np.int32((fx + sx * step) + half)
        place[a] = np.uint32(np.uint32(az) * uz + np.uint32(ay) * uy + np.uint32(ax) + base)
    low, high = _inside(fz, sz, np.float32(-oz), np.float32(shape[0] - 1 - oz), 0, n)
    low, high = _inside(fy, sy, np.float32(-oy), np.float32(shape[1] - 1 - oy), low, high)
    return _inside(fx, sx, np.float32(-ox), np.float32(shape[2] - 1 - ox), low, high)


@_loop
def _read(
    flat: NDArray[Any],
    place: NDArray[np.uint32],
    out: NDArray[Any],
    start: Any,
    low: int,
    high: int,
    n: int,
) -> None:
    for a in range(low):
        out[start + np.uint64(a)] = 0
    for a in range(low, high):
        out[start + np.uint64(a)] = flat[np.uint64(place[a])]
    for a in range(high, n):
        out[start + np.uint64(a)] = 0


@_loop
def _four_bytes(flat: NDArray[np.uint8], place: NDArray[np.uint32], n: int, ahead: Any) -> Any:
    """Whether the array goes on for four bytes at `ahead` of all places."""
    last = np.uint32(0)
    for a in range(n):
        last = max(last, place[a])
    return np.uint64(last) + ahead + np.uint64(4) <= np.uint64(flat.size)


@_loop
def _used(ahead: Ahead, still: tuple[bool, bool], row: Row) -> Ahead:
    """The steps to next voxels; 0 on an axis on which a whole row lies on whole voxels."""
    z = np.uint64(0) if still[0] and row[1][0, 0] == 0 else ahead[0]
    y = np.uint64(0) if still[1] and row[1][1, 0] == 0 else ahead[1]
    return z, y, ahead[2]


@_loop
def _load(
    flat: NDArray[np.uint8], ahead: Ahead, place: NDArray[np.uint32], taps: NDArray[np.uint32], n: int
) -> None:
    """Fill `taps`: the lowest byte is what lies there, the second what lies at the next x."""
    here, y, z, both = taps[0], taps[1], taps[2], taps[3]
    sz, sy, sx = ahead
    if not _four_bytes(flat, place, n, sz + sy):
        for a in range(n):
            o = np.uint64(place[a])
            here[a] = flat[o] | np.uint32(flat[o + sx]) << np.uint32(8)
            y[a] = flat[o + sy] | np.uint32(flat[o + sy + sx]) << np.uint32(8)
            z[a] = flat[o + sz] | np.uint32(flat[o + sz + sx]) << np.uint32(8)
            both[a] = flat[o + sz + sy] | np.uint32(flat[o + sz + sy + sx]) << np.uint32(8)
        return
    for a in range(n, n + -n % LANES):
        place[a] = place[n - 1]
    for a in range(0, n, LANES):
        gather(flat, np.uint64(0), place, a, here)
    _load_next(flat, np.uint64(0), sy, place, here, y, n)
    _load_next(flat, np.uint64(0), sz, place, here, z, n)
    _load_next(flat, sz, sy, place, z, both, n)


@_loop
def _load_next(
    flat: NDArray[np.uint8],
    ahead: np.uint64,
    step: np.uint64,
    place: NDArray[np.uint32],
    before: NDArray[np.uint32],
    tap: NDArray[np.uint32],
    n: int,
) -> None:
    """Fill `tap` a step further than `before`, which was read at `ahead`; the same if there is no step."""
    if step == 0:
        for a in range(n):
            tap[a] = before[a]
        return
    for a in range(0, n, LANES):
        gather(flat, ahead + step, place, a, tap)


@_loop
def _blend_taps(taps: NDArray[np.uint32], row: Row, out: NDArray[np.float32], start: Any, n: int) -> None:
    wz, wy, wx = row[1][0], row[1][1], row[1][2]
    here, y, z, both = taps[0], taps[1], taps[2], taps[3]
    for a in range(n):
        c00 = _line(_grey(here[a], 0), _grey(here[a], 8), wx[a])
        c01 = _line(_grey(y[a], 0), _grey(y[a], 8), wx[a])
        c10 = _line(_grey(z[a], 0), _grey(z[a], 8), wx[a])
        c11 = _line(_grey(both[a], 0), _grey(both[a], 8), wx[a])
        out[start + np.uint64(a)] = _line(_line(c00, c01, wy[a]), _line(c10, c11, wy[a]), wz[a])


@_loop
def _grey(tap: Any, bit: int) -> Any:
    """The byte of `tap` that begins at `bit`."""
    return np.float32(np.int32((tap >> np.uint32(bit)) & np.uint32(255)))


@_loop
def _look_up(
    curve: NDArray[np.float32], taps: NDArray[np.uint32], out: NDArray[np.float32], start: Any, n: int
) -> None:
    """Replace grey values from 0 to 255 by what `curve` (257 values) says, linear between whole ones."""
    index, low, high = taps[0], taps[1], taps[2]
    for a in range(n):
        index[a] = np.uint32(np.int32(out[start + np.uint64(a)]))
    for a in range(n, n + -n % LANES):
        index[a] = 0
    for a in range(0, n, LANES):
        gather(curve, np.uint64(0), index, a, low)
        gather(curve, np.uint64(1), index, a, high)
    before, after = low.view(np.float32), high.view(np.float32)
    for a in range(n):
        grey = out[start + np.uint64(a)]
        share = grey - np.float32(np.int32(grey))
        out[start + np.uint64(a)] = _line(before[a], after[a], share)


@_loop
def _blend_values(
    flat: NDArray[Any],
    ahead: Ahead,
    row: Row,
    out: NDArray[np.float32],
    start: Any,
    n: int,
) -> None:
    place, (wz, wy, wx) = row[0], (row[1][0], row[1][1], row[1][2])
    sz, sy, sx = ahead
    for a in range(n):
        o = np.uint64(place[a])
        p, q, r = o + sy, o + sz, o + sz + sy
        c00 = _line(flat[o], flat[o + sx], wx[a])
        c01 = _line(flat[p], flat[p + sx], wx[a])
        c10 = _line(flat[q], flat[q + sx], wx[a])
        c11 = _line(flat[r], flat[r + sx], wx[a])
        out[start + np.uint64(a)] = _line(_line(c00, c01, wy[a]), _line(c10, c11, wy[a]), wz[a])


@_loop
def _line(a: float, b: float, share: float) -> Any:
    """Exactly `a` where `share` is 0."""
    return a + share * (b - a)


@_loop
def _note(
    present: NDArray[np.bool_],
    ahead: Ahead,
    row: Row,
    inside: tuple[int, int],
    out: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    start: Any,
    n: int,
) -> None:
    """Write down what was imaged; the rest of the row becomes 0."""
    low, high = inside
    imaged[start : start + np.uint64(n)] = True
    for a in range(low):
        imaged[start + np.uint64(a)], out[start + np.uint64(a)] = False, 0
    for a in range(high, n):
        imaged[start + np.uint64(a)], out[start + np.uint64(a)] = False, 0
    if not present.size:
        return
    place, (wz, wy, wx) = row[0], (row[1][0], row[1][1], row[1][2])
    sz, sy, sx = ahead
    half = np.float32(0.5)
    for a in range(low, high):
        near = np.uint64(place[a])
        near += sz if wz[a] >= half else np.uint64(0)
        near += sy if wy[a] >= half else np.uint64(0)
        near += sx if wx[a] >= half else np.uint64(0)
        if not present[near]:
            imaged[start + np.uint64(a)], out[start + np.uint64(a)] = False, 0
