"""The loops over a crop's labels, compiled; all release the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

BLOCK = 512
"""Voxels that are expanded at once."""


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


@njit(nogil=True, cache=True, error_model="numpy")
def expand(
    codes: NDArray[Any], words: NDArray[np.uint64], target: NDArray[np.uint8], known: NDArray[np.uint8]
) -> None:
    """Write a channel per class: codes [n] through a table of words into target and known [class, n].

    Bit 2c of `words[code, c // 32]` says that class c is present, bit 2c + 1 that it is known. Codes are
    looked up once for 16 classes; their bits are then moved as bytes, of which a vector holds most.
    """
    halves, each = words.reshape(-1).view(np.uint32), np.uint64(2 * words.shape[1])
    seen, four = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint8)
    for start in range(0, codes.size, BLOCK):
        stop = min(start + BLOCK, codes.size)
        here, n = codes[start:stop], stop - start
        for c in range(target.shape[0]):
            if c % 16 == 0:
                half = np.uint64(c // 16)
                for a in range(n):
                    seen[a] = halves[np.uint64(here[a]) * each + half]
            if c % 4 == 0:
                shift = np.uint32(2 * (c % 16))
                for a in range(n):
                    four[a] = np.uint8(seen[a] >> shift)
            part, mask = target[c, start:stop], known[c, start:stop]
            for a in range(n):
                part[a] = four[a] & np.uint8(1)
            for a in range(n):
                bits = four[a] >> np.uint8(1)
                mask[a] = bits & np.uint8(1)
                four[a] = bits >> np.uint8(1)
