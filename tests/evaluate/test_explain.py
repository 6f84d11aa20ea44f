from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from small_challenge import GRIDS, cubes

from organelle.classes import Kind
from organelle.evaluate import (
    Bench,
    Crew,
    ExplainedRow,
    PlannedRow,
    draw_faults,
    explain,
    explain_record,
    explain_row,
    faults_path,
    open_truth,
    write_report,
)
from organelle.evaluate.costliest import as_change, measure_of, perfect_gains
from organelle.evaluate.fault_slices import WRONG, window_of
from organelle.geometry import Box
from organelle.metrics import METRIC_VERSIONS, Change, Fault, put_right
from organelle.submission import open_submission


def hand_in_again(challenge, crop, name, array):
    shutil.rmtree(challenge.submission / f"crop{crop}" / name)
    return challenge.hand_in(crop, name, array)


def spoil(challenge):
    """One missed and one invented mito in crop 11, half of er in crop 11, no mito of crop 12."""
    mito, er = cubes(GRIDS[11].shape), (cubes(GRIDS[11].shape) > 0).astype(np.uint8)
    mito[mito == 3] = 0
    mito[19, 23, 25:] = 99
    er[:10] = 0
    hand_in_again(challenge, 11, "mito", mito)
    hand_in_again(challenge, 11, "er", er)
    shutil.rmtree(challenge.submission / "crop12")
    return challenge


def explained(challenge, *, metric="2026-06", most=40):
    result = challenge.evaluate(metric=metric)
    with open_submission(challenge.submission) as handed_in:
        bench = Bench(challenge.catalog, open_truth(challenge.truth), handed_in, Crew(workers=0))
        found = explain(result, bench, most=most)
    return result, found


def test_children_explain_and_draw_the_same(challenge):
    """Though they begin with the largest row, which is not the first of the page."""
    spoil(challenge)
    result = challenge.evaluate()
    pages = []
    for workers in (0, 1):
        page = challenge.root / f"{workers}.html"
        inputs = {"catalog": challenge.catalog, "truth": challenge.truth, "submission": challenge.submission}
        write_report(result, page, data=None, workers=workers, **inputs)
        pages.append(page.read_bytes() + faults_path(page).read_bytes())
    assert pages[0] == pages[1]


def row(challenge, place, **options):
    crop, name = place.removeprefix("crop").split("/")
    kind = Kind.INSTANCE if name == "mito" else Kind.SEMANTIC
    planned = PlannedRow(int(crop), name, kind, GRIDS[int(crop)])
    with open_submission(challenge.submission) as handed_in:
        return planned, explain_row(planned, open_truth(challenge.truth), handed_in, **options)


@pytest.mark.parametrize("metric", METRIC_VERSIONS)
def test_the_score_without_any_fault_is_1(challenge, metric):
    result, found = explained(spoil(challenge), metric=metric)
    assert found.overall == result.scores.overall < 1
    changes = {}
    for cost in found.costliest:
        changes[cost.row.place] = changes.get(cost.row.place, Change()) + cost.change
    righted = {r.place: put_right(r.counts, changes.get(r.place, Change())) for r in result.rows}
    for row_found in found.rows:
        assert as_change(righted[row_found.place]).tp == as_change(row_found.perfect).tp
        assert righted[row_found.place].fp == righted[row_found.place].fn == 0
        assert as_change(righted[row_found.place]).sum == pytest.approx(as_change(row_found.perfect).sum)


def test_a_gain_is_what_a_submission_without_that_fault_scores_more(challenge):
    result, found = explained(spoil(challenge), metric="2026-07")
    missed = next(c for c in found.costliest if c.kind == "missed" and c.row.class_name == "mito")
    mito = cubes(GRIDS[11].shape)
    mito[19, 23, 25:] = 99
    hand_in_again(challenge, 11, "mito", mito)
    better = challenge.evaluate(metric="2026-07")
    assert missed.gain == pytest.approx(better.scores.overall - result.scores.overall)
    assert missed.class_gain == pytest.approx(
        better.scores.classes["mito"].score - result.scores.classes["mito"].score
    )


