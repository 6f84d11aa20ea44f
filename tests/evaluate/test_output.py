from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from rich.console import Console
from small_challenge import GRIDS, Challenge, cubes

from organelle.errors import OutputExists
from organelle.evaluate import (
    comparable_scores,
    describe,
    extended_path,
    extended_record,
    print_result,
    public_record,
    write_result,
)
from organelle.metrics import pool

SHAPE = GRIDS[11].shape


@pytest.fixture
def flooded(blank):
    """One object under a flood of specks, a damaged row, a class that was never handed in."""
    challenge = Challenge(blank.root, {11: ("mito", "ves", "er")})
    one, specks = np.zeros((2, *SHAPE), np.uint8)
    one[2:9, 2:9, 2:9] = 1
    specks[::2, ::2, ::2] = 1
    for name in ("mito", "ves", "er"):
        challenge.add_truth(11, name, one)
    challenge.hand_in(11, "mito", specks)
    (challenge.hand_in(11, "ves", one) / "0.0.0").write_bytes(b"?")
    return challenge


def printed(result, **options) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    print_result(result, console=console, **options)
    return console.export_text()


def test_public_results_show_ratios_of_classes_that_were_handed_in(flooded):
    record = public_record(flooded.evaluate())
    assert record["label_scores"] == {
        "ves": {"f1": 0.0, "normalized_hausdorff_distance": 0.0, "combined_score": 0.0},
        "mito": {"f1": 1.0, "normalized_hausdorff_distance": 1.0, "combined_score": 1.0},
    }
    assert (record["overall_instance_score"], record["overall_semantic_score"]) == (0.5, 0.0)
    assert "crop11" not in json.dumps(record)


def test_extended_results_show_every_count(flooded):
    record = extended_record(flooded.evaluate())
    assert record["label_scores"]["er"] == {"iou": 0.0, "tp": 0, "fp": 0, "fn": np.prod(SHAPE)}
    assert record["crop11"]["mito"]["status"] == "skipped_too_many_instances"
    er = record["crop11"]["er"]
    assert (er["is_missing"], er["voxel_size"], er["num_voxels"]) == (True, [8.0, 8.0, 8.0], np.prod(SHAPE))
    assert record["num_evals_done"] == record["total_evals"] == 3


def test_a_row_whose_truth_failed_has_no_counts(challenge):
    challenge.add_truth(99, "mito", cubes(SHAPE), GRIDS[11])
    record = extended_record(challenge.evaluate())["crop99"]["mito"]
    assert record.keys() == {"num_voxels", "voxel_size", "is_missing", "status", "remarks"}
    assert record["voxel_size"] is None


def test_both_files_appear_or_none(challenge, tmp_path):
    result, path = challenge.evaluate(), tmp_path / "out" / "eval_7.results"
    assert extended_path(path).name == "eval_7_extended.results"
    public, extended = write_result(result, path)
    assert json.loads(public.read_text())["overall_score"] == 1
    assert "crop11" in json.loads(extended.read_text())
    public.unlink()
    with pytest.raises(OutputExists, match="eval_7_extended"):
        write_result(result, path)
    assert not public.exists()
    write_result(result, path, overwrite=True)
    assert public.exists()


def test_results_name_what_they_were_made_from(challenge):
    once, again = challenge.evaluate(), challenge.evaluate()
    assert extended_record(once) == extended_record(again)
    made = public_record(once)["provenance"]
    assert made["metric"] == "2026-06"
    assert made["submission"]["name"] == "submission.zarr"
    assert {"organelle", "numpy", "scikit-image", "ortools", "connected-components-3d"} == set(
        made["versions"]
    )
    shutil.rmtree(challenge.submission / "crop12")
    changed = public_record(challenge.evaluate())["provenance"]
    assert changed["submission"]["sha256"] != made["submission"]["sha256"]
    assert changed["truth"] == made["truth"]


def test_every_status_is_said_in_words(flooded):
    text = printed(flooded.evaluate())
    assert "skipped: 1,680 objects where at most 50 are matched" in text.replace("\n", " ")
    assert "unreadable, so it counts as missing: " in text
    assert "missing: not handed in, so every voxel counts as missed" in text
    assert "Overall 0.0000" in text


def test_errors_of_the_truth_are_said_in_words(challenge):
    challenge.add_truth(11, "golgi", cubes(SHAPE))
    text = " ".join(printed(challenge.evaluate()).split())
    assert "the truth cannot be scored, so the row does not count: " in text
    assert "no class 'golgi' in crop 11" in text


def test_a_skipped_class_loses_every_comparison(flooded):
    result = flooded.evaluate()
    assert result.scores.classes["mito"].score == 1
    assert comparable_scores(result) == {"er": 0, "ves": 0, "mito": 0}
    text = printed(result, baselines={"nothing": {"mito": 0.0, "er": 0.2}, "threshold": {"ves": 0.5}})
    assert (
        "mito: too many objects, so the metric skips crop 11 and says 1.000; compared as 0.000"
        in " ".join(text.split())
    )
    assert "nothing" in text
    assert "threshold" in text


def test_skipping_one_crop_of_two_counts_its_objects_as_missed(challenge):
    specks = np.zeros(SHAPE, np.uint8)
    specks[::2, ::2, ::2] = 1
    shutil.rmtree(challenge.submission / "crop11" / "mito")
    shutil.rmtree(challenge.truth / "crop11" / "mito")
    challenge.add_truth(11, "mito", (cubes(SHAPE) == 1).astype(np.uint8))
    challenge.hand_in(11, "mito", specks)
    result = challenge.evaluate()
    mito = result.rows[2].counts
    assert result.scores.classes["mito"].score == 1
    strict = result.strict_scores.classes["mito"]
    assert strict.f1 == pytest.approx(2 * mito.tp / (2 * mito.tp + 1))
    assert strict.hausdorff == pytest.approx(mito.n_hausdorff / (mito.n_hausdorff + 1))


def test_pooling_follows_the_table_of_classes(challenge):
    result = challenge.evaluate()
    assert list(result.scores.classes) == ["mito", "er"]
    assert result.scores == pool(
        [(row.class_name, row.counts) for row in sorted(result.rows, key=lambda row: row.class_name == "er")]
    )
    assert describe(result.rows[0]) == "scored"
