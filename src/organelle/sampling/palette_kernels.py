"""The loops over a crop's labels, compiled; all release the interpreter."""

from __future__ import annotations

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
