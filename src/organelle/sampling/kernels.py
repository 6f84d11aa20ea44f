"""The loops over a patch, compiled; all release the interpreter, so that threads draw side by side.

A patch is walked in rows. Where each voxel of a row lies is worked out first, without a branch, so that it
becomes vector code; then the row is read. Neighbouring rows follow each other within tiles, which keeps what
they read in the cache. Places are counted from a whole voxel near the row's beginning, so that single
precision is exact to 1e-4 voxels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

TILE = 16
ROW = 128
BEFORE = 512
SPACING = 32
"""Voxels between the points of an elastic field; `ROW` is a multiple."""
BLOCK = 1024

Row = tuple[Any, ...]
Way = tuple[tuple[float, float, float, float], ...]

_loop = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


@_loop
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
    """EM through a table of tones, linear between voxels, at `first + matrix @ voxel + field`.

    Where the nearest voxel is outside or not present the patch is 0 and `imaged` False; up to half a voxel
    beyond the outermost voxels their value goes on.

    Args:
        em: [z, y, x], contiguous, fewer than 2^32 voxels.
        present: bool of the same shape; empty if all are.
        tone: what each of the 256 grey values becomes.
        first: place in `em` of the patch's voxel 0, 0, 0.
        matrix: steps in `em` per step in the patch, [3, 3].
        field: displacements in voxels of `em` at every `SPACING`th voxel of the patch, [z, y, x, 3]; empty
            for none.
        out: patch of any shape.
        imaged: of the same shape.
    """
    flat, seen, shown = em.ravel(), out.ravel(), imaged.ravel()
    way, row, ahead = _way(first, matrix), _new_row(), _strides(em.shape)
    size = SPACING if field.size else ROW
    for ti in range(0, out.shape[0], TILE):
        for tj in range(0, out.shape[1], TILE):
            for k in range(0, out.shape[2], size):
                for i in range(ti, min(ti + TILE, out.shape[0])):
                    for j in range(tj, min(tj + TILE, out.shape[1])):
                        n = min(size, out.shape[2] - k)
                        start = np.uint64((i * out.shape[1] + j) * out.shape[2] + k)
                        inside = _between(em.shape, way, field, (i, j, k), n, row)
                        _blend_bytes(flat, tone, ahead, row, seen, start, n)
                        _note(present, ahead, row, inside, seen, shown, start, n)


@_loop
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
    flat, seen, shown = em.ravel(), out.ravel(), imaged.ravel()
    way, row, ahead = _way(first, matrix), _new_row(), _strides(em.shape)
    size = SPACING if field.size else ROW
    for ti in range(0, out.shape[0], TILE):
        for tj in range(0, out.shape[1], TILE):
            for k in range(0, out.shape[2], size):
                for i in range(ti, min(ti + TILE, out.shape[0])):
                    for j in range(tj, min(tj + TILE, out.shape[1])):
                        n = min(size, out.shape[2] - k)
                        start = np.uint64((i * out.shape[1] + j) * out.shape[2] + k)
                        inside = _between(em.shape, way, field, (i, j, k), n, row)
                        _blend_values(flat, ahead, row, seen, start, n)
                        _note(present, ahead, row, inside, seen, shown, start, n)


@_loop
def gather_labels(
    labels: NDArray[Any],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    out: NDArray[Any],
) -> None:
    """The label of the nearest voxel at `first + matrix @ voxel + field`, 0 outside; see `gather_bytes`."""
    flat, shown = labels.ravel(), out.ravel()
    way, row = _way(first, matrix), _new_row()
    size = SPACING if field.size else ROW
    for ti in range(0, out.shape[0], TILE):
        for tj in range(0, out.shape[1], TILE):
            for k in range(0, out.shape[2], size):
                for i in range(ti, min(ti + TILE, out.shape[0])):
                    for j in range(tj, min(tj + TILE, out.shape[1])):
                        n = min(size, out.shape[2] - k)
                        low, high = _nearest(labels.shape, way, field, (i, j, k), n, row)
                        start = np.uint64((i * out.shape[1] + j) * out.shape[2] + k)
                        _read(flat, row[0], shown, start, low, high, n)


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


@_loop
def expand(
    codes: NDArray[Any], words: NDArray[np.uint64], target: NDArray[np.uint8], known: NDArray[np.uint8]
) -> None:
    """Write a channel per class: codes [n] through a table of words into target and known [class, n].

    Bit 2c of `words[code, c // 32]` says that class c is present, bit 2c + 1 that it is known.
    """
    classes = target.shape[0]
    seen = np.empty(BLOCK, np.uint64)
    for start in range(0, codes.size, BLOCK):
        n = min(BLOCK, codes.size - start)
        for group in range(words.shape[1]):
            for a in range(n):
                seen[a] = words[codes[start + a], group]
            for c in range(32 * group, min(32 * group + 32, classes)):
                shift = np.uint64(2 * (c - 32 * group))
                part, mask = target[c, start : start + n], known[c, start : start + n]
                for a in range(n):
                    bits = seen[a] >> shift
                    part[a] = np.uint8(bits & np.uint64(1))
                    mask[a] = np.uint8((bits >> np.uint64(1)) & np.uint64(1))


@_loop
def add_noise(em: NDArray[np.float32], spread: float, seed: np.uint64) -> None:
    """Add noise of the standard deviation `spread`, in place; the same for the same seed and size.

    Each value is the sum of the eight bytes of a SplitMix64 number (Steele et al. 2014), scaled: normal up to
    2.3 standard deviations within a hundredth, and never beyond 4.9.
    """
    flat = em.ravel()
    scale = np.float32(spread / math.sqrt(8 * (256**2 - 1) / 12))
    bytes_ = np.uint64(0x00FF00FF00FF00FF)
    for a in range(flat.size):
        x = seed + np.uint64(a) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
        x = (x & bytes_) + ((x >> np.uint64(8)) & bytes_)
        x = (x * np.uint64(0x0001000100010001)) >> np.uint64(48)
        flat[a] += (np.float32(np.int32(x)) - np.float32(1020)) * scale


@_loop
def blur(em: NDArray[np.float32]) -> None:
    """Blur [a, n, b] in place by (1, 2, 1) / 4 along the middle axis; the rim is repeated."""
    before = np.empty(em.shape[2], np.float32)
    for a in range(em.shape[0]):
        before[:] = em[a, 0]
        for i in range(em.shape[1]):
            here, after = em[a, i], em[a, min(i + 1, em.shape[1] - 1)]
            for b in range(em.shape[2]):
                value = here[b]
                here[b] = np.float32(0.25) * (before[b] + after[b]) + np.float32(0.5) * value
                before[b] = value


@_loop
def _new_row() -> Row:
    """Per voxel of a row: its place in the flat array, and three weights."""
    return (
        np.empty(ROW, np.uint32),
        np.empty(ROW, np.float32),
        np.empty(ROW, np.float32),
        np.empty(ROW, np.float32),
    )


@_loop
def _strides(shape: tuple[int, int, int]) -> tuple[np.uint64, np.uint64, np.uint64]:
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
    place, wz, wy, wx = row
    z, dz = _begin(way[0], field, voxel, 0)
    y, dy = _begin(way[1], field, voxel, 1)
    x, dx = _begin(way[2], field, voxel, 2)
    oz, oy, ox = _origin(z), _origin(y), _origin(x)
    fz, fy, fx = np.float32(z - oz), np.float32(y - oy), np.float32(x - ox)
    sz, sy, sx = np.float32(dz), np.float32(dy), np.float32(dx)
    lz, ly, lx = np.float32(-oz), np.float32(-oy), np.float32(-ox)
    hz, hy, hx = np.float32(shape[0] - 1 - oz), np.float32(shape[1] - 1 - oy), np.float32(shape[2] - 1 - ox)
    mz, my, mx = _last(shape[0], oz), _last(shape[1], oy), _last(shape[2], ox)
    uy, ux = np.uint32(shape[1]), np.uint32(shape[2])
    for a in range(n):
        step = np.float32(np.int32(a))
        qz = min(max(fz + sz * step, lz), hz)
        qy = min(max(fy + sy * step, ly), hy)
        qx = min(max(fx + sx * step, lx), hx)
        az, ay, ax = min(np.int32(qz), mz), min(np.int32(qy), my), min(np.int32(qx), mx)
        wz[a], wy[a], wx[a] = qz - np.float32(az), qy - np.float32(ay), qx - np.float32(ax)
        line = np.uint32(np.uint32(np.int32(az + oz)) * uy) + np.uint32(np.int32(ay + oy))
        place[a] = np.uint32(np.uint32(line) * ux) + np.uint32(np.int32(ax + ox))
    low, high = _inside(fz, sz, lz, hz, 0, n)
    low, high = _inside(fy, sy, ly, hy, low, high)
    return _inside(fx, sx, lx, hx, low, high)


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
    row: Row,
) -> tuple[int, int]:
    """Fill the places of `row` with the nearest voxels; which of its voxels are inside, as in `_between`."""
    place = row[0]
    z, dz = _begin(way[0], field, voxel, 0)
    y, dy = _begin(way[1], field, voxel, 1)
    x, dx = _begin(way[2], field, voxel, 2)
    oz, oy, ox = _origin(z), _origin(y), _origin(x)
    fz, fy, fx = np.float32(z - oz), np.float32(y - oy), np.float32(x - ox)
    sz, sy, sx = np.float32(dz), np.float32(dy), np.float32(dx)
    uy, ux = np.uint32(shape[1]), np.uint32(shape[2])
    half = np.float32(0.5)
    for a in range(n):
        step = np.float32(np.int32(a))
        az = np.int32((fz + sz * step) + half)
        ay = np.int32((fy + sy * step) + half)
        ax = np.int32((fx + sx * step) + half)
        line = np.uint32(np.uint32(np.int32(az + oz)) * uy) + np.uint32(np.int32(ay + oy))
        place[a] = np.uint32(np.uint32(line) * ux) + np.uint32(np.int32(ax + ox))
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
def _blend_bytes(
    flat: NDArray[np.uint8],
    tone: NDArray[np.float32],
    ahead: tuple[np.uint64, np.uint64, np.uint64],
    row: Row,
    out: NDArray[np.float32],
    start: Any,
    n: int,
) -> None:
    place, wz, wy, wx = row[0], row[1], row[2], row[3]
    sz, sy, sx = ahead
    for a in range(n):
        o = np.uint64(place[a])
        p, q, r = o + sy, o + sz, o + sz + sy
        c00 = _line(tone[flat[o]], tone[flat[o + sx]], wx[a])
        c01 = _line(tone[flat[p]], tone[flat[p + sx]], wx[a])
        c10 = _line(tone[flat[q]], tone[flat[q + sx]], wx[a])
        c11 = _line(tone[flat[r]], tone[flat[r + sx]], wx[a])
        out[start + np.uint64(a)] = _line(_line(c00, c01, wy[a]), _line(c10, c11, wy[a]), wz[a])


@_loop
def _blend_values(
    flat: NDArray[Any],
    ahead: tuple[np.uint64, np.uint64, np.uint64],
    row: Row,
    out: NDArray[np.float32],
    start: Any,
    n: int,
) -> None:
    place, wz, wy, wx = row[0], row[1], row[2], row[3]
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
    ahead: tuple[np.uint64, np.uint64, np.uint64],
    row: Row,
    inside: tuple[int, int],
    out: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    start: Any,
    n: int,
) -> None:
    """Write down what was imaged; the rest of the row becomes 0."""
    low, high = inside
    for a in range(n):
        imaged[start + np.uint64(a)] = True
    for a in range(low):
        imaged[start + np.uint64(a)], out[start + np.uint64(a)] = False, 0
    for a in range(high, n):
        imaged[start + np.uint64(a)], out[start + np.uint64(a)] = False, 0
    if not present.size:
        return
    place, wz, wy, wx = row
    flat = present.ravel()
    sz, sy, sx = ahead
    half = np.float32(0.5)
    for a in range(low, high):
        near = np.uint64(place[a])
        near += sz if wz[a] >= half else np.uint64(0)
        near += sy if wy[a] >= half else np.uint64(0)
        near += sx if wx[a] >= half else np.uint64(0)
        if not flat[near]:
            imaged[start + np.uint64(a)], out[start + np.uint64(a)] = False, 0
