"""Intervals over crops: equal to evaluate's own pooling, and silent where a crop could be read from them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from board_results import (
    INSTANCE,
    METRIC,
    SEMANTIC,
    evaluation,
    instance_row,
    keep_result,
    rows_of,
    semantic_row,
)

from organelle.evaluate.kept import row_record
from organelle.metrics import pool
from organelle.portal.board.intervals import (
    FEWEST_CROPS,
    are_alike,
    draw_columns,
)
from organelle.portal.board.models import Resample
from organelle.portal.board.resampling import packed, resample, resample_safely, unpacked


def drawn(rows, metric=METRIC, **options):
    stored = json.loads(json.dumps([row_record(row) for row in rows]))
    return draw_columns(stored, metric, **options)


@pytest.mark.parametrize("metric", [METRIC, "pq"])
def test_the_score_of_all_crops_is_that_of_evaluate(metric):
    rows = rows_of(0.7)
    whole = evaluation([_as(row, metric) for row in rows]).scores
    found = drawn(rows, metric, draws=1)
    assert found["overall"].score == whole.overall
    assert found["instance"].score == whole.overall_instance
    assert {n: found[n].score for n in (INSTANCE, SEMANTIC)} == {n: s.score for n, s in whole.classes.items()}


def test_every_draw_is_what_pooling_its_crops_gives():
    rows, n, draws, seed = rows_of(0.7), 8, 20, 3
    found = drawn(rows, draws=draws, seed=seed)
    chosen = np.random.default_rng(seed).integers(0, n, (draws, n))
    for i, crops in enumerate(chosen):
        scores = pool((r.class_name, r.counts) for crop in crops for r in rows if r.crop_id == crop)
        assert found["overall"].scores[i] == pytest.approx(scores.overall, abs=1e-12)
        assert found[INSTANCE].scores[i] == pytest.approx(scores.classes[INSTANCE].score, abs=1e-12)


def test_a_class_that_no_drawn_crop_holds_has_no_score_there():
    rows = [*rows_of(0.7), instance_row(0, "nuc", 5, 1, 1, 4.0)]
    scores = drawn(rows)["nuc"].scores
    assert 0.25 < np.isnan(scores).mean() < 0.45  # (7 / 8) ** 8 = 0.34
    assert unpacked(packed(scores)) == pytest.approx(scores, abs=1e-5, nan_ok=True)


def test_the_interval_holds_the_score_and_is_wide_for_few_crops():
    wide, narrow = drawn(rows_of(0.7, n_crops=6)), drawn(rows_of(0.7, n_crops=60))
    for found in (wide["overall"], narrow["overall"]):
        assert found.interval is not None
        low, high = found.interval
        assert low < found.score < high
    assert np.ptp(wide["overall"].interval) > 2 * np.ptp(narrow["overall"].interval)


def test_few_crops_have_no_interval():
    found = drawn(rows_of(0.7, n_crops=FEWEST_CROPS - 1))
    assert all(column.interval is None for column in found.values())
    assert drawn(rows_of(0.7, n_crops=FEWEST_CROPS))["overall"].interval


def test_crops_in_which_nothing_was_counted_are_no_crops():
    empty = [semantic_row(crop, "ecs", 0, 0, 0) for crop in range(8)]
    rows = [*rows_of(0.7), *empty[2:], semantic_row(0, "ecs", 5, 1, 1), semantic_row(1, "ecs", 9, 1, 3)]
    found = drawn(rows)
    assert found["ecs"].crops == 2
    assert found["ecs"].interval is None
    assert found["overall"].interval is not None


def test_teams_are_told_apart_only_where_the_crops_suffice():
    good, worse, same = (drawn(rows_of(q))["overall"].scores for q in (0.8, 0.6, 0.8))
    shuffled = drawn(rows_of(0.8, shift=3))["overall"].scores
    assert not are_alike(good, worse)
    assert are_alike(good, same)
    assert are_alike(good, shuffled)


def test_a_challenge_without_a_row_has_no_column():
    assert draw_columns([], METRIC) == {}


def test_intervals_are_made_when_a_result_is_stored(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        result = keep_result("a" * 64, rows_of(0.7))
    kept = {r.column: r for r in Resample.objects.filter(result=result)}
    assert set(kept) == {"overall", "instance", "semantic", INSTANCE, SEMANTIC}
    assert kept["overall"].score == result.scores["overall"]
    result.refresh_from_db()
    resample(result)  # again: nothing is there twice
    assert Resample.objects.filter(result=result).count() == 5


def test_a_result_whose_crops_cannot_be_read_is_left_alone(db, caplog):
    result = keep_result("a" * 64, rows_of(0.7))
    result.crops = {"rows": [{"crop_id": 1}]}
    result.save()
    resample_safely(result.pk)
    assert not Resample.objects.exists()
    assert "has no intervals" in caplog.text
    resample_safely(result.pk + 1)  # gone meanwhile


def _as(row, metric):
    from dataclasses import replace

    return replace(row, counts=row.by_version[metric])
