"""The baseline that every network should beat: one grey value, and everything darker or brighter than it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.classes import Kind
from organelle.errors import EMMissing
from organelle.geometry import Nm
from organelle.metrics import (
    InstanceCounts,
    connected_components,
    crop_is_flooded,
    pool,
    score_instances,
)

LEVELS = 24
"""Candidate grey values for objects: evenly spaced quantiles of the EM, for dark and for bright objects."""


@dataclass(frozen=True)
class Example:
    """A training crop of one class: grey values, labels (0 absent), where they are known, voxel size."""

    em: NDArray[np.uint8]
    labels: NDArray[Any]
    known: NDArray[np.bool_]
    voxel_size_nm: Nm


@dataclass(frozen=True, slots=True)
class GreyThreshold:
    """Everything at most (dark) or at least (bright) as bright as `value`."""

    value: int
    dark: bool
    training_score: float

    def __str__(self) -> str:
        return f"{'<=' if self.dark else '>='} {self.value}"

    def mask(self, em: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where the grey value passes."""
        return np.asarray(em <= self.value if self.dark else em >= self.value)


def best_threshold(kind: Kind, examples: Sequence[Example]) -> GreyThreshold:
    """The threshold with the best score of the class's own kind, pooled over the training crops.

    Semantic classes: the IoU of all 2 x 256 thresholds. Instance classes: the combined score of the
    connected components, at 2 x `LEVELS` thresholds; a crop that the metric would skip counts as missed.

    Raises:
        EMMissing: there is no example.
    """
    if not examples:
        raise EMMissing("no training crop shows this class, so no grey threshold can be chosen for it")
    candidates = _by_iou(examples) if kind is Kind.SEMANTIC else _by_objects(examples)
    return max(candidates, key=lambda threshold: threshold.training_score)


def _by_iou(examples: Sequence[Example]) -> Iterable[GreyThreshold]:
    """IoU = present inside / (inside or present), from two histograms."""
    present, known = (np.zeros(256, np.int64) for _ in range(2))
    for example in examples:
        known += np.bincount(example.em[example.known], minlength=256)
        present += np.bincount(example.em[example.known & (example.labels > 0)], minlength=256)
    for dark in (True, False):
        ways = slice(None) if dark else slice(None, None, -1)
        hit, inside = present[ways].cumsum(), known[ways].cumsum()
        iou = (hit / np.maximum(1, inside + present.sum() - hit))[ways]
        yield from (GreyThreshold(value, dark, float(iou[value])) for value in range(256))


def _by_objects(examples: Sequence[Example]) -> Iterable[GreyThreshold]:
    greys = np.concatenate([example.em[example.known] for example in examples])
    values = np.unique(np.quantile(greys, np.linspace(0, 1, LEVELS + 2)[1:-1], method="nearest"))
    for dark in (True, False):
        for value in values.tolist():
            threshold = GreyThreshold(value, dark, 0.0)
            rows = [("objects", _objects(threshold, example)) for example in examples]
            yield GreyThreshold(value, dark, pool(rows).classes["objects"].score)


def _objects(threshold: GreyThreshold, example: Example) -> InstanceCounts:
    """The counts of one crop; flooded crops are recognised before anything is measured."""
    truth = np.where(example.known, example.labels, 0)
    found, count = connected_components(threshold.mask(example.em) & example.known)
    n_truth = int(truth.max(initial=0))
    if crop_is_flooded(count, n_truth):
        missed = len(np.unique(truth[truth > 0]))
        return InstanceCounts(0, 0, missed, 0.0, missed)
    return score_instances(found, truth, example.voxel_size_nm)
