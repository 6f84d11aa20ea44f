from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from drawn_crops import KINDS, draw
from slow_metric import slow_pq, slow_score, slow_score_2026_07

from organelle.errors import ScoringError
from organelle.metrics import (
    METRIC_VERSIONS,
    compare_instances,
    missing_instances,
    pool,
    require_version,
    score_instances,
    truth_ids,
)

ISOTROPIC = (8.0, 8.0, 8.0)


def agree(kind, seed):
    """All versions of the metric from one comparison against their definitions."""
    prediction, truth, voxel_size = draw(kind, seed)
    found = compare_instances(prediction, truth, voxel_size)
    slow = {
        "2026-06": slow_score(prediction, truth, voxel_size),
        "2026-07": slow_score_2026_07(prediction, truth, voxel_size),
        "pq": slow_pq(prediction, truth),
    }
    assert tuple(found) == tuple(slow) == METRIC_VERSIONS
    for version, wanted in slow.items():
        fast = asdict(found[version])
        sums = {
            k: pytest.approx(wanted[k], abs=1e-9) for k in ("hausdorff_norm_sum", "iou_sum") if k in wanted
        }
        assert {k: fast[k] for k in wanted} == wanted | sums, version
    return slow["2026-06"]["status"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_scorer_equals_the_definition(kind):
    for seed in range(25):
        agree(kind, seed)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_scorer_equals_the_definition_on_thousands(kind):
    for seed in range(25, 350):
        agree(kind, seed)


def test_the_drawn_crops_reach_both_answers():
    statuses = {agree(kind, seed) for kind in KINDS for seed in range(4)}
    assert statuses == {"scored", "skipped_too_many_instances"}


def one_object(shape=(20, 20, 20), at=5, size=6):
    crop = np.zeros(shape, np.uint8)
    crop[(slice(at, at + size),) * 3] = 1
    return crop


def test_any_overlap_is_a_match():
    truth = one_object()
    speck = np.zeros_like(truth)
    speck[7, 7, 7] = 9
    counts = score_instances(speck, truth, ISOTROPIC)
    assert (counts.tp, counts.fp, counts.fn) == (1, 0, 0)


def test_an_object_that_is_nowhere_and_one_from_nowhere_have_the_same_term():
    truth = one_object()
    missed = score_instances(np.zeros_like(truth), truth, ISOTROPIC)
    invented = score_instances(truth, np.zeros_like(truth), ISOTROPIC)
    assert (missed.fn, missed.n_hausdorff) == (invented.fp, invented.n_hausdorff) == (1, 1)
    half_the_crop = 80.0
    term = 1.01 ** (-half_the_crop / np.linalg.norm(ISOTROPIC))
    assert missed.hausdorff_norm_sum == invented.hausdorff_norm_sum == pytest.approx(term)


def test_specks_flood_a_crop_and_the_counts_say_how_many():
    truth = one_object()
    specks = np.zeros_like(truth)
    specks[::2, ::2, ::2] = 1
    counts = score_instances(specks, truth, ISOTROPIC)
    assert counts.status == "skipped_too_many_instances"
    assert (counts.tp, counts.fp, counts.fn, counts.n_hausdorff) == (0, 0, 0, 0)
    assert (counts.n_components, counts.n_truth, counts.most_components) == (1000, 1, 50)


def test_negative_and_nan_background_become_objects():
    truth = one_object()
    negative = np.where(truth > 0, 1, -1).astype(np.int16)
    assert score_instances(negative, truth, ISOTROPIC).fp == 1
    nan = truth.astype(np.float32)
    nan[0, 0, :3] = np.nan
    assert score_instances(nan, truth, ISOTROPIC).fp == 3


def test_truth_against_itself_pays_for_an_object_in_two_pieces():
    truth = one_object()
    truth[0, 0, 0] = 1
    assert score_instances(truth, truth, ISOTROPIC).fp == 1


def test_a_missing_class_misses_every_object_and_an_empty_array_is_better():
    truth = one_object()
    truth[15:, 15:, 15:] = 7
    missing = missing_instances(truth)
    assert (missing.fn, missing.n_hausdorff, missing.hausdorff_norm_sum, missing.status) == (
        2,
        2,
        0,
        "missing",
    )
    zeros = score_instances(np.zeros_like(truth), truth, ISOTROPIC)
    assert zeros.hausdorff_norm_sum > missing.hausdorff_norm_sum
    assert zeros.fn == missing.fn


def test_empty_volumes_have_nothing_to_score():
    nothing = np.zeros((0, 4, 4), np.uint8)
    assert score_instances(nothing, nothing, ISOTROPIC).n_hausdorff == 0
    assert missing_instances(nothing).fn == 0


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (np.ones((4, 4, 4), np.float32), "float32"),
        (np.full((4, 4, 4), -3, np.int16), "negative id -3"),
        (np.full((4, 4, 4), 64, np.uint16), "reaches the number of voxels, 64"),
    ],
)
def test_truth_that_is_not_made_of_ids_is_explained(truth, words):
    with pytest.raises(ScoringError, match=words):
        score_instances(np.zeros(truth.shape, np.uint8), truth, ISOTROPIC)
    with pytest.raises(ScoringError, match=words):
        missing_instances(truth)


