"""A region from patches: the loop that reads, sees, blends and hands out. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from organelle.blocks import Blending, PatchGrid, SlabBlender
from organelle.geometry import Box, Voxels

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A network: one patch (z, y, x) of normalised EM in, probabilities (class, z, y, x) out."""
ReadEM = Callable[[Box], NDArray[np.float32]]
"""Normalised EM of any box on the model's lattice; 0 (the mean) where there is none."""


class PatchSpec(Protocol):
    """What of a `ModelSpec` matters here."""

    @property
    def classes(self) -> tuple[str, ...]:
        """One output channel each."""

    @property
    def patch_shape(self) -> Voxels:
        """What the network sees at once."""

    @property
    def stride(self) -> Voxels:
        """Step of the patch lattice."""


def predict_region(
    forward: Forward,
    read_em: ReadEM,
    region: Box,
    spec: PatchSpec,
    block_shape: Voxels | None = None,
    *,
    blending: Blending = Blending.GAUSSIAN,
) -> NDArray[np.float32]:
    """Probabilities of every voxel of `region`: float32, (class, z, y, x).

    Args:
        forward: the network, called with one patch at a time, in the same way for any region.
        read_em: the normalised EM.
        region: on the lattice of the model's voxel size; voxel 0 is the first of the dataset's EM.
        spec: classes and patch grid.
        block_shape: how the work is cut (default: not at all); it changes nothing but memory and time.
        blending: how overlaps are weighted.
    """
    out = np.empty((len(spec.classes), *region.shape), np.float32)
    grid = PatchGrid(spec.patch_shape, spec.stride)
    for box, means in predict_slabs(
        forward, read_em, region, grid, block_shape or region.shape, len(spec.classes), blending=blending
    ):
        out[:, *box.slices(region.start)] = means
    return out


def predict_slabs(
    forward: Forward,
    read_em: ReadEM,
    region: Box,
    grid: PatchGrid,
    block_shape: Voxels,
    channels: int,
    *,
    blending: Blending = Blending.GAUSSIAN,
) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """The same as `predict_region`, piece by piece: boxes that together are `region`, and their means.

    The region is cut across y and x into columns; each is walked along z, so that a patch is seen again
    only where two columns meet. Pieces end on multiples of `block_shape`, counted from the region's start.
    Memory: `column_bytes`.

    Args:
        forward: the network.
        read_em: the normalised EM.
        region: what is wanted.
        grid: where the patches lie.
        block_shape: thickness of the pieces, height and width of the columns.
        channels: number of values that `forward` gives per voxel.
        blending: how overlaps are weighted.
    """
    for column in columns(region, block_shape):
        blender = SlabBlender(grid, column, channels, blending, planes=grid.shape[0] + block_shape[0])
        for patches in grid.layers(column):
            seen = patches[0].union(patches[-1])
            done = (seen.start[0] - region.start[0]) // block_shape[0] * block_shape[0]
            yield from _filled(blender, region.start[0] + done)
            em = read_em(seen)
            for patch in patches:
                blender.add(patch, forward(em[patch.slices(seen.start)]))
        yield from _filled(blender, column.stop[0])


def columns(region: Box, block_shape: Voxels) -> Iterator[Box]:
    """The region cut across y and x; each piece has its full depth."""
    for tile in Box((0, 0, 0), region.shape).tiles((max(1, region.shape[0]), *block_shape[1:])):
        yield tile.shift(region.start)


def column_bytes(grid: PatchGrid, block_shape: Voxels, channels: int) -> int:
    """Peak memory of `predict_slabs` for probabilities and EM, in bytes (float32).

    Sums of the planes under way, once more while planes are handed out, and one layer of EM.
    """
    depth = grid.shape[0] + block_shape[0]
    area = block_shape[1] * block_shape[2]
    seen = (block_shape[1] + 2 * grid.shape[1]) * (block_shape[2] + 2 * grid.shape[2])
    return 4 * (2 * channels * depth * area + grid.shape[0] * seen)


def to_uint8(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probabilities 0..1 as 0..255, rounded to the nearest."""
    return np.asarray(np.rint(probabilities * np.float32(255)), np.uint8)


def _filled(blender: SlabBlender, stop: int) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    box, means = blender.take(stop)
    if not box.is_empty:
        yield box, means