def test_the_list_is_sorted_and_as_long_as_one_asks(challenge):
    _, found = explained(spoil(challenge))
    gains = [cost.gain for cost in found.costliest]
    assert gains == sorted(gains, reverse=True)
    assert {(c.row.place, c.kind) for c in found.costliest} >= {
        ("crop11/mito", "missed"), ("crop11/mito", "invented"), ("crop11/er", "missed"),
        ("crop12/mito", "missing"),
    }  # fmt: skip
    assert len(explained(challenge, most=2)[1].costliest) == 2


def test_shares_of_classes_and_of_crops_each_add_up_to_all_that_is_lost(challenge):
    result, found = explained(spoil(challenge))
    for losses in (found.classes, found.crops):
        assert sum(loss.share for loss in losses) == pytest.approx(1)
        for loss in losses:
            assert sum(loss.by_kind.values()) == pytest.approx(loss.share)
    assert {loss.name for loss in found.crops} == {"crop 11", "crop 12"}
    er = next(loss for loss in found.classes if loss.name == "er")
    assert set(er.by_kind) == {"missed"}
    assert er.gain == pytest.approx(perfect_gains(result.scores)["er"])


def test_what_is_small_but_many_stands_apart_from_the_list_and_is_counted(challenge):
    rng = np.random.default_rng(0)
    er = (cubes(GRIDS[11].shape) > 0).astype(np.uint8)
    er[::2, ::2, ::2] |= rng.random(er[::2, ::2, ::2].shape) < 0.7
    hand_in_again(challenge, 11, "er", er)
    result, found = explained(challenge)
    (rest,) = found.remainders
    assert rest.kind == "invented"
    assert rest.fault.gathered > 100
    assert not any(cost.is_remainder for cost in found.costliest)
    assert sum(found.classes[0].by_kind.values()) == pytest.approx(1)
    assert found.classes[0].gain == pytest.approx(1 - result.scores.overall)
    assert explain_record(found, challenge.catalog)["remainders"][0]["gathered"] == rest.fault.gathered


def test_without_semantic_classes_gains_are_of_the_mean_of_the_others(challenge):
    shutil.rmtree(challenge.truth / "crop11" / "er")
    shutil.rmtree(challenge.submission / "crop12")
    result, found = explained(challenge)
    assert result.scores.overall == 0
    assert found.measure == measure_of(result.scores) == "overall_instance_score"
    assert found.costliest[0].gain == pytest.approx(1 - result.scores.overall_instance)


def test_a_perfect_submission_has_lost_nothing(challenge):
    _, found = explained(challenge)
    assert found.costliest == found.classes == found.crops == ()


def test_what_was_skipped_is_told_with_the_score_that_it_hides(challenge):
    shape = GRIDS[11].shape
    truth, flood = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    truth[2:8, 2:8, 2:8] = 1
    flood[::2, ::2, ::2] = 1
    shutil.rmtree(challenge.truth / "crop11" / "mito")
    challenge.add_truth(11, "mito", truth)
    hand_in_again(challenge, 11, "mito", flood)
    result, found = explained(challenge)
    (hidden,) = found.unskipped
    assert result.scores.classes["mito"].score == 1
    assert hidden.row.place == "crop11/mito"
    assert hidden.class_score < 0.3
    assert hidden.overall < result.scores.overall
    assert row(challenge, "crop11/mito", status="skipped_too_many_instances")[1].without_limit.fp > 800


