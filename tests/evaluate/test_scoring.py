from __future__ import annotations

import shutil

import numpy as np
import pytest
from small_challenge import GRIDS, Challenge, cubes

from organelle.catalog import Catalog
from organelle.classes import Kind
from organelle.errors import FileMissing, ScoringError, SubmissionError
from organelle.evaluate import evaluate, open_truth, plan_evaluation, score_rows
from organelle.submission import open_submission
from organelle.volumes import write_multiscale

SHAPE = GRIDS[11].shape


def test_a_perfect_submission_scores_one(challenge):
    result = challenge.evaluate()
    assert [(row.place, row.status) for row in result.rows] == [
        ("crop11/er", "scored"), ("crop11/mito", "scored"), ("crop12/mito", "scored"),
    ]  # fmt: skip
    assert result.scores.overall == 1
    assert (result.total_evals, result.num_evals_done) == (3, 3)


def test_what_is_not_handed_in_is_missed_completely(challenge):
    shutil.rmtree(challenge.submission / "crop11")
    er, mito, other = challenge.evaluate().rows
    assert (er.status, er.is_missing, er.counts.fn) == ("missing", True, np.prod(SHAPE))
    assert mito.counts.fn == mito.counts.n_hausdorff == cubes(SHAPE).max()
    assert other.status == "scored"


def test_a_mask_silences_both_sides_but_not_a_missing_class(challenge):
    everywhere = np.ones(SHAPE, np.uint8)
    left = everywhere.copy()
    left[:, :, 14:] = 0
    truth, prediction = cubes(SHAPE) > 0, cubes(SHAPE) > 0
    prediction[:, :, 14:] = True
    shutil.rmtree(challenge.submission / "crop11" / "er")
    challenge.hand_in(11, "er", prediction)
    challenge.add_truth(11, "er_mask", left)
    challenge.add_truth(11, "mito_mask", left.astype(bool))
    shutil.rmtree(challenge.submission / "crop11" / "mito")
    er, mito, _ = challenge.evaluate().rows
    assert (er.counts.tp, er.counts.fp, er.counts.fn) == (np.count_nonzero(truth[:, :, :14]), 0, 0)
    assert mito.counts.fn == cubes(SHAPE).max()


def test_the_grid_comes_from_the_table_and_truth_needs_no_attributes(challenge):
    (challenge.truth / "crop11" / "mito" / ".zattrs").unlink()
    assert challenge.row("crop11/mito").counts.fn == 0
    shutil.rmtree(challenge.submission / "crop11" / "mito")
    assert challenge.row("crop11/mito").voxel_size_nm == GRIDS[11].voxel_size_nm


def test_plain_numbers_are_tried_when_no_crop_folder_matches(challenge):
    for crop in (11, 12):
        (challenge.submission / f"crop{crop}").rename(challenge.submission / str(crop))
    assert challenge.evaluate().scores.overall == 1


def test_a_caller_decides_what_counts_as_objects(challenge):
    row = challenge.row("crop11/mito", instance_classes=["er"])
    assert row.kind is Kind.SEMANTIC
    assert row.counts.tp == np.count_nonzero(cubes(SHAPE))


def test_classes_that_do_not_exist_cannot_be_objects(challenge):
    with pytest.raises(ScoringError, match=r"'mitos' cannot be scored as objects.*nearest: mito"):
        challenge.evaluate(instance_classes=["mitos"])


def test_rows_are_scored_one_by_one_on_demand(challenge):
    truth = open_truth(challenge.truth)
    plan = plan_evaluation(truth, challenge.catalog)
    with open_submission(challenge.submission) as handed_in:
        rows = score_rows(plan, truth, handed_in)
        shutil.rmtree(challenge.submission / "crop12")
        assert [row.status for row in rows] == ["scored", "scored", "missing"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.float32, "the truth is float32"),
        (np.int16, "negative id"),
        (np.uint32, "reaches the number of voxels"),
    ],
)
def test_truth_that_cannot_be_scored_is_an_error_of_its_row_only(challenge, values, words):
    labels = cubes(SHAPE).astype(values)
    if values is not np.float32:
        labels[0, 0, 0] = -1 if values is np.int16 else labels.size
    shutil.rmtree(challenge.truth / "crop11" / "mito")
    challenge.add_truth(11, "mito", labels)
    result = challenge.evaluate()
    row = result.rows[1]
    assert (row.status, row.counts) == ("truth_error", None)
    assert words in row.remarks[0]
    assert (result.num_evals_done, result.total_evals) == (2, 3)
    assert result.scores.overall == 1


@pytest.mark.parametrize(
    ("crop", "name", "words"),
    [
        (11, "mitos", "no class 'mitos' in crop 11; nearest: mito"),
        (13, "mito", "crop 13 is not in the table of test crops of small; nearest: 12, 11"),
    ],
)
def test_truth_that_the_table_does_not_know_is_an_error_of_its_row(challenge, crop, name, words):
    challenge.add_truth(crop, name, cubes(SHAPE), GRIDS[11])
    row = challenge.row(f"crop{crop}/{name}")
    assert row.status == "truth_error"
    assert words in row.remarks[0]


