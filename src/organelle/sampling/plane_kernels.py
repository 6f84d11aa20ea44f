"""The loops over a patch that lies in a plane of voxels, compiled; they release the interpreter.

They work as those of `kernels`, which do the same for any patch, up to rounding. A patch is walked
in bands of rows. What a band reads is asked for while the one before is worked on: waiting for memory
otherwise costs as much as all the arithmetic. Functions take whole bands because numba counts references to
arrays that go from function to function, which for each row would cost as much as the row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit
from organelle.sampling.kernels import ROW, _amid, _grey, _inside, _last, _line, _origin
from organelle.sampling.taps import LANES, gather, prefetch

BAND = 8
LINE = 16
"""Voxels along a row from one that is asked for to the next."""

Plane = tuple[int, int, int, int, int]
"""Within a flat array: where it begins, its rows and columns, and the steps from one to the next of each; it
has no rows where it lies outside of the array."""
Way = tuple[tuple[float, float, float], tuple[float, float, float]]
"""The row, and the column, that the patch shows at 0, 0, and the steps along the axes of the patch."""
Source = tuple[NDArray[Any], Plane, Way]
"""A flat, contiguous array, the plane in it that the patch lies in, and how it lies there."""

_loop = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


def gather_plane(
    em: Source,
    present: NDArray[np.bool_],
    curve: NDArray[np.float32],
    labels: Source,
    width: int,
    grey: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    codes: NDArray[Any],
) -> None:
    """EM, linear between voxels and then through a table of tones, and the labels of the nearest voxels.

    See `kernels.gather_bytes` and `kernels.gather_labels`.

    Args:
        em: uint8, fewer than 2^32 voxels.
        present: flat, as long as `em`; empty if all is present.
        curve: what each of the 256 grey values becomes, and another value, which has no weight.
        labels: unsigned integers of up to 32 bits.
        width: pixels of a row of the patch.
        grey: the patch, flat.
        imaged: the same size.
        codes: the same size, in the type of the labels.
    """
    words, weights = np.empty((5, ROW), np.uint32), np.empty((2, ROW), np.float32)
    _gather_plane(*em, present, curve, *labels, width, grey, imaged, codes, words, weights)


@_loop
def _gather_plane(
    em: NDArray[np.uint8],
    plane: Plane,
    way: Way,
    present: NDArray[np.bool_],
    curve: NDArray[np.float32],
    labels: NDArray[Any],
    label_plane: Plane,
    label_way: Way,
    width: int,
    grey: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    codes: NDArray[Any],
    words: NDArray[np.uint32],
    weights: NDArray[np.float32],
) -> None:
    height = len(grey) // width
    _ask(em, plane, way, 0, min(BAND, height), width)
    for start in range(0, height, BAND):
        stop = min(start + BAND, height)
        _ask(labels, label_plane, label_way, start, stop, width)
        _ask(em, plane, way, stop, min(stop + BAND, height), width)
        band = start, stop
        if _is_whole(way):  # then that of the labels is
            _copy_em(em, plane, way, present, curve, band, width, grey, imaged)
            _copy_labels(labels, label_plane, label_way, band, width, codes)
        else:
            _read_em(em, plane, way, present, curve, band, width, grey, imaged, words, weights)
            _read_labels(labels, label_plane, label_way, band, width, codes, words)


@_loop
def _ask(flat: NDArray[Any], plane: Plane, way: Way, start: int, stop: int, width: int) -> None:
    """Let the processor fetch what rows of the patch will read, without waiting for it."""
    if plane[1] == 0 or plane[4] != 1:
        return
    for i in range(start, stop, 2):
        for k in range(0, width + LINE - 1, LINE):
            column = min(k, width - 1)
            a = max(0, min(plane[1] - 1, int(_place(way[0], i, column))))
            b = max(0, min(plane[2] - 1, int(_place(way[1], i, column))))
            prefetch(flat, plane[0] + a * plane[3] + b)


@_loop
def _place(line: tuple[float, float, float], i: int, k: int) -> float:
    return line[0] + line[1] * i + line[2] * k


@_loop
def _read_em(
    em: NDArray[np.uint8],
    plane: Plane,
    way: Way,
    present: NDArray[np.bool_],
    curve: NDArray[np.float32],
    band: tuple[int, int],
    width: int,
    grey: NDArray[np.float32],
    imaged: NDArray[np.bool_],
    words: NDArray[np.uint32],
    weights: NDArray[np.float32],
) -> None:
    begin, rows, columns, down, right = plane
    place, t00, t01, t10, t11 = words[0], words[1], words[2], words[3], words[4]
    before, after, wa, wb = t00.view(np.float32), t01.view(np.float32), weights[0], weights[1]
    below, beside = np.uint64(down if rows > 1 else 0), np.uint64(right if columns > 1 else 0)
    first, step_a, step_b = np.uint32(begin), np.uint32(down), np.uint32(right)
    roomy = begin + (rows - 1) * down + (columns - 1) * right + 4 <= em.size
    half = np.float32(0.5)
    for i in range(band[0], band[1]):
        for k in range(0, width, ROW):
            n, start = min(ROW, width - k), np.uint64(i * width + k)
            low, high = 0, 0
            if rows:
                a0, b0 = _place(way[0], i, k), _place(way[1], i, k)
                oa, ob = _origin(a0), _origin(b0)
                fa, fb = np.float32(a0 - oa), np.float32(b0 - ob)
                sa, sb = np.float32(way[0][2]), np.float32(way[1][2])
                la, lb = np.float32(-oa), np.float32(-ob)
                ha, hb = np.float32(rows - 1 - oa), np.float32(columns - 1 - ob)
                low, high = 0, n
                if _amid(fa, sa, la, ha, n) and _amid(fb, sb, lb, hb, n):
                    for x in range(n):
                        step = np.float32(np.int32(x))
                        qa, qb = fa + sa * step, fb + sb * step
                        a, b = np.int32(qa), np.int32(qb)
                        wa[x], wb[x] = qa - np.float32(a), qb - np.float32(b)
                        place[x] = np.uint32(a + oa) * step_a + np.uint32(b + ob) * step_b + first
                else:
                    ma, mb = _last(rows, oa), _last(columns, ob)
                    for x in range(n):
                        step = np.float32(np.int32(x))
                        qa, qb = min(max(fa + sa * step, la), ha), min(max(fb + sb * step, lb), hb)
                        a, b = min(np.int32(qa), ma), min(np.int32(qb), mb)
                        wa[x], wb[x] = qa - np.float32(a), qb - np.float32(b)
                        place[x] = np.uint32(a + oa) * step_a + np.uint32(b + ob) * step_b + first
                    low, high = _inside(fa, sa, la, ha, 0, n)
                    low, high = _inside(fb, sb, lb, hb, low, high)
                for x in range(n, n + -n % LANES):
                    place[x] = first
                if roomy and right == 1:  # a word holds a voxel and the next
                    for x in range(0, n, LANES):
                        gather(em, np.uint64(0), place, x, t00)
                        gather(em, below, place, x, t10)
                    for x in range(n):
                        t01[x], t11[x] = t00[x] >> np.uint32(8), t10[x] >> np.uint32(8)
                elif roomy:
                    for x in range(0, n, LANES):
                        gather(em, np.uint64(0), place, x, t00)
                        gather(em, beside, place, x, t01)
                        gather(em, below, place, x, t10)
                        gather(em, below + beside, place, x, t11)
                else:
                    for x in range(n):
                        here = np.uint64(place[x])
                        t00[x], t01[x] = em[here], em[here + beside]
                        t10[x], t11[x] = em[here + below], em[here + below + beside]
                if present.size:
                    for x in range(low, high):
                        near = np.uint64(place[x])
                        near += below if wa[x] >= half else np.uint64(0)
                        near += beside if wb[x] >= half else np.uint64(0)
                        imaged[start + np.uint64(x)] = present[near]
                else:
                    for x in range(n):
                        imaged[start + np.uint64(x)] = True
                for x in range(n):
                    upper = _line(_grey(t00[x], 0), _grey(t01[x], 0), wb[x])
                    lower = _line(_grey(t10[x], 0), _grey(t11[x], 0), wb[x])
                    value = _line(upper, lower, wa[x])
                    entry = np.int32(value)
                    place[x], wa[x] = np.uint32(entry), value - np.float32(entry)
                for x in range(n, n + -n % LANES):
                    place[x] = 0
                for x in range(0, n, LANES):
                    gather(curve, np.uint64(0), place, x, t00)
                    gather(curve, np.uint64(1), place, x, t01)
                for x in range(n):
                    grey[start + np.uint64(x)] = _line(before[x], after[x], wa[x])
                if present.size:
                    for x in range(low, high):
                        if not imaged[start + np.uint64(x)]:
                            grey[start + np.uint64(x)] = 0
            for x in range(low):
                imaged[start + np.uint64(x)], grey[start + np.uint64(x)] = False, 0
            for x in range(high, n):
                imaged[start + np.uint64(x)], grey[start + np.uint64(x)] = False, 0


@_loop
def _read_labels(
    labels: NDArray[Any],
    plane: Plane,
    way: Way,
    band: tuple[int, int],
    width: int,
    codes: NDArray[Any],
    words: NDArray[np.uint32],
) -> None:
    begin, rows, columns, down, right = plane
    place, found = words[0], words[1]
    first, step_a, step_b = np.uint32(begin), np.uint32(down), np.uint32(right)
    end = begin + (rows - 1) * down + (columns - 1) * right + 1
    roomy = end * labels.itemsize + 3 <= labels.size * labels.itemsize
    half = np.float32(0.5)
    for i in range(band[0], band[1]):
        for k in range(0, width, ROW):
            n, start = min(ROW, width - k), np.uint64(i * width + k)
            low, high = 0, 0
            if rows:
                a0, b0 = _place(way[0], i, k), _place(way[1], i, k)
                oa, ob = _origin(a0), _origin(b0)
                fa, fb = np.float32(a0 - oa), np.float32(b0 - ob)
                sa, sb = np.float32(way[0][2]), np.float32(way[1][2])
                low, high = _inside(fa, sa, np.float32(-oa), np.float32(rows - 1 - oa), 0, n)
                low, high = _inside(fb, sb, np.float32(-ob), np.float32(columns - 1 - ob), low, high)
                for x in range(n):
                    step = np.float32(np.int32(x))
                    a, b = np.int32((fa + sa * step) + half), np.int32((fb + sb * step) + half)
                    place[x] = np.uint32(a + oa) * step_a + np.uint32(b + ob) * step_b + first
                for x in range(low):
                    place[x] = first
                for x in range(high, n + -n % LANES):
                    place[x] = first
                if roomy:
                    for x in range(0, n, LANES):
                        gather(labels, np.uint64(0), place, x, found)
                    for x in range(n):
                        codes[start + np.uint64(x)] = found[x]
                else:
                    for x in range(n):
                        codes[start + np.uint64(x)] = labels[np.uint64(place[x])]
            for x in range(low):
                codes[start + np.uint64(x)] = 0
            for x in range(high, n):
                codes[start + np.uint64(x)] = 0


@_loop
def _is_whole(way: Way) -> bool:
    """Whether each pixel shows just one voxel."""
    for line in way:
        if line[0] != int(line[0]) or line[1] != int(line[1]) or line[2] != int(line[2]):
            return False
    return True


@_loop
def _part_within(first: int, step: int, count: int, start: int, stop: int) -> tuple[int, int]:
    """The part of `start` to `stop` where `first + step * x` lies from 0 to `count`; step is -1, 0 or 1."""
    if step == 0:
        return (start, stop) if 0 <= first < count else (start, start)
    low, high = (-first, count - first) if step > 0 else (first - count + 1, first + 1)
    start = min(max(start, low), stop)
    return start, max(start, min(stop, high))


@_loop
def _copy_em(
    em: NDArray[np.uint8],
    plane: Plane,
    way: Way,
    present: NDArray[np.bool_],
    curve: NDArray[np.float32],
    band: tuple[int, int],
    width: int,
    grey: NDArray[np.float32],
    imaged: NDArray[np.bool_],
) -> None:
    """`_read_em` where nothing lies between voxels."""
    begin, rows, columns, down, right = plane
    sa, sb = int(way[0][2]), int(way[1][2])
    step = sa * down + sb * right
    for i in range(band[0], band[1]):
        a, b = int(_place(way[0], i, 0)), int(_place(way[1], i, 0))
        low, high = _part_within(a, sa, rows, 0, width)
        low, high = _part_within(b, sb, columns, low, high)
        first, start = begin + a * down + b * right, i * width
        grey[start : start + width], imaged[start : start + width] = 0, False
        for x in range(low, high):
            here, there = np.uint64(first + x * step), np.uint64(start + x)
            if not present.size or present[here]:
                grey[there], imaged[there] = curve[em[here]], True


@_loop
def _copy_labels(
    labels: NDArray[Any], plane: Plane, way: Way, band: tuple[int, int], width: int, codes: NDArray[Any]
) -> None:
    """`_read_labels` where nothing lies between voxels."""
    begin, rows, columns, down, right = plane
    sa, sb = int(way[0][2]), int(way[1][2])
    step = sa * down + sb * right
    for i in range(band[0], band[1]):
        a, b = int(_place(way[0], i, 0)), int(_place(way[1], i, 0))
        low, high = _part_within(a, sa, rows, 0, width)
        low, high = _part_within(b, sb, columns, low, high)
        first, start = begin + a * down + b * right, i * width
        codes[start : start + width] = 0
        for x in range(low, high):
            codes[np.uint64(start + x)] = labels[np.uint64(first + x * step)]
