"""Semantic classes: voxels that agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class SemanticCounts:
    """Voxels of one (crop, class) row."""

    tp: int
    fp: int
    fn: int
    status: str = "scored"


def score_semantic(prediction: Array, truth: Array) -> SemanticCounts:
    """Compare `prediction > 0` with `truth > 0`, arrays of one shape; NaN counts as background."""
    found, there = prediction > 0, truth > 0
    tp = int(np.count_nonzero(found & there))
    return SemanticCounts(tp, int(np.count_nonzero(found)) - tp, int(np.count_nonzero(there)) - tp)


def missing_semantic(num_voxels: int) -> SemanticCounts:
    """A class that was not handed in: **every** voxel of the crop is a false negative."""
    return SemanticCounts(0, 0, num_voxels, "missing")