def test_shapes_and_versions_must_be_known():
    with pytest.raises(ScoringError, match="differ in shape"):
        score_instances(np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 3), np.uint8), ISOTROPIC)
    with pytest.raises(ScoringError, match="nearest: 2026-06"):
        require_version("2026-6")


def test_versions_answer_the_same_only_where_they_agree():
    truth = one_object()
    truth[15:, 15:, 15:] = 2
    prediction = np.where(truth == 1, 1, 0).astype(np.uint8)
    prediction[0, 0, 19] = 5
    found = compare_instances(prediction, truth, ISOTROPIC)
    assert {(c.tp, c.fp, c.fn) for c in found.values()} == {(1, 1, 1)}
    assert found["2026-07"].hausdorff_norm_sum == 1
    assert found["2026-06"].hausdorff_norm_sum > 2
    assert found["pq"].iou_sum == 1
    scores = {version: pool([("ves", counts)]).classes["ves"].score for version, counts in found.items()}
    assert scores["pq"] == 0.5
    assert scores["2026-07"] == pytest.approx((0.5 * 1 / 3) ** 0.5)


def test_the_worst_match_is_a_tenth_in_every_crop():
    for shape in ((20, 20, 20), (40, 30, 30)):
        truth = one_object(shape, at=0, size=1)
        truth[-1, -1, -1] = 1
        prediction = one_object(shape, at=0, size=1)
        assert compare_instances(prediction, truth, ISOTROPIC)["2026-07"].hausdorff_norm_sum == pytest.approx(
            0.1
        )


def test_a_flooded_crop_counts_in_pq():
    truth = one_object()
    specks = np.zeros_like(truth)
    specks[::2, ::2, ::2] = 1
    found = compare_instances(specks, truth, ISOTROPIC)
    assert found["2026-06"].status == found["2026-07"].status == "skipped_too_many_instances"
    assert (found["pq"].tp, found["pq"].fp, found["pq"].fn) == (0, 1000, 1)


def test_panoptic_quality_has_no_hausdorff_terms():
    with pytest.raises(ScoringError, match="compare_instances"):
        score_instances(one_object(), one_object(), ISOTROPIC, version="pq")
    assert missing_instances(one_object(), version="pq").fn == 1
    nothing = np.zeros((4, 4, 4), np.uint8)
    assert pool([("ves", compare_instances(nothing, nothing, ISOTROPIC)["pq"])]).classes["ves"].score == 1


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, ">i8"])
@pytest.mark.parametrize("shape", [(0, 4, 4), (1, 1, 1), (60, 40, 40)])
def test_ids_of_64_bits_are_told_in_32(dtype, shape):
    truth = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    found = truth_ids(truth)
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.uint32, shape, True)
    assert np.array_equal(found, truth)


def test_large_ids_other_memory_orders_and_read_only_arrays_change_nothing():
    truth = np.zeros((44, 44, 44), np.uint32)
    truth[2:9, 2:9, 2:9], truth[20:40, 20:40, 20:40] = 70_000, 65_536
    prediction = np.roll(truth, 3, 0)
    wanted = compare_instances(prediction, truth, ISOTROPIC)
    assert wanted["2026-06"].tp == 2
    other = compare_instances(
        np.asfortranarray(prediction), np.asfortranarray(truth).astype(">i8"), ISOTROPIC
    )
    for array in (truth, prediction):
        array.setflags(write=False)
    assert compare_instances(prediction, truth, ISOTROPIC) == other == wanted


def test_a_leftover_piece_far_away_disturbs_the_older_version_alone():
    truth = np.zeros((60, 60, 60), np.uint8)
    truth[10:30, 10:30, 10:30], truth[40:50, 40:50, 40:50] = 2, 1
    prediction = np.zeros_like(truth)
    prediction[2:5, 2:5, 2:5] = 1  # component 1: alone, and so counted as part of truth object 1
    prediction[10:30, 10:30, 12:30], prediction[40:50, 40:50, 38:50] = 2, 3
    found = compare_instances(prediction, truth, ISOTROPIC)
    for version, slow in (("2026-06", slow_score), ("2026-07", slow_score_2026_07)):
        wanted = slow(prediction[::2, ::2, ::2], truth[::2, ::2, ::2], (16.0, 16.0, 16.0))
        assert (found[version].tp, found[version].fp) == (wanted["tp"], wanted["fp"]) == (2, 1)
    apart_nm = np.array([2, 2]) * 8.0
    clean = 1.01 ** (-apart_nm / np.linalg.norm(ISOTROPIC))
    worst = 1.01 ** (-240.0 / np.linalg.norm(ISOTROPIC))
    assert found["2026-07"].hausdorff_norm_sum == pytest.approx(
        (0.1 + 0.9 * (clean - worst) / (1 - worst)).sum()
    )
    assert found["2026-06"].hausdorff_norm_sum == pytest.approx(clean[0] + 2 * worst)
