from __future__ import annotations

import math

import numpy as np
import pytest

from organelle.errors import ScoringError
from organelle.metrics import (
    InstanceCounts,
    SemanticCounts,
    hausdorff_term,
    missing_semantic,
    pool,
    score_semantic,
)


def test_voxels_above_zero_are_compared():
    prediction = np.array([[[0.2, np.nan, -1.0, 3.0]]])
    truth = np.array([[[1, 1, 0, 0]]], np.uint8)
    assert score_semantic(prediction, truth) == SemanticCounts(tp=1, fp=1, fn=1)


def test_a_missing_semantic_class_misses_the_whole_crop():
    assert missing_semantic(1000) == SemanticCounts(0, 0, 1000, "missing")


def test_counts_are_summed_over_crops_before_ratios_are_made():
    scores = pool(
        [
            ("er", SemanticCounts(10, 5, 5)),
            ("mito", InstanceCounts(2, 0, 1, 2.5, 3)),
            ("er", SemanticCounts(0, 0, 20)),
            ("mito", InstanceCounts(1, 1, 0, 0.5, 2)),
        ]
    )
    er, mito = scores.classes["er"], scores.classes["mito"]
    assert er.score == er.iou == 10 / 40
    assert mito.f1 == 6 / 8
    assert mito.hausdorff == 3 / 5
    assert scores.overall_instance == mito.score == math.sqrt(6 / 8 * 3 / 5)
    assert scores.overall == math.sqrt(scores.overall_instance * 0.25)


def test_nothing_anywhere_is_perfect_and_half_of_nothing_is_worthless():
    scores = pool(
        [
            ("er", SemanticCounts(0, 0, 0)),
            ("mito", InstanceCounts(0, 0, 0, 0.0, 0, "skipped_too_many_instances")),
            ("ves", InstanceCounts(0, 0, 2, 0.0, 0)),
        ]
    )
    assert [scores.classes[c].score for c in ("er", "mito", "ves")] == [1, 1, 0]


def test_without_classes_every_mean_is_zero():
    scores = pool([])
    assert (scores.overall_instance, scores.overall_semantic, scores.overall) == (0, 0, 0)


def test_one_class_is_counted_in_one_way():
    with pytest.raises(ScoringError, match="er was scored in one way"):
        pool([("er", SemanticCounts(1, 0, 0)), ("er", InstanceCounts(1, 0, 0, 1.0, 1))])


def test_terms_fall_from_one_with_the_distance_in_voxel_diagonals():
    diagonal = math.sqrt(3) * 8
    terms = hausdorff_term(np.array([0.0, diagonal, 100 * diagonal]), (8.0, 8.0, 8.0))
    assert terms == pytest.approx([1, 1 / 1.01, 1.01**-100], rel=1e-6)