def test_masks_and_truth_of_another_shape_are_errors_of_their_row(challenge):
    small = np.ones((4, 4, 4), np.uint8)
    challenge.add_truth(11, "mito_mask", small, GRIDS[11].subgrid(GRIDS[11].box.grow((-8, -10, -12))))
    challenge.add_truth(11, "er_mask", np.full(SHAPE, 255, np.uint8))
    shutil.rmtree(challenge.truth / "crop12" / "mito")
    challenge.add_truth(12, "mito", small, GRIDS[11].subgrid(GRIDS[11].box.grow((-8, -10, -12))))
    er, mito, other = challenge.evaluate().rows
    assert "other values than 0 and 1" in er.remarks[0]
    assert "mito_mask has (4, 4, 4) voxels, expected (20, 24, 28)" in mito.remarks[0]
    assert "expected (10, 24, 20)" in other.remarks[0]


def test_an_empty_folder_and_broken_metadata_in_the_truth_are_errors_of_their_row(challenge):
    shutil.rmtree(challenge.truth / "crop11" / "er")
    (challenge.truth / "crop11" / "er").mkdir()
    (challenge.truth / "crop12" / "mito" / ".zarray").write_text("{")
    er, mito, other = challenge.evaluate().rows
    assert (er.status, mito.status, other.status) == ("truth_error", "scored", "truth_error")
    assert "crop11/er" in er.remarks[0]
    assert "crop12/mito" in other.remarks[0]


def test_a_group_in_place_of_truth_and_a_broken_chunk_are_errors_of_their_row(challenge):
    shutil.rmtree(challenge.truth / "crop11" / "er")
    write_multiscale(challenge.truth / "crop11" / "er", cubes(SHAPE), GRIDS[11], kind=Kind.SEMANTIC)
    (challenge.truth / "crop12" / "mito" / "0.0.0").write_bytes(b"\0" * 40)
    er, _, other = challenge.evaluate().rows
    assert "is a group, not an array" in er.remarks[0]
    assert "0.0.0 is truncated or corrupt" in other.remarks[0]


def test_a_damaged_row_of_the_submission_counts_as_missing(challenge):
    (challenge.submission / "crop11" / "mito" / "0.0.0").write_bytes(b"\0" * 40)
    (challenge.submission / "crop11" / "er" / ".zarray").write_text("{")
    er, mito, other = challenge.evaluate().rows
    assert (er.status, mito.status, other.status) == ("unreadable", "unreadable", "scored")
    assert er.counts.fn == np.prod(SHAPE)
    assert mito.counts.fn == cubes(SHAPE).max()
    assert "chunk 0.0.0" in mito.remarks[0]
    assert not mito.is_missing


def test_odd_predictions_are_explained(blank):
    labels = cubes(SHAPE)
    odd = {
        "mito": labels.astype(np.float32),
        "ves": np.where(labels == 0, -1, labels).astype(np.int16),
        "ld": np.where(labels == 1, 255, labels).astype(np.uint8),
    }
    odd["mito"][0, 0, :2] = np.nan
    challenge = Challenge(blank.root, {11: ("mito", "ves", "ld", "er")})
    for name, array in odd.items():
        challenge.add_truth(11, name, labels)
        challenge.hand_in(11, name, array)
    challenge.add_truth(11, "er", labels > 0)
    write_multiscale(challenge.submission / "crop11" / "er", labels, GRIDS[11], kind=Kind.SEMANTIC)
    remarks = {row.class_name: row.remarks for row in challenge.evaluate().rows}
    assert "2 voxels are NaN: each is an object of its own" in remarks["mito"][0]
    assert "voxels are negative" in remarks["ves"][0]
    assert "ids reach 255 in 8 bits" in remarks["ld"][0]
    assert "the official evaluator sees only plain arrays" in remarks["er"][0]
    assert challenge.row("crop11/er").counts.fn == 0


def test_missing_places_are_named(challenge):
    with pytest.raises(FileMissing, match=r"ground truth: expected a folder at .*nearest: truth\.zarr"):
        open_truth(challenge.root / "truth.zar")
    with pytest.raises(ScoringError, match=r"crops stand in its folder submission\.zarr and truth\.zarr"):
        open_truth(challenge.root)
    (challenge.root / "empty").mkdir()
    with pytest.raises(ScoringError, match="it holds nothing"):
        open_truth(challenge.root / "empty")
    shutil.rmtree(challenge.submission)
    with pytest.raises(FileMissing, match=r"submission\.zarr"):
        challenge.evaluate()
    challenge.submission.write_text("no zip")
    with pytest.raises(SubmissionError, match="not a zip"):
        challenge.evaluate()
    with pytest.raises(ScoringError, match="another challenge than the catalog other: crop 11 is not in"):
        evaluate(challenge.truth, challenge.truth, Catalog("other", {}, {}, {}))
    with pytest.raises(ScoringError, match="metric version '2025' is not known"):
        challenge.evaluate(metric="2025")
