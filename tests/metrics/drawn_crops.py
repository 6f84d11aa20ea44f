"""Small crops drawn at random in every shape that has made a scorer stumble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import zoom

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Array, Array]

VOXEL_SIZES = ((8.0, 8.0, 8.0), (5.24, 4.0, 4.0), (50.0, 4.6, 4.6), (1.74, 2.0, 2.0), (32.0, 32.0, 3.0))
DTYPES = (np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64)


def noise(rng: np.random.Generator) -> Pair:
    shape, dense = rng.integers(3, 12, 3), rng.uniform(0.02, 0.5)
    truth, prediction = (rng.integers(1, 9, shape) * (rng.random(shape) < dense) for _ in range(2))
    return prediction, truth


def touching_regions(rng: np.random.Generator) -> Pair:
    coarse = rng.integers(0, 6, rng.integers(2, 5, 3))
    truth = zoom(coarse, 4, order=0)
    prediction = np.roll(truth, rng.integers(-2, 3, 3), (0, 1, 2))
    return np.where(rng.random(truth.shape) < 0.02, 0, prediction), truth


def sparse_ids(rng: np.random.Generator) -> Pair:
    prediction, truth = touching_regions(rng)
    names = rng.choice(np.arange(1, truth.size), 6, replace=False)
    return prediction, np.where(truth > 0, np.sort(names)[truth - 1], 0)


def ties(rng: np.random.Generator) -> Pair:
    """Every prediction cube covers equal parts of two truth cubes, so that many matchings are optimal."""
    z, y, x = np.indices((12, 12, 12))
    truth = 1 + (z // 4) * 9 + (y // 4) * 3 + x // 4
    offset = rng.integers(0, 3, 3) * 2
    shifted = 1 + ((z + offset[0]) // 4) * 16 + ((y + offset[1]) // 4) * 4 + (x + offset[2]) // 4
    holes = rng.random(28) < 0.3
    return shifted, np.where(holes[truth], 0, truth)


def thin_tubes(rng: np.random.Generator) -> Pair:
    truth, prediction = np.zeros((2, 24, 9, 9), np.int64)
    for i in range(1, 5):
        y, x = rng.integers(1, 8, 2)
        truth[:, y, x] = i
        start = int(rng.integers(0, 12))
        prediction[start : start + 10, y + rng.integers(-1, 2), x] = i
    return prediction, truth


def one_giant(rng: np.random.Generator) -> Pair:
    shape = rng.integers(6, 20, 3)
    truth = np.ones(shape, np.int64)
    truth[tuple(rng.integers(0, shape))] = 2
    prediction = np.where(rng.random(shape) < rng.uniform(0, 0.9), 1, 0)
    return prediction, truth


def lonely_pieces(rng: np.random.Generator) -> Pair:
    """Few truth objects and many pieces, so that numbers of lonely pieces meet ids of the truth."""
    truth, prediction = np.zeros((2, 16, 16, 16), np.int64)
    for i in range(1, 8):
        a, b = rng.integers(0, 13, (2, 3))
        truth[tuple(slice(k, k + 3) for k in a)] = int(rng.integers(1, 12))
        prediction[tuple(slice(k, k + 3) for k in b)] = i
    return prediction, truth


def specks(rng: np.random.Generator) -> Pair:
    """One or two truth objects under a flood of pieces, on both sides of the limit."""
    truth = np.zeros((14, 14, 14), np.int64)
    truth[2:9, 3:8, 2:8] = 1
    truth[10:, 10:, 10:] = rng.integers(0, 3)
    prediction = np.zeros_like(truth)
    prediction[::2, ::2, ::2] = rng.random((7, 7, 7)) < rng.uniform(0.05, 0.4)
    return prediction, truth


def empty_side(rng: np.random.Generator) -> Pair:
    prediction, truth = noise(rng)
    return prediction * rng.integers(0, 2), truth * rng.integers(0, 2)


KINDS: tuple[Callable[[np.random.Generator], Pair], ...] = (
    noise, touching_regions, sparse_ids, ties, thin_tubes, one_giant, lonely_pieces, specks,
    empty_side,
)  # fmt: skip


def draw(kind: Callable[[np.random.Generator], Pair], seed: int) -> tuple[Array, Array, tuple[float, ...]]:
    """Prediction, truth and voxel size; the dtypes are drawn among those that hold the values."""
    rng = np.random.default_rng([seed, *kind.__name__.encode()])
    arrays = []
    for labels in kind(rng):
        fitting = [d for d in DTYPES if labels.max() <= np.iinfo(d).max]
        arrays.append(np.asarray(labels, rng.choice(fitting)))
    prediction, truth = arrays
    if rng.random() < 0.3:
        prediction = np.asfortranarray(prediction)
    return prediction, truth, VOXEL_SIZES[rng.integers(len(VOXEL_SIZES))]
