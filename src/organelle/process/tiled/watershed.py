"""Seeded watershed of tiles: seeds carry ids of the whole volume, so that no face has to be joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box
from organelle.process.objects import Labels, Mask
from organelle.process.tiled.tiles import Tiles

LEVELS = 1024
"""Steps into which heights from 0 to 1 are rounded."""


def watershed(
    read_height: Callable[[Box], NDArray[np.floating[Any]]],
    read_seeds: Callable[[Box], Labels],
    read_mask: Callable[[Box], Mask],
    tiles: Tiles,
) -> Callable[[Box], Labels]:
    """Flood a mask from seeds, tile by tile: a function that gives the labels of a tile.

    What belongs to a tile is flooded from all seeds within the halo, as if the volume ended there. Voxels
    that no seed reaches within it stay 0.

    Args:
        read_height: 0 to 1, low first.
        read_seeds: ids of the whole volume, 0 where no seed is; seeds outside of the mask are not used.
        read_mask: what is flooded.
        tiles: where.
    """

    def flood_tile(core: Box) -> Labels:
        around = tiles.around(core)
        mask = read_mask(around)
        inside = core.slices(around.start)
        if not mask[inside].any():
            return np.zeros(core.shape, np.uint32)
        return flood(read_height(around), read_seeds(around), mask)[inside]

    return flood_tile


def flood(height: NDArray[np.floating[Any]], seeds: Labels, mask: Mask) -> Labels:
    """Seeded watershed of one array (6 neighbours): every voxel that a seed reaches through the mask.

    Heights are rounded to 1024 levels. A voxel goes to the seed from which it is reached over the lowest
    pass; of equal passes the nearer (in steps) wins, then the seed that comes first in z, y, x order,
    whatever its number. Borders are not marked.

    Args:
        height: 0 to 1, z y x.
        seeds: 0 where there is none.
        mask: what may be flooded.

    Cost: time grows with the voxels; 10 bytes per voxel beside the arrays.
    """
    from organelle.process.tiled.kernels import CLOSED, flood_levels

    core = (slice(1, -1),) * 3
    shape = tuple(n + 2 for n in mask.shape)
    levels = np.full(shape, CLOSED, np.uint16)
    levels[core] = np.where(mask, _levels(height), CLOSED)
    labels = np.zeros(shape, np.uint32)
    labels[core] = np.where(mask, seeds, 0)
    row, plane = shape[2], shape[1] * shape[2]
    steps = np.array([-plane, -row, -1, 1, row, plane])
    flood_levels(levels.ravel(), labels.ravel(), steps, LEVELS)
    return np.ascontiguousarray(labels[core])


def seeded(
    read_pieces: Callable[[Box], Labels], read_seeds: Callable[[Box], Labels]
) -> Callable[[Box], Labels]:
    """A function that gives the pieces of a mask which hold a seed in a block, in order."""

    def seeded_in(box: Box) -> Labels:
        seeds = read_seeds(box)
        return np.unique(read_pieces(box)[seeds > 0]) if seeds.any() else np.empty(0, np.uint32)

    return seeded_in


def unseeded(blocks: Iterable[tuple[Box, Labels]], count: int) -> NDArray[np.bool_]:
    """Which of the pieces 1..`count` are in none of the blocks that `seeded` gave; index 0 is False."""
    alone = np.ones(count + 1, bool)
    alone[0] = False
    for _, pieces in blocks:
        alone[pieces] = False
    return alone


def _levels(height: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    return np.asarray(np.rint(np.clip(height, 0, 1) * (LEVELS - 1)), np.uint16)
