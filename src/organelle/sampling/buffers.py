"""Memory of arrays that nobody holds any more, for the next arrays of that size.

Fresh memory costs a page fault per page, which for the targets of a large patch is as much as writing them.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALL = 2**16
"""Bytes below which memory is left to numpy."""


class _Memory(np.ndarray[tuple[int, ...], np.dtype[np.uint8]]):
    """Of a type of its own: views of an array of another type stop at that array, they do not hold this."""


class Buffers:
    """Hands out arrays; may be used by many threads. All that it keeps goes with it."""

    def __init__(self) -> None:
        self._free: dict[int, list[_Memory]] = {}

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of any content; its memory is used again when neither it nor a view of it is left."""
        count = math.prod(shape) * np.dtype(dtype).itemsize
        if count < SMALL:
            return np.empty(shape, dtype)
        free = self._free.setdefault(count, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = _Memory(count, np.uint8)
        array: NDArray[Any] = np.ndarray(shape, dtype, buffer=memory)
        weakref.finalize(array, free.append, memory).atexit = False
        return array
