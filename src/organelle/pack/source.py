"""A processed volume on a crop's grid, slab by slab.

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
from organelle.geometry import Box, Grid

if TYPE_CHECKING:
    from organelle.volumes import Volume

MARGIN = 2
"""Source voxels read around a slab, so that interpolation sees the same neighbours as in the whole volume."""


def slabs(source: Volume, target: Grid, kind: Kind, height: int) -> Iterator[tuple[Box, np.ndarray]]:
    """The labels of `source` at the voxels of `target`, in slabs of `height` voxels along z.

    Args:
        source: processed labels that cover `target`, at any voxel size.
        target: the crop's grid.
        kind: instance ids are taken from the nearest voxel, masks are interpolated and cut at 0.5.
        height: slabs start at its multiples; memory is a few of them.

    Yields:
        Each slab's box, counted from the crop's first voxel, and its voxels: ids in an unsigned type, or
        0 and 1 as uint8.

    Raises:
        SubmissionError: negative ids.
    """
    for box in target.box.tiles((height, *target.shape[1:])):
        labels = _labels_at(source, target.subgrid(box), kind)
        yield box, _unsigned(labels, source, kind)


def _labels_at(source: Volume, target: Grid, kind: Kind) -> np.ndarray:
    from organelle.volumes import resample

    wanted = source.grid.box_of(target.extent, snap="outer").grow((MARGIN,) * 3)
    inside = wanted.intersect(source.grid.box)
    labels, grid = source.read(inside), source.grid.subgrid(inside)
    if kind is Kind.INSTANCE or grid.shares_lattice(target):
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
