"""What is done to the grey values of a patch after they were read, compiled; all release the interpreter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

_loop = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


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