def test_a_row_that_cannot_be_read_is_lost_as_a_whole(challenge):
    chunk = next(p for p in (challenge.submission / "crop11" / "er").rglob("*") if p.name[0].isdigit())
    chunk = next(p for p in [chunk, *chunk.rglob("*")] if p.is_file())
    chunk.write_bytes(b"no chunk")
    _, found = explained(challenge)
    assert [(c.row.place, c.kind, c.fault) for c in found.costliest] == [("crop11/er", "unreadable", None)]
    assert row(challenge, "crop11/er")[1].status == "unreadable"


def test_masked_voxels_cost_nothing(challenge):
    known = np.ones(GRIDS[11].shape, np.uint8)
    known[:10] = 0
    challenge.add_truth(11, "er_mask", known)
    _, found = explained(spoil(challenge))
    assert "er" not in {loss.name for loss in found.classes}


def test_a_row_survives_the_way_through_json(challenge):
    spoil(challenge)
    for place in ("crop11/mito", "crop11/er"):
        found = row(challenge, place)[1]
        assert found.faults
        assert ExplainedRow.from_record(json.loads(json.dumps(found.record))) == found


def test_the_record_holds_places_in_nm_and_links_that_open_there(challenge):
    _, found = explained(spoil(challenge))
    record = json.loads(json.dumps(explain_record(found, challenge.catalog, serve_url="http://localhost/")))
    missed = next(c for c in record["costliest"] if c["class"] == "mito" and c["kind"] == "missed")
    start, stop = missed["box_nm"]["start"], missed["box_nm"]["stop"]
    assert all(a < p < b for a, p, b in zip(start, missed["place_nm"], stop, strict=True))
    assert np.subtract(stop, start).tolist() == [40, 40, 40]
    assert (missed["truth_ids"], missed["voxels"], missed["volume_nm3"]) == ([3], 125, 125 * 512)
    assert "http%3A%2F%2Flocalhost%2Ftruth%2Fcrop11%2Fmito" in missed["neuroglancer"]
    assert record["rows"]["crop11/mito"]["by_kind"]["missed"]["faults"] == 1


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def drawn(challenge, place, kind):
    planned, found = row(challenge, place)
    fault = next(fault for fault in found.faults if fault.kind == kind)
    with open_submission(challenge.submission) as handed_in:
        return fault, draw_faults(planned, [fault], open_truth(challenge.truth), handed_in, None)[0]


def test_a_missed_object_is_coloured_in_truth_and_nowhere_else(challenge):
    fault, (z, y, x) = drawn(spoil(challenge), "crop11/mito", "missed")
    assert (z.index, y.index, x.index) == fault.voxel
    colourful = [np.ptp(pixels(png).astype(int), axis=-1) > 30 for png in (z.truth, z.prediction)]
    assert colourful[0].mean() == pytest.approx(25 / (24 * 28), rel=0.2)
    assert not colourful[1].any()


def test_wrong_voxels_of_a_semantic_class_are_marked_on_their_side(challenge):
    _, (z, _, _) = drawn(spoil(challenge), "crop11/er", "missed")
    outline = [(pixels(png) == WRONG).all(axis=-1).any() for png in (z.truth, z.prediction)]
    assert outline == [True, False]


def test_the_window_holds_the_fault_with_some_of_its_surroundings_or_its_place():
    grid = GRIDS[11]
    small = Fault("missed", (1,), (), Box((2, 3, 4), (3, 3, 3)), (3, 4, 5), 27, Change())
    assert window_of(small, grid).contains(small.box)
    wide = grid.subgrid(Box((0, 0, 0), (900, 900, 900)))
    large = Fault("missed", (1,), (), Box((0, 0, 0), (900, 900, 9)), (450, 20, 4), 27, Change())
    window = window_of(large, wide)
    assert window.shape == (320, 320, 320)
    assert window.contains(Box(large.voxel, (1, 1, 1)))
    flat = window_of(Fault("missed", (1,), (), Box((4, 9, 9), (1, 2, 2)), (4, 9, 9), 4, Change()), GRIDS[12])
    assert flat.shape == (6, 24, 20)
