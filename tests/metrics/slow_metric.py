"""The metric written a second time, straight from its definition: slow, plain, whole volumes."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow
from scipy.ndimage import label
from scipy.spatial.distance import cdist

Array = np.ndarray[Any, np.dtype[Any]]


def slow_components(labels: Array) -> Array:
    """26-connected pieces of every value, numbered by their first voxel in z, y, x order."""
    pieces = []
    for value in np.unique(labels[labels != 0]):
        where = np.isnan(labels) if value != value else labels == value
        numbered, n = label(where, structure=np.ones((3, 3, 3)) if value == value else np.zeros((3, 3, 3)))
        pieces += [np.flatnonzero(numbered == i) for i in range(1, n + 1)]
    components = np.zeros(labels.size, np.int64)
    for number, voxels in zip(count(1), sorted(pieces, key=lambda piece: int(piece[0])), strict=False):
        components[voxels] = number
    return components.reshape(labels.shape)


def slow_match(truth: Array, components: Array) -> tuple[dict[int, int], str]:
    """Component -> truth id, and the status."""
    n_truth, n_components = int(truth.max(initial=0)), int(components.max(initial=0))
    if n_truth == 0 or n_components == 0:
        return {}, "scored"
    if n_components / n_truth > 10 + 50 * math.exp(-n_truth / 5):
        return {}, "skipped_too_many_instances"
    flow = SimpleMinCostFlow()
    sink = n_truth + n_components + 1
    for t in range(1, n_truth + 1):
        flow.add_arc_with_capacity_and_unit_cost(0, t, 1, 0)
    for t in range(1, n_truth + 1):
        flow.add_arc_with_capacity_and_unit_cost(t, sink, 1, 1_000_001)
    pairs = {}
    for t in np.unique(truth[truth > 0]):
        for p in np.unique(components[(truth == t) & (components > 0)]):
            shared = np.count_nonzero((truth == t) & (components == p))
            iou = np.float32(shared / np.count_nonzero((truth == t) | (components == p)))
            cost = int((1.0 - float(iou)) * 1_000_000)
            pairs[flow.add_arc_with_capacity_and_unit_cost(int(t), n_truth + int(p), 1, cost)] = (
                int(p),
                int(t),
            )
    for p in range(1, n_components + 1):
        flow.add_arc_with_capacity_and_unit_cost(n_truth + p, sink, 1, 0)
    flow.set_node_supply(0, n_truth)
    flow.set_node_supply(sink, -n_truth)
    assert flow.solve() == flow.OPTIMAL
    return dict(pair for arc, pair in pairs.items() if flow.flow(arc)), "scored"


def slow_hausdorff(first: Array, second: Array, voxel_size: tuple[float, ...], cap: float) -> float:
    """Every voxel of one set against every voxel of the other."""
    if not first.any() or not second.any():
        return cap
    apart = cdist(np.argwhere(first) * voxel_size, np.argwhere(second) * voxel_size)
    return min(cap, max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def slow_score(prediction: Array, truth: Array, voxel_size: tuple[float, ...]) -> dict[str, Any]:
    """Version 2026-06: tp, fp, fn, hausdorff_norm_sum, n_hausdorff and status of one crop."""
    components = slow_components(prediction)
    partner, status = slow_match(truth, components)
    if status != "scored":
        return {"tp": 0, "fp": 0, "fn": 0, "hausdorff_norm_sum": 0.0, "n_hausdorff": 0, "status": status}
    matched = components.copy()
    for p, t in partner.items():
        matched[components == p] = t
    cap = min(n * v for n, v in zip(truth.shape, voxel_size, strict=True)) / 2
    ids = [int(t) for t in np.unique(truth) if t != 0]
    distances = [slow_hausdorff(truth == t, matched == t, voxel_size, cap) for t in ids]
    alone = int(components.max(initial=0)) - len(partner)
    distances += [cap] * alone
    terms = [1.01 ** (-float(np.float32(d)) / math.dist(voxel_size, (0, 0, 0))) for d in distances]
    return {
        "tp": len(partner),
        "fp": alone,
        "fn": len(ids) - len(partner),
        "hausdorff_norm_sum": math.fsum(terms),
        "n_hausdorff": len(terms),
        "status": "scored",
    }


def slow_score_2026_07(prediction: Array, truth: Array, voxel_size: tuple[float, ...]) -> dict[str, Any]:
    """Version 2026-07: leftovers are background, lonely objects are worth 0, terms are rescaled."""
    components = slow_components(prediction)
    partner, status = slow_match(truth, components)
    if status != "scored":
        return {"tp": 0, "fp": 0, "fn": 0, "hausdorff_norm_sum": 0.0, "n_hausdorff": 0, "status": status}
    cap = min(n * v for n, v in zip(truth.shape, voxel_size, strict=True)) / 2
    norm = math.dist(voxel_size, (0, 0, 0))
    worst = 1.01 ** (-float(np.float32(cap)) / norm)
    terms = []
    for p, t in partner.items():
        distance = np.float32(slow_hausdorff(truth == t, components == p, voxel_size, cap))
        terms.append(0.1 + 0.9 * (1.01 ** (-float(distance) / norm) - worst) / (1 - worst))
    n_truth, alone = len(np.unique(truth[truth != 0])), int(components.max(initial=0)) - len(partner)
    return {
        "tp": len(partner),
        "fp": alone,
        "fn": n_truth - len(partner),
        "hausdorff_norm_sum": math.fsum(terms),
        "n_hausdorff": n_truth + alone,
        "status": "scored",
    }


def slow_pq(prediction: Array, truth: Array) -> dict[str, Any]:
    """Panoptic quality: every pair with an IoU above one half is a match."""
    components = slow_components(prediction)
    matches = []
    for t in np.unique(truth[truth > 0]):
        for p in np.unique(components[(truth == t) & (components > 0)]):
            shared = np.count_nonzero((truth == t) & (components == p))
            iou = shared / np.count_nonzero((truth == t) | (components == p))
            matches += [iou] if iou > 0.5 else []
    n_truth, n_components = len(np.unique(truth[truth != 0])), int(components.max(initial=0))
    return {
        "tp": len(matches),
        "fp": n_components - len(matches),
        "fn": n_truth - len(matches),
        "iou_sum": math.fsum(matches),
    }
