"""The baseline that every network should beat: one grey value, and everything darker or brighter than it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.classes import Kind, kind_of
from organelle.geometry import Nm
from organelle.metrics import (
    InstanceCounts,
    connected_components,
    crop_is_flooded,
    pool,
    score_instances,
)
from organelle.progress import track

LEVELS = 16
"""Candidate grey values for objects: evenly spaced quantiles of the EM, for dark and for bright objects."""


@dataclass(frozen=True)
class Layer:
    """One annotated class of a crop: labels (0 also where nothing is known), and where they are known."""

    labels: NDArray[Any]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Example:
    """A training crop: grey values, voxel size, and its annotated classes."""

    em: NDArray[np.uint8]
    voxel_size_nm: Nm
    layers: Mapping[str, Layer]


@dataclass(frozen=True, slots=True)
class GreyThreshold:
    """Everything at most (dark) or at least (bright) as bright as `value`."""

    value: int
    dark: bool
    training_score: float = 0.0

    def __str__(self) -> str:
        return f"{'<=' if self.dark else '>='} {self.value}"

    def mask(self, em: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where the grey value passes."""
        return np.asarray(em <= self.value if self.dark else em >= self.value)


def best_thresholds(examples: Sequence[Example]) -> dict[str, GreyThreshold]:
    """For each annotated class the threshold with the best score of its own kind, pooled over the crops.

    Semantic classes: the IoU of all 2 x 256 thresholds. Instance classes: the combined score of the
    connected components at 2 x `LEVELS` thresholds; a crop that the metric would skip counts as missed.
    """
    names = list(dict.fromkeys(name for example in examples for name in example.layers))
    objects = [name for name in names if kind_of(name) is Kind.INSTANCE]
    best = {name: _best(_by_iou(name, examples)) for name in names if name not in objects}
    return best | _best_by_objects(objects, examples)


def _best(candidates: Iterable[GreyThreshold]) -> GreyThreshold:
    return max(candidates, key=lambda threshold: threshold.training_score)


def _by_iou(name: str, examples: Sequence[Example]) -> Iterator[GreyThreshold]:
    """IoU = present inside / (inside or present), from two histograms."""
    present, known = (np.zeros(256, np.int64) for _ in range(2))
    for example, layer in _showing(name, examples):
        known += np.bincount(example.em[layer.known], minlength=256)
        present += np.bincount(example.em[layer.labels > 0], minlength=256)
    for dark in (True, False):
        ways = slice(None) if dark else slice(None, None, -1)
        hit, inside = present[ways].cumsum(), known[ways].cumsum()
        iou = (hit / np.maximum(1, inside + present.sum() - hit))[ways]
        yield from (GreyThreshold(value, dark, float(iou[value])) for value in range(256))


def _best_by_objects(names: Sequence[str], examples: Sequence[Example]) -> dict[str, GreyThreshold]:
    """Bound the score of every candidate from counts alone, then measure the most promising ones.

    The components of a candidate are the same for every class, so they are found once for all of them.
    """
    if not names:
        return {}
    bounds: dict[str, list[GreyThreshold]] = {name: [] for name in names}
    for candidate in track(list(_candidates(examples)), "grey thresholds for objects"):
        counts = [_count(candidate, example, names) for example in examples]
        for name in names:
            found = [count[name] for count in counts if name in count]
            bounds[name].append(replace(candidate, training_score=_bound(found)))
    return {name: _measure(name, bounds[name], examples) for name in names}


def _candidates(examples: Sequence[Example]) -> Iterator[GreyThreshold]:
    greys = np.concatenate([example.em.ravel() for example in examples])
    values = np.unique(np.quantile(greys, np.linspace(0, 1, LEVELS + 2)[1:-1], method="nearest"))
    for dark in (True, False):
        yield from (GreyThreshold(int(value), dark) for value in values)


@dataclass(frozen=True, slots=True)
class _Count:
    """Objects of a class in a crop: found, annotated, and at most how many of them can be matched."""

    found: int
    annotated: int
    matched: int


def _count(threshold: GreyThreshold, example: Example, names: Sequence[str]) -> dict[str, _Count]:
    components, _ = connected_components(threshold.mask(example.em))
    counts = {}
    for name in names:
        if name in example.layers:
            layer = example.layers[name]
            found, annotated = _different(components[layer.known]), _different(layer.labels)
            touched = _different(layer.labels[components > 0])
            flooded = crop_is_flooded(found, int(layer.labels.max(initial=0)))
            counts[name] = (
                _Count(0, annotated, 0) if flooded else _Count(found, annotated, min(found, touched))
            )
    return counts


def _different(labels: NDArray[Any]) -> int:
    """How many different values other than 0 there are."""
    return int(np.count_nonzero(np.bincount(labels.ravel())[1:]))


def _bound(counts: Sequence[_Count]) -> float:
    """The score if everything that can be matched were, and every outline were perfect."""
    objects = sum(count.found + count.annotated for count in counts)
    matched = sum(count.matched for count in counts)
    return math.sqrt(2 * matched / objects) if objects else 1.0


def _measure(name: str, bounds: Sequence[GreyThreshold], examples: Sequence[Example]) -> GreyThreshold:
    """The best candidate by its real score; those whose bound is below a measured score need no measure."""
    best = replace(bounds[0], training_score=-1.0)
    for candidate in sorted(bounds, key=lambda threshold: -threshold.training_score):
        if candidate.training_score <= best.training_score:
            break
        rows = [(name, _objects(candidate, example, name)) for example, _ in _showing(name, examples)]
        best = _best([best, replace(candidate, training_score=pool(rows).classes[name].score)])
    return best


def _objects(threshold: GreyThreshold, example: Example, name: str) -> InstanceCounts:
    """The counts of one crop; where the metric skips it, every annotated object is missed."""
    layer = example.layers[name]
    components, _ = connected_components(threshold.mask(example.em))
    counts = score_instances(np.where(layer.known, components, 0), layer.labels, example.voxel_size_nm)
    if counts.status == "scored":
        return counts
    return replace(counts, fn=counts.n_truth, n_hausdorff=counts.n_truth)


def _showing(name: str, examples: Sequence[Example]) -> list[tuple[Example, Layer]]:
    return [(example, example.layers[name]) for example in examples if name in example.layers]
