"""A processed volume on a crop's grid, block by block.

Voxels are placed by geometry, not by the scorer's alignment: that one moves data of another voxel size by up
to a voxel (see `organelle.submission.alignment`). What is laid exactly on the crop's grid here is left as it
is by the scorer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from organelle.classes import Kind
from organelle.errors import SubmissionError
from organelle.geometry import Box, Grid, Voxels

if TYPE_CHECKING:
    from organelle.volumes import Volume

MARGIN = 2
"""Source voxels read around a block, so that interpolation sees the neighbours that it has in the volume."""

BLOCK_VOXELS = 1 << 24
"""The most voxels of a block: a few arrays of that size are all the memory that packing takes."""


def block_shape(chunk: Voxels, target: Grid, source: Grid | None = None) -> Voxels:
    """Whole chunks of `target`, as many along x, then along y, as `BLOCK_VOXELS` allows; at least one.

    Where `source` has smaller voxels, those count.
    """
    z, y, x = chunk
    most = max(1, int(BLOCK_VOXELS / (z * y * x * finer(source, target))))
    across = min(most, -(-target.shape[2] // x))
    return z, y * min(max(1, most // across), -(-target.shape[1] // y)), x * across


def finer(source: Grid | None, target: Grid) -> float:
    """How many voxels of `source` fill one of `target`, at least 1."""
    return max(1.0, target.voxel_volume_nm3 / source.voxel_volume_nm3) if source else 1.0


def blocks(source: Volume, target: Grid, kind: Kind, shape: Voxels) -> Iterator[tuple[Box, np.ndarray]]:
    """The labels of `source` at the voxels of `target`, in blocks of `shape`.

    Args:
        source: processed labels that cover `target`, at any voxel size.
        target: the crop's grid.
        kind: instance ids are taken from the nearest voxel, masks are interpolated and cut at 0.5.
        shape: blocks start at its multiples; memory is a few of them. It changes no voxel.

    Yields:
        Each block's box, counted from the crop's first voxel, and its voxels: ids in an unsigned type, or
        0 and 1 as uint8.

    Raises:
        SubmissionError: negative ids.
    """
    for box in target.box.tiles(shape):
        labels = _labels_at(source, target.subgrid(box), kind)
        yield box, _unsigned(labels, source, kind)


def _labels_at(source: Volume, target: Grid, kind: Kind) -> np.ndarray:
    from organelle.volumes import resample

    if source.grid.shares_lattice(target):
        return source.read(Box(source.grid.shift_to(target), target.shape))
    wanted = source.grid.box_of(target.extent, snap="outer").grow((MARGIN,) * 3)
    inside = wanted.intersect(source.grid.box)
    labels, grid = source.read(inside), source.grid.subgrid(inside)
    if kind is Kind.INSTANCE:
        return resample(labels, grid, target, kind)
    share = resample((labels > 0).astype(np.float32), grid, target, Kind.IMAGE)
    return np.asarray(share > 0.5)


def _unsigned(labels: np.ndarray, source: Volume, kind: Kind) -> np.ndarray:
    if kind is Kind.SEMANTIC or labels.dtype == bool:
        return (labels > 0).astype(np.uint8)
    if labels.dtype.kind == "i":
        if labels.min(initial=0) < 0:
            raise SubmissionError(
                f"{source.path} holds negative ids, which would count as objects; write 0 for the background"
            )
        return labels.view(labels.dtype.str.replace("i", "u"))
    return labels
