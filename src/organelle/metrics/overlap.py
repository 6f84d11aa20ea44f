"""How many voxels every truth object shares with every component, from one pass over the volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from organelle.errors import require_module

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Sizes of all objects and of all pairs that share at least one voxel; 0 is background everywhere.

    `truth_sizes[id]` and `component_sizes[number]` count voxels (0 for an absent id, and for background).
    The pairs are sorted by truth id, then by component; `voxels` are their common voxels.
    """

    truth_sizes: Array
    component_sizes: Array
    truth: Array
    component: Array
    voxels: Array

    @property
    def n_components(self) -> int:
        """How many components there are."""
        return len(self.component_sizes) - 1

    @property
    def largest_truth_id(self) -> int:
        """The largest truth id, 0 without any."""
        return len(self.truth_sizes) - 1

    @property
    def truth_ids(self) -> Array:
        """The distinct truth ids, ascending, without background."""
        return 1 + np.flatnonzero(self.truth_sizes[1:])

    @property
    def iou(self) -> Array:
        """Intersection over union of every pair, float64."""
        union = self.truth_sizes[self.truth] + self.component_sizes[self.component] - self.voxels
        return np.asarray(self.voxels / union)


def overlap_table(truth: Array, components: Array, n_components: int) -> Overlap:
    """Count `truth` ids against `components`, both z, y, x and of unsigned types.

    Works on runs of equal voxels: time is linear in the voxels, memory in the objects and pairs.
    """
    require_module("numba", "score")
    from organelle.metrics.kernels import tally

    largest = int(truth.max(initial=0))
    truth_sizes, sizes, keys, counts = tally(truth.ravel(), components.ravel(), largest, n_components)
    order = np.argsort(keys)
    of_truth, of_component = np.divmod(keys[order], n_components + 1)
    return Overlap(truth_sizes, sizes, of_truth, of_component, counts[order])
