"""Memory is used again when, and only when, nobody holds the array any more."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from organelle.sampling.buffers import SMALL, Buffers

SHAPE = (2, SMALL)


def place(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_comes_back_when_the_array_goes() -> None:
    buffers = Buffers()
    first = buffers.empty(SHAPE, np.uint8)
    second, before = buffers.empty(SHAPE, np.uint8), place(first)
    assert place(second) != before
    del first
    assert place(buffers.empty((SMALL, 2), bool)) == before


def shown(array: np.ndarray, how: str) -> Any:
    torch = pytest.importorskip("torch")
    match how:
        case "view":
            return array[1]
        case "view of a view":
            return array[1:].reshape(-1)[5:].squeeze()
        case "tensor":
            return torch.from_numpy(array)
        case _:
            return torch.from_numpy(array[1:])[0, 3:]


@pytest.mark.parametrize("how", ["view", "view of a view", "tensor", "slice of a tensor"])
def test_whatever_still_shows_the_array_keeps_its_memory(how: str) -> None:
    buffers = Buffers()
    array = buffers.empty(SHAPE, np.float32)
    array[:] = 7
    before, kept = place(array), shown(array, how)
    del array
    gc.collect()
    other = buffers.empty(SHAPE, np.float32)
    other[:] = 0
    assert (kept == 7).all()
    del kept
    assert place(buffers.empty(SHAPE, np.float32)) == before


def test_threads_never_share_memory() -> None:
    buffers = Buffers()

    def own(number: int) -> bool:
        array = buffers.empty(SHAPE, np.uint8)
        array[:] = number
        return bool((array == number).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(own, range(200)))
