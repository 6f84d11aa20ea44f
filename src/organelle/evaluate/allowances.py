"""How much memory and time the scoring of a row may take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from organelle.children import Allowance
from organelle.errors import OrganelleError
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.truth import MASK, Truth
from organelle.files import read_json
from organelle.submission import SLACK_BYTES, row_allowance

if TYPE_CHECKING:
    from organelle.submission import Submission

SCORING_BYTES = 8
"""A voxel, beyond truth and prediction: components, and lists of voxels that differ."""


def scoring_allowance(
    planned: PlannedRow, truth: Truth, submission: Submission, bytes_a_voxel: int = SCORING_BYTES
) -> Allowance:
    """What the row may use, from the sizes that its metadata and the truth's promise.

    `bytes_a_voxel` is what comes on top of truth and prediction.
    """
    if planned.grid is None:
        return Allowance()
    labels, mask = _truth_bytes(planned, truth)
    needed = bytes_a_voxel + labels + mask
    where = planned.crop_id, planned.class_name, planned.grid
    return row_allowance(submission, *where, bytes_a_voxel=needed, copies=int(mask > 0))


def honest_bytes(planned: PlannedRow, truth: Truth) -> int:
    """The most memory that an array on the crop's own grid can need: one of 64 bits in a single chunk."""
    if planned.grid is None:
        return 0
    labels, mask = _truth_bytes(planned, truth)
    item = 8 * (1 + 3 + (mask > 0))
    return SLACK_BYTES + math.prod(planned.grid.shape) * (SCORING_BYTES + labels + mask + item)


def _truth_bytes(planned: PlannedRow, truth: Truth) -> tuple[int, int]:
    """Bytes a voxel of the labels, and of the mask with the copy of the labels that it asks for.

    Labels of 64 bits are looked at as 32, which is a copy.
    """
    place = truth.path / f"crop{planned.crop_id}"
    try:
        labels = np.dtype(read_json(place / planned.class_name / ".zarray")["dtype"]).itemsize
    except (OrganelleError, LookupError, TypeError, ValueError):
        labels = 8
    return labels + 4 * (labels == 8), (2 + labels) * (place / f"{planned.class_name}{MASK}").is_dir()
