"""The loops over voxels, compiled; all release the interpreter, so that threads draw side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit


@njit(nogil=True, cache=True)
def count_pairs(codes: NDArray[Any], states: NDArray[Any], counts: NDArray[np.int64]) -> None:
    """Add up how often each (code, state) occurs; flat arrays of one length, counts [code, state]."""
    for i in range(codes.size):
        counts[codes[i], states[i]] += 1


@njit(nogil=True, cache=True)
def relabel_pairs(codes: NDArray[Any], states: NDArray[Any], number: NDArray[Any]) -> None:
    """Replace each code, in place, by `number[code, state]`."""
    for i in range(codes.size):
        codes[i] = number[codes[i], states[i]]


@njit(nogil=True, cache=True)
def relabel(codes: NDArray[Any], number: NDArray[Any]) -> None:
    """Replace each code, in place, by `number[code]`."""
    for i in range(codes.size):
        codes[i] = number[codes[i]]


@njit(nogil=True, cache=True)
def count_codes(codes: NDArray[Any], counts: NDArray[np.int64]) -> None:
    """Add up how often each code occurs."""
    for i in range(codes.size):
        counts[codes[i]] += 1


@njit(nogil=True, cache=True)
def draw_anchors(codes: NDArray[Any], stops: NDArray[np.int64], places: NDArray[np.int64]) -> None:
    """Keep an even sample of the voxels of each code: Vitter's algorithm R, the same draw every time.

    `places[stops[code - 1] : stops[code]]` receives flat indices; a code with fewer voxels than that does
    not occur.
    """
    seen = np.zeros(stops.size, np.int64)
    state = np.uint64(88172645463325252)
    for i in range(codes.size):
        code = codes[i]
        start = stops[code - 1] if code else 0
        most = stops[code] - start
        slot = seen[code]
        seen[code] += 1
        if slot >= most:  # Marsaglia's xorshift
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            slot = np.int64(state % np.uint64(slot + 1))
        if slot < most:
            places[start + slot] = i


@njit(nogil=True, cache=True)
def expand(
    codes: NDArray[Any],
    present: NDArray[np.uint8],
    known: NDArray[np.bool_],
    target: NDArray[np.uint8],
    mask: NDArray[np.bool_],
) -> None:
    """Write a channel per class: codes [n] through tables [class, code] into target and mask [class, n]."""
    for c in range(present.shape[0]):
        for i in range(codes.size):
            code = codes[i]
            target[c, i] = present[c, code]
            mask[c, i] = known[c, code]


@njit(nogil=True, cache=True)
def gather(
    em: NDArray[Any],
    em_present: NDArray[np.bool_],
    codes: NDArray[Any],
    label_start: NDArray[np.int64],
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    scale: tuple[float, float],
    out_em: NDArray[np.float32],
    out_inside: NDArray[np.bool_],
    out_codes: NDArray[Any],
) -> None:
    """One pass over a patch: EM linear and normalised, labels nearest, at `first + matrix @ voxel`.

    Where the nearest EM voxel is outside or not present, EM is 0 (the mean) and `out_inside` False;
    other missing neighbours are left out of the interpolation. `em_present` of size 0 means all present.

    Args:
        em: grey values [z, y, x].
        em_present: bool of the same shape, or empty.
        codes: labels [z, y, x].
        label_start: voxel of `em` at which `codes` begins.
        first: place in `em` of the patch's voxel 0, 0, 0.
        matrix: steps in `em` per step in the patch, [3, 3].
        scale: mean and inverse standard deviation.
        out_em: float32 patch [z, y, x].
        out_inside: bool patch.
        out_codes: patch of the codes' type.
    """
    mean, inverse_std = scale
    nz, ny, nx = em.shape
    lz, ly, lx = codes.shape
    for i in range(out_em.shape[0]):
        for j in range(out_em.shape[1]):
            for k in range(out_em.shape[2]):
                z = first[0] + matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k
                y = first[1] + matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k
                x = first[2] + matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k
                a = math.floor(z + 0.5)
                b = math.floor(y + 0.5)
                c = math.floor(x + 0.5)
                inside = 0 <= a < nz and 0 <= b < ny and 0 <= c < nx
                if inside and em_present.size:
                    inside = em_present[a, b, c]
                out_inside[i, j, k] = inside
                if inside:
                    value = _linear(em, em_present, z, y, x)
                    out_em[i, j, k] = (value - mean) * inverse_std
                else:
                    out_em[i, j, k] = 0
                a -= label_start[0]
                b -= label_start[1]
                c -= label_start[2]
                if 0 <= a < lz and 0 <= b < ly and 0 <= c < lx:
                    out_codes[i, j, k] = codes[a, b, c]
                else:
                    out_codes[i, j, k] = 0


@njit(nogil=True, cache=True, inline="always")
def _linear(em: NDArray[Any], em_present: NDArray[np.bool_], z: float, y: float, x: float) -> float:
    """Trilinear value at a place whose nearest voxel is there; missing neighbours weigh nothing."""
    z0, y0, x0 = math.floor(z), math.floor(y), math.floor(x)
    wz, wy, wx = z - z0, y - y0, x - x0
    nz, ny, nx = em.shape
    if em_present.size == 0 and 0 <= z0 < nz - 1 and 0 <= y0 < ny - 1 and 0 <= x0 < nx - 1:
        c00 = em[z0, y0, x0] * (1 - wx) + em[z0, y0, x0 + 1] * wx
        c01 = em[z0, y0 + 1, x0] * (1 - wx) + em[z0, y0 + 1, x0 + 1] * wx
        c10 = em[z0 + 1, y0, x0] * (1 - wx) + em[z0 + 1, y0, x0 + 1] * wx
        c11 = em[z0 + 1, y0 + 1, x0] * (1 - wx) + em[z0 + 1, y0 + 1, x0 + 1] * wx
        inner: float = (c00 * (1 - wy) + c01 * wy) * (1 - wz) + (c10 * (1 - wy) + c11 * wy) * wz
        return inner
    total = 0.0
    weights = 0.0
    for dz in range(2):
        for dy in range(2):
            for dx in range(2):
                a, b, c = z0 + dz, y0 + dy, x0 + dx
                if not (0 <= a < nz and 0 <= b < ny and 0 <= c < nx):
                    continue
                if em_present.size and not em_present[a, b, c]:
                    continue
                w = (wz if dz else 1 - wz) * (wy if dy else 1 - wy) * (wx if dx else 1 - wx)
                total += w * em[a, b, c]
                weights += w
    return total / weights
