"""Two ways to label a volume, and how much of each object lies on one side only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from organelle.metrics.overlap import Overlap

Array = np.ndarray[Any, np.dtype[Any]]

OUT_OF_TRUTH, WITHIN, OUT_OF_OWN, OUT_OF_LEFTOVER = range(4)
"""The lists of an object: runs of truth where the prediction has something else; of its leftover inside of
truth; of its own component outside of truth; of its leftover outside of truth."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Two ways to label a volume, and which labels are the same object.

    Attributes:
        truth: ids, z, y, x, C-contiguous, of an unsigned type.
        components: numbers, the same shape.
        overlap: the table of both.
        own: [id] the component that stands for the object; 0 for none.
        leftover: [id] another component that counts as part of it in version `2026-06`; 0 for none.
    """

    truth: Array
    components: Array
    overlap: Overlap
    own: Array
    leftover: Array

    @cached_property
    def ids(self) -> Array:
        """The objects that have a voxel on both sides, ascending."""
        return np.flatnonzero((self.own + self.leftover > 0) & (self.overlap.truth_sizes > 0))

    @cached_property
    def first(self) -> Array:
        """[object] its own component, or the leftover alone."""
        return np.where(self.own > 0, self.own, self.leftover)[self.ids]

    @cached_property
    def second(self) -> Array:
        """[object] its leftover beside its own component; the same as `first` without."""
        return np.where(self.leftover > 0, self.leftover, self.own)[self.ids]

    @cached_property
    def disturbed(self) -> Array:
        """[object] whether a leftover counts as part of it beside its own component."""
        return np.asarray(self.first != self.second)

    @cached_property
    def new(self) -> Array:
        """[component] the id that it stands for; 0 for none."""
        new = np.zeros(self.overlap.n_components + 1, np.int64)
        new[self.first], new[self.second] = self.ids, self.ids
        return new

    @property
    def index(self) -> np.dtype[Any]:
        """The type of indices of flat voxels."""
        return np.dtype(np.uint32 if self.truth.size < 1 << 32 else np.int64)

    @property
    def width(self) -> int:
        """Voxels per row."""
        return max(1, int(self.truth.shape[-1]))

    def capacity(self) -> Array:
        """[object, list] how many runs each list may hold."""
        table, many = self.overlap, self.truth.size // self.width * ((self.width + 1) // 2)
        found = np.zeros((2, table.n_components + 1), np.int64)
        common = np.zeros((2, table.largest_truth_id + 1), np.int64)
        same = self.new[table.component] == table.truth
        for row, shared in enumerate((table.voxels, table.runs)):
            np.add.at(found[row], table.component[same], shared[same])
            np.add.at(common[row], table.truth[same], shared[same])
        truth = np.stack([table.truth_sizes, table.truth_runs]) - common
        outside = np.stack([table.component_sizes, table.component_runs]) - found
        lists = [a.min(axis=0) for a in (truth, found, outside)]
        columns = (
            lists[0][self.ids],
            lists[1][self.second] * self.disturbed,
            lists[2][self.first],
            lists[2][self.second] * self.disturbed,
        )
        return np.stack(columns, axis=1).clip(max=many)
