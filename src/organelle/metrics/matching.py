"""Which component stands for which truth object: a minimum-cost flow, built exactly as version 2026-06."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from organelle.errors import require_module
from organelle.metrics.overlap import Overlap

Array = np.ndarray[Any, np.dtype[Any]]

UNMATCHED_COST = 1_000_001
"""What it costs to leave a truth object alone: one more than the worst pair, so every overlap may match."""

MOST_PAIRS = 5_000_000
"""A crop with more overlapping pairs is skipped."""

_NONE: Array = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """One-to-one pairs: `component[i]` stands for `truth[i]`; empty unless `status` is `scored`."""

    truth: Array
    component: Array
    status: Literal["scored", "skipped_too_many_instances", "matching_failed"] = "scored"


def flood_limit(largest_truth_id: int) -> float:
    """How many components per truth id a crop may have before it is skipped: 10 + 50 exp(-n / 5)."""
    return 10.0 + 50.0 * math.exp(-largest_truth_id / 5.0)


def crop_is_flooded(n_components: int, largest_truth_id: int) -> bool:
    """Whether the crop has too many components to be matched; never when one side is empty."""
    if n_components == 0 or largest_truth_id == 0:
        return False
    return n_components / largest_truth_id > flood_limit(largest_truth_id)


def most_components(largest_truth_id: int) -> int:
    """The largest number of components with which a crop of these truth ids is not flooded."""
    return int(largest_truth_id * flood_limit(largest_truth_id))


def match_objects(overlap: Overlap) -> Match:
    """Pair truth objects with components, one to one, for the largest sum of IoU.

    Any overlap may match: there is no IoU threshold. Among equal optima OR-Tools' SimpleMinCostFlow decides,
    so the numbering of components and the order of arcs are part of the definition.
    """
    if crop_is_flooded(overlap.n_components, overlap.largest_truth_id) or len(overlap.voxels) > MOST_PAIRS:
        return Match(_NONE, _NONE, status="skipped_too_many_instances")
    if len(overlap.voxels) == 0:
        return Match(_NONE, _NONE)
    chosen = _solve(overlap)
    if chosen is None:
        return Match(_NONE, _NONE, status="matching_failed")
    return Match(overlap.truth[chosen], overlap.component[chosen])


def pair_costs(iou: Array) -> Array:
    """Whole-number cost of every pair: IoU rounded to float32, then a million times what it lacks to 1."""
    return ((1.0 - iou.astype(np.float32).astype(np.float64)) * 1_000_000).astype(np.int64)


def _solve(overlap: Overlap) -> Array | None:
    """Which pairs carry flow (bool), or None when the solver finds no optimum."""
    flow = require_module("ortools.graph.python.min_cost_flow", "score").SimpleMinCostFlow()
    n_truth, n_pairs = overlap.largest_truth_id, len(overlap.voxels)
    tails, heads, costs = _arcs(overlap)
    arcs = flow.add_arcs_with_capacity_and_unit_cost(tails, heads, np.ones_like(tails), costs)
    sink = n_truth + overlap.n_components + 1
    flow.set_nodes_supplies([0, sink], [n_truth, -n_truth])
    if flow.solve() != flow.OPTIMAL:
        return None
    return np.asarray(flow.flows(arcs[2 * n_truth : 2 * n_truth + n_pairs])) > 0


def _arcs(overlap: Overlap) -> tuple[Array, Array, Array]:
    """Tail, head and cost of every arc: source-truth, truth-sink, pairs, component-sink, in this order.

    Nodes: source 0, truth id t = t (absent ids too), component p = n_truth + p, then the sink.
    """
    n_truth, n_components = overlap.largest_truth_id, overlap.n_components
    truth = np.arange(1, n_truth + 1)
    component = n_truth + np.arange(1, n_components + 1)
    sink = n_truth + n_components + 1
    source_truth = np.zeros(n_truth, np.int64), truth, np.zeros(n_truth, np.int64)
    truth_sink = truth, np.full(n_truth, sink), np.full(n_truth, UNMATCHED_COST)
    pairs = overlap.truth, n_truth + overlap.component, pair_costs(overlap.iou)
    component_sink = component, np.full(n_components, sink), np.zeros(n_components, np.int64)
    parts = (source_truth, truth_sink, pairs, component_sink)
    tails, heads, costs = (np.concatenate(column) for column in zip(*parts, strict=True))
    return tails, heads, costs
