"""How numbers become the state of a generator, compiled; NumPy promises that its own way stays the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from organelle.metrics.compiled import njit

POOL = 4


@njit(nogil=True, cache=True)
def mix(entropy: NDArray[np.uint32], state: NDArray[np.uint32]) -> None:
    """Mix the words of each row of `entropy` into the words of the same row of `state`.

    The method is M. E. O'Neill's (randutils, 2015).
    """
    pool = np.empty(POOL, np.uint32)
    for row in range(entropy.shape[0]):
        count, salt = entropy.shape[1], np.uint32(0x43B0D7E5)
        for i in range(POOL):
            pool[i], salt = _hash(entropy[row, i] if i < count else np.uint32(0), salt, np.uint32(0x931E8875))
        for i in range(POOL):
            for j in range(POOL):
                if i != j:
                    word, salt = _hash(pool[i], salt, np.uint32(0x931E8875))
                    pool[j] = _join(pool[j], word)
        for i in range(POOL, count):
            for j in range(POOL):
                word, salt = _hash(entropy[row, i], salt, np.uint32(0x931E8875))
                pool[j] = _join(pool[j], word)
        salt = np.uint32(0x8B51F9DD)
        for i in range(state.shape[1]):
            state[row, i], salt = _hash(pool[i % POOL], salt, np.uint32(0x58F38DED))


@njit(nogil=True, cache=True)
def _hash(word: np.uint32, salt: np.uint32, step: np.uint32) -> tuple[np.uint32, np.uint32]:
    """A word hashed, and the salt of the next."""
    after = np.uint32(salt * step)
    mixed = np.uint32((word ^ salt) * after)
    return np.uint32(mixed ^ (mixed >> np.uint32(16))), after


@njit(nogil=True, cache=True)
def _join(one: np.uint32, other: np.uint32) -> np.uint32:
    mixed = np.uint32(np.uint32(0xCA01F9DD) * one - np.uint32(0x4973F715) * other)
    return np.uint32(mixed ^ (mixed >> np.uint32(16)))
