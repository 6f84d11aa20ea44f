"""How much memory and time a row may take: enough for any honest file of its size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from organelle.children import Allowance
from organelle.errors import OrganelleError
from organelle.geometry import Grid

if TYPE_CHECKING:
    from organelle.submission.reader import Submission
    from organelle.submission.stored import StoredArray

SLACK_BYTES = 320 << 20
"""For chunks on their way, lists of objects, and address space that is only reserved."""

RESCALING_BYTES = 40
"""A voxel of an array on another grid: scikit-image computes in float64, with copies."""

SECONDS = 120
SECONDS_A_VOXEL = 4e-6
"""About a hundred times what an ordinary row takes."""


def row_allowance(
    submission: Submission, crop_id: int, class_name: str, grid: Grid, *, bytes_a_voxel: int, copies: int = 0
) -> Allowance:
    """What may be used to read a row, lay it on its crop and look at it there.

    It follows from the sizes that the row's metadata promises; nothing is decoded. Metadata that cannot be
    used gets the allowance of a missing row: reading it fails soon.

    Args:
        submission: Holds the row, or not.
        crop_id: Of the row.
        class_name: Of the row.
        grid: Of the crop.
        bytes_a_voxel: What looking takes, beyond the row itself.
        copies: How many times the row is copied.
    """
    voxels = math.prod(grid.shape)
    memory, seconds = SLACK_BYTES + voxels * bytes_a_voxel, SECONDS + SECONDS_A_VOXEL * voxels
    level = _level(submission, crop_id, class_name, grid)
    if level is not None:
        stored, item = math.prod(level.shape), level.dtype.itemsize
        memory += stored * item + 3 * level.spec.chunk_bytes
        memory += voxels * item * (copies + (level.grid != grid))
        memory += 0 if _same_size(level, grid) else stored * RESCALING_BYTES
        seconds += SECONDS_A_VOXEL * stored
    return Allowance(memory, seconds, 600 + 4 * seconds)


def _level(submission: Submission, crop_id: int, class_name: str, grid: Grid) -> StoredArray | None:
    try:
        submitted = submission.array(crop_id, class_name)
        return submitted.level_for(grid.voxel_size_nm) if submitted else None
    except OrganelleError:
        return None


def _same_size(level: StoredArray, grid: Grid) -> bool:
    size = level.voxel_size_nm
    return size is None or bool(np.allclose(size, grid.voxel_size_nm))
