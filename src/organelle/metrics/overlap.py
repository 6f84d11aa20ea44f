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
    The pairs are sorted by truth id, then by component; `voxels` are their common voxels. `runs` are
    stretches of a row (voxels along x) of one truth id and one component: their number bounds the memory
    that a list of them needs.
    """

    truth_sizes: Array
    component_sizes: Array
    truth: Array
    component: Array
    voxels: Array
    truth_runs: Array
    component_runs: Array
    runs: Array

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

    largest, width = int(truth.max(initial=0)), max(1, truth.shape[-1])
    of_truth, of_components, keys, counts = tally(
        truth.ravel(), components.ravel(), width, largest, n_components
    )
    order = np.argsort(keys)[np.count_nonzero(keys == 0) :]
    pair_truth, pair_component = np.divmod(keys[order], n_components + 1)
    voxels, runs = counts[order].T
    sizes, component_sizes = of_truth[:, 0], of_components[:, 0]
    return Overlap(
        sizes, component_sizes, pair_truth, pair_component, voxels, of_truth[:, 1], of_components[:, 1], runs
    )
