"""How much memory and time the scoring of a row may take: enough for any honest file of its size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from organelle.children import Allowance
from organelle.errors import OrganelleError
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.truth import MASK, Truth
from organelle.files import read_json

if TYPE_CHECKING:
    from organelle.geometry import Grid
    from organelle.submission import Submission

SLACK_BYTES = 320 << 20
"""For chunks on their way, lists of objects, and address space that is only reserved."""

SCORING_BYTES = 8
"""A voxel, beyond truth and prediction: components, and lists of voxels that differ."""

RESCALING_BYTES = 40
"""A voxel of an array on another grid: scikit-image computes in float64, with copies."""

SECONDS = 120
SECONDS_A_VOXEL = 4e-6
"""About a hundred times what an ordinary row takes."""


def row_allowance(planned: PlannedRow, truth: Truth, submission: Submission) -> Allowance:
    """What the row may use, from the sizes that its metadata promises; nothing is decoded.

    Metadata that cannot be used gets the allowance of a missing row: reading it fails soon.
    """
    if planned.grid is None:
        return Allowance(SLACK_BYTES, SECONDS, 4 * SECONDS)
    voxels = math.prod(planned.grid.shape)
    seconds = SECONDS + SECONDS_A_VOXEL * voxels
    truth_bytes, mask_bytes = _truth_bytes(planned, truth)
    memory = voxels * (truth_bytes + SCORING_BYTES + mask_bytes)
    try:
        submitted = submission.array(planned.crop_id, planned.class_name)
        level = submitted.level_for(planned.grid.voxel_size_nm) if submitted else None
    except OrganelleError:
        level = None
    if level is not None:
        stored, item = math.prod(level.shape), level.dtype.itemsize
        memory += stored * item + 3 * level.spec.chunk_bytes
        memory += voxels * item * ((level.grid != planned.grid) + bool(mask_bytes))
        memory += 0 if _same_size(level.voxel_size_nm, planned.grid) else stored * RESCALING_BYTES
        seconds += SECONDS_A_VOXEL * stored
    return Allowance(SLACK_BYTES + memory, seconds, 600 + 4 * seconds)


def _truth_bytes(planned: PlannedRow, truth: Truth) -> tuple[int, int]:
    """Bytes a voxel of the labels, and of the mask with the copy of the labels that it asks for."""
    place = truth.path / f"crop{planned.crop_id}"
    try:
        labels = np.dtype(read_json(place / planned.class_name / ".zarray")["dtype"]).itemsize
    except (OrganelleError, LookupError, TypeError, ValueError):
        labels = 8
    return labels, (2 + labels) * (place / f"{planned.class_name}{MASK}").is_dir()


def _same_size(voxel_size_nm: object, grid: Grid) -> bool:
    return voxel_size_nm is None or bool(np.allclose(np.asarray(voxel_size_nm, float), grid.voxel_size_nm))
