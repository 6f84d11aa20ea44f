from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from organelle.metrics import (
    crop_is_flooded,
    flood_limit,
    match_objects,
    matching,
    most_components,
    overlap_table,
)
from organelle.metrics.matching import UNMATCHED_COST, pair_costs

small = arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 6))


@given(truth=small, components=small)
def test_the_overlap_table_counts_voxels(truth, components):
    table = overlap_table(truth, components, 6)
    pairs = {
        (int(t), int(p)): int(n) for t, p, n in zip(table.truth, table.component, table.voxels, strict=True)
    }
    assert list(pairs) == sorted(pairs)
    for t in range(1, 7):
        for p in range(1, 7):
            assert pairs.get((t, p), 0) == np.count_nonzero((truth == t) & (components == p))
    assert table.largest_truth_id == truth.max()
    for volume, sizes in ((truth, table.truth_sizes), (components, table.component_sizes)):
        assert [np.count_nonzero(volume == label) for label in range(1, len(sizes))] == sizes[1:].tolist()
    assert set(table.truth_ids) == set(truth[truth > 0])


@given(truth=small, components=small)
def test_the_matching_is_one_to_one_and_of_least_cost(truth, components):
    table = overlap_table(truth, components, 6)
    match = match_objects(table)
    if match.status != "scored":
        return
    assert len(set(match.truth)) == len(set(match.component)) == len(match.truth)
    n = table.largest_truth_id
    costs = np.full((n, 6 + n), UNMATCHED_COST)
    costs[table.truth - 1, table.component - 1] = pair_costs(table.iou)
    chosen = {(int(t), int(p)) for t, p in zip(match.truth, match.component, strict=True)}
    paid = sum(costs[t - 1, p - 1] for t, p in chosen) + (n - len(chosen)) * UNMATCHED_COST
    assert paid == costs[linear_sum_assignment(costs)].sum()


def test_a_crop_is_flooded_beyond_the_limit_only():
    assert flood_limit(1) == pytest.approx(50.9365, abs=1e-4)
    assert not crop_is_flooded(50, 1)
    assert crop_is_flooded(51, 1)
    assert all(
        crop_is_flooded(most_components(n) + 1, n) and not crop_is_flooded(most_components(n), n)
        for n in range(1, 200)
    )
    assert not crop_is_flooded(10**6, 0)
    assert not crop_is_flooded(0, 5)


def test_too_many_pairs_are_skipped_and_a_solver_without_answer_is_said(monkeypatch):
    labels = np.arange(8).reshape(2, 2, 2)
    table = overlap_table(labels, labels, 7)
    monkeypatch.setattr(matching, "_solve", lambda overlap: None)
    assert match_objects(table).status == "matching_failed"
    monkeypatch.setattr(matching, "MOST_PAIRS", 6)
    assert match_objects(table).status == "skipped_too_many_instances"


def test_costs_are_rounded_through_float32():
    assert pair_costs(np.array([1.0, 1 / 3, 0.1])).tolist() == [0, 666666, 899999]
