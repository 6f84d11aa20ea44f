"""How many voxels every truth object shares with every component, from one pass over the volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Sizes of all objects and of all pairs that share at least one voxel; 0 is background everywhere.

    `truth_sizes[id]` and `component_sizes[number]` count voxels (0 for an absent id). The pairs are sorted
    by truth id, then by component; `voxels` are their common voxels.
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
    """Count `truth` ids against `components`, both z, y, x and not negative.

    Works on runs of equal voxels, so that time is linear in the voxels and memory in the runs.
    """
    of_truth, of_component, length = _runs(truth.ravel(), components.ravel())
    largest = int(of_truth.max(initial=0))
    both = (of_truth > 0) & (of_component > 0)
    key = of_truth[both] * (n_components + 1) + of_component[both]
    pairs, place = np.unique(key, return_inverse=True)
    return Overlap(
        truth_sizes=_sum(of_truth, length, largest + 1),
        component_sizes=_sum(of_component, length, n_components + 1),
        truth=pairs // (n_components + 1),
        component=pairs % (n_components + 1),
        voxels=_sum(place, length[both], len(pairs)),
    )


def _runs(truth: Array, components: Array) -> tuple[Array, Array, Array]:
    """Truth id, component and length of every stretch in which neither changes, as int64."""
    if truth.size == 0:
        return (np.zeros(0, np.int64),) * 3
    change = truth[1:] != truth[:-1]
    change |= components[1:] != components[:-1]
    start = np.concatenate([[0], np.flatnonzero(change) + 1])
    length = np.diff(start, append=truth.size)
    return truth[start].astype(np.int64), components[start].astype(np.int64), length


def _sum(of: Array, weights: Array, n: int) -> Array:
    """Sums of whole-number `weights` per entry of `of`; exact below 2^53 voxels."""
    return np.bincount(of, weights=weights, minlength=n).astype(np.int64)
