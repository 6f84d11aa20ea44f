"""Coarser levels: the mean of images, the most frequent value of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, product

import numpy as np

from organelle.classes import Kind
from organelle.errors import GridMismatch
from organelle.geometry import Box, Voxels
from organelle.volumes.multiscale import Multiscale
from organelle.volumes.volume import Volume

TILE_VOXELS = 128
"""Side of the blocks in which a level is made: 8 blocks of a byte per voxel hold 16 MB."""


def downsample(array: np.ndarray, kind: Kind, factor: Sequence[int] = (2, 2, 2)) -> np.ndarray:
    """Gather windows of `factor` voxels into one; at the far rim the windows hold what is left.

    Images become the mean, for whole-number types rounded half to even. Labels become the most frequent
    value, of equally frequent ones that which comes first in the window (in z, y, x order, so that thin
    structures neither fade nor swell). The type stays; an axis of n voxels becomes ceil(n / factor).

    Raises:
        GridMismatch: a factor is below 1.
    """
    if min(factor) < 1:
        raise GridMismatch(f"downsampling needs factors of at least 1, not {tuple(factor)}")
    shape = [-(-n // f) for n, f in zip(array.shape, factor, strict=True)]
    result = np.empty(shape, dtype=array.dtype)
    gather = _mean if kind.interpolatable else _mode
    for source, target, window in _regions(array.shape, factor):
        values = [
            array[source][tuple(slice(o, None, w) for o, w in zip(offset, window, strict=True))]
            for offset in np.ndindex(window)
        ]
        result[target] = gather(values)
    return result


def build_pyramid(multiscale: Multiscale, kind: Kind) -> None:
    """Fill levels 1, 2, ... from level 0, block by block; regions without data stay without chunks."""
    for fine, coarse in pairwise(multiscale.levels):
        _fill(fine, coarse, kind)


def _fill(fine: Volume, coarse: Volume, kind: Kind) -> None:
    pairs = zip(coarse.grid.voxel_size_nm, fine.grid.voxel_size_nm, strict=True)
    factor = [round(c / f) for c, f in pairs]
    tile = [max(c, TILE_VOXELS // c * c) for c in coarse.chunks]
    for box in coarse.grid.box.tiles(tile):
        start = [a * f for a, f in zip(box.start, factor, strict=True)]
        stop = [b * f for b, f in zip(box.stop, factor, strict=True)]
        source = Box.between(start, stop).intersect(fine.grid.box)
        if not (fine.is_blank(source) and coarse.is_blank(box)):
            coarse.write(box, downsample(fine.read(source), kind, factor))


def _regions(
    shape: Sequence[int], factor: Sequence[int]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], Voxels]]:
    """Parts of an array within which all windows are whole: source, target and window of each."""
    axes = []
    for n, f in zip(shape, factor, strict=True):
        full = n // f
        parts = [(slice(0, full * f), slice(0, full), f), (slice(full * f, n), slice(full, full + 1), n % f)]
        axes.append([part for part in parts if part[0].start < part[0].stop])
    for z, y, x in product(*axes):
        yield (z[0], y[0], x[0]), (z[1], y[1], x[1]), (z[2], y[2], x[2])


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Mean over a list of equal arrays, in their type."""
    dtype = values[0].dtype
    wide = np.float64 if dtype.kind == "f" else np.int64 if dtype.itemsize > 2 else np.int32
    total = np.zeros(values[0].shape, dtype=wide)
    for v in values:
        total += v
    mean = total / len(values)
    return mean.astype(dtype) if dtype.kind == "f" else np.rint(mean).astype(dtype)


def _mode(values: list[np.ndarray]) -> np.ndarray:
    """Most frequent value over a list of equal arrays, the first of those on a tie."""
    result = values[0].copy()
    mixed = np.zeros(result.shape, dtype=bool)
    for v in values[1:]:
        mixed |= v != result
    if mixed.any():
        result[mixed] = _vote(np.array([v[mixed] for v in values]))
    return result


def _vote(values: np.ndarray) -> np.ndarray:
    """Most frequent value of each column, the first of those on a tie."""
    votes = np.zeros(values.shape, dtype=np.int32)
    for a, b in combinations(range(len(values)), 2):
        same = values[a] == values[b]
        votes[a] += same
        votes[b] += same
    winner: np.ndarray = np.take_along_axis(values, votes.argmax(axis=0)[np.newaxis], axis=0)[0]
    return winner
