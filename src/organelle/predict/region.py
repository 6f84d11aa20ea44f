"""A region from patches: the loop that reads, sees, blends and hands out. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from organelle.blocks import Blending, PatchGrid, SlabBlender
from organelle.geometry import Box, Voxels
from organelle.predict.ahead import read_ahead
from organelle.predict.side_by_side import side_by_side

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A network: one patch (image, z, y, x) of normalised EM in, probabilities (class, z, y, x) out. The first
image is EM at the model's voxel size; others are its surroundings, see `ModelSettings.context`."""


class ReadPatches(Protocol):
    """Where patches come from."""

    def patches(self, boxes: Sequence[Box]) -> Iterator[NDArray[np.float32]]:
        """For each box of the model's lattice what the network is shown: (image, z, y, x), normalised.

        0 (the mean) where there is no EM. The boxes lie side by side, so that what they share is read once:
        before this returns, so that another thread may read while a network runs.
        """


@dataclass(frozen=True)
class ReadBoxes:
    """Patches cut from what a function gives for a box (z, y, x): one image, no surroundings."""

    read: Callable[[Box], NDArray[np.float32]]

    def patches(self, boxes: Sequence[Box]) -> Iterator[NDArray[np.float32]]:
        """See `ReadPatches`; the box around all of `boxes` is read at once."""
        if not boxes:
            return iter(())
        hull = boxes[0].union(boxes[-1])
        em = self.read(hull)
        return (em[None, *box.slices(hull.start)] for box in boxes)


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
    em: ReadPatches,
    region: Box,
    spec: PatchSpec,
    block_shape: Voxels | None = None,
    *,
    blending: Blending = Blending.GAUSSIAN,
) -> NDArray[np.float32]:
    """Probabilities of every voxel of `region`: float32, (class, z, y, x).

    Args:
        forward: the network, called with one patch at a time, in the same way for any region.
        em: the normalised EM.
        region: on the lattice of the model's voxel size; voxel 0 is the first of the dataset's EM.
        spec: classes and patch grid.
        block_shape: how the work is cut (default: not at all); it changes nothing but memory and time.
        blending: how overlaps are weighted.
    """
    out = np.empty((len(spec.classes), *region.shape), np.float32)
    grid = PatchGrid(spec.patch_shape, spec.stride)
    for box, means in predict_slabs(
        forward, em, region, grid, block_shape or region.shape, len(spec.classes), blending=blending
    ):
        out[:, *box.slices(region.start)] = means
    return out


def predict_slabs(
    forward: Forward,
    em: ReadPatches,
    region: Box,
    grid: PatchGrid,
    block_shape: Voxels,
    channels: int,
    *,
    blending: Blending = Blending.GAUSSIAN,
    threads: int | None = None,
) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """The same as `predict_region`, piece by piece: boxes that together are `region`, and their means.

    The region is cut across y and x into columns; each is walked along z, so that a patch is seen again
    only where two columns meet. Pieces end on multiples of `block_shape`, counted from the region's start.
    Memory: `column_bytes`.

    Args:
        forward: the network.
        em: the normalised EM.
        region: what is wanted.
        grid: where the patches lie.
        block_shape: thickness of the pieces, height and width of the columns.
        channels: number of values that `forward` gives per voxel.
        blending: how overlaps are weighted.
        threads: patches that `forward` is asked for at once; default: the calling thread asks.
    """
    for column in columns(region, block_shape):
        blender = SlabBlender(grid, column, channels, blending, planes=grid.shape[0] + block_shape[0])
        layers = ((patches, partial(em.patches, patches)) for patches in grid.layers(column))
        shown = (pair for boxes, seen in read_ahead(layers) for pair in zip(boxes, seen, strict=True))
        for patch, answer in side_by_side(forward, shown, threads):
            done = (patch.start[0] - region.start[0]) // block_shape[0] * block_shape[0]
            yield from _filled(blender, region.start[0] + done)
            blender.add(patch, answer)
        yield from _filled(blender, column.stop[0])


def columns(region: Box, block_shape: Voxels) -> Iterator[Box]:
    """The region cut across y and x; each piece has its full depth."""
    for tile in Box((0, 0, 0), region.shape).tiles((max(1, region.shape[0]), *block_shape[1:])):
        yield tile.shift(region.start)


def column_bytes(grid: PatchGrid, block_shape: Voxels, channels: int, images: int = 1) -> int:
    """Peak memory of `predict_slabs` for probabilities and EM, in bytes (float32).

    Sums of the planes under way, once more while planes are handed out, and two layers of each image: one
    that is seen, and one that is read meanwhile.
    """
    depth = grid.shape[0] + block_shape[0]
    area = block_shape[1] * block_shape[2]
    seen = (block_shape[1] + 2 * grid.shape[1]) * (block_shape[2] + 2 * grid.shape[2])
    return 4 * (2 * channels * depth * area + 2 * images * grid.shape[0] * seen)


def to_uint8(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probabilities 0..1 as 0..255, rounded to the nearest."""
    return np.asarray(np.rint(probabilities * np.float32(255)), np.uint8)


def _filled(blender: SlabBlender, stop: int) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    box, means = blender.take(stop)
    if not box.is_empty:
        yield box, means
