from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_crops import KINDS, draw

from organelle.metrics import (
    METRIC_VERSIONS,
    Change,
    InstanceCounts,
    PanopticCounts,
    compare_instances,
    connected_components,
    object_faults,
    put_right,
    score_instances,
    score_semantic,
    total_change,
    voxel_faults,
)
from organelle.metrics import faults as faults_module

SIZE = (8.0, 8.0, 8.0)


def perfect(truth, version):
    """Every truth object found once, with its outline."""
    n = len(np.unique(truth[truth > 0]))
    if version == "pq":
        return PanopticCounts(n, 0, 0, float(n))
    return InstanceCounts(n, 0, 0, float(n), n)


def numbers(counts):
    found = {name: getattr(counts, name) for name in ("tp", "fp", "fn")}
    for name in ("hausdorff_norm_sum", "n_hausdorff", "iou_sum"):
        if hasattr(counts, name):
            found[name] = getattr(counts, name)
    return pytest.approx(found, abs=1e-9)


def unlimited(prediction, truth, size, version):
    """Counts without the flood limit: absent truth ids lift it, if no component gets their numbers."""
    return compare_instances(prediction, truth, size, versions=(version,))[version]


@pytest.mark.parametrize("version", METRIC_VERSIONS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_all_faults_put_right_leave_nothing_to_gain(kind, version):
    for seed in range(8):
        prediction, truth, size = draw(kind, seed)
        counts = unlimited(prediction, truth, size, version)
        faults = object_faults(prediction, truth, size, version=version)
        if counts.status != "scored":
            continue
        assert numbers(put_right(counts, total_change(faults))) == numbers(perfect(truth, version)).expected


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_where_truth_is_in_one_piece_perfect_is_what_the_truth_itself_scores(kind):
    prediction, truth, size = draw(kind, 3)
    whole = connected_components(truth)[0]
    counts = score_instances(prediction, whole, size)
    if counts.status == "scored":
        righted = put_right(counts, total_change(object_faults(prediction, whole, size)))
        assert numbers(righted) == numbers(score_instances(whole, whole, size)).expected


@pytest.mark.parametrize("version", METRIC_VERSIONS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_fault_has_a_place_that_is_wrong_and_lies_in_its_box(kind, version):
    for seed in range(4):
        prediction, truth, size = draw(kind, seed)
        components, _ = connected_components(prediction)
        for fault in object_faults(prediction, truth, size, version=version):
            t, c = int(truth[fault.voxel]), int(components[fault.voxel])
            assert t in fault.truth or c in fault.components
            assert fault.box.contains(type(fault.box)(fault.voxel, (1, 1, 1)))
            assert 0 < fault.voxels <= fault.box.size
            pair = fault.kind == "displaced"
            assert not (pair and t == fault.truth[0] and c == fault.components[0])


@pytest.mark.parametrize("seed", range(6))
def test_pieces_of_a_semantic_class_account_for_every_wrong_voxel(seed):
    rng = np.random.default_rng(seed)
    prediction, truth = rng.random((2, 9, 12, 7)) < 0.2
    counts = score_semantic(prediction, truth)
    faults = voxel_faults(prediction, truth, SIZE)
    there = int(truth.sum())
    assert numbers(put_right(counts, total_change(faults))) == {"tp": there, "fp": 0, "fn": 0}
    assert sum(f.voxels for f in faults if f.kind == "missed") == counts.fn
    for fault in faults:
        assert bool(truth[fault.voxel]) == (fault.kind == "missed")
        assert prediction[fault.voxel] != truth[fault.voxel]


@pytest.mark.parametrize("dtype", [bool, np.uint16, np.int64, np.float32])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5)])
def test_crops_of_hardly_a_voxel(dtype, shape):
    prediction, truth = np.ones(shape, dtype), np.zeros(shape, np.uint8)
    (invented,) = object_faults(prediction, truth, (50.0, 4.6, 4.6))
    assert (invented.kind, invented.voxels, invented.box.shape) == ("invented", shape[2], shape)
    (added,) = voxel_faults(prediction, truth, (50.0, 4.6, 4.6))
    assert (added.kind, added.change.fp) == ("invented", -shape[2])


@pytest.mark.parametrize("version", METRIC_VERSIONS)
def test_ids_above_65535_and_voxels_that_are_no_cubes(version):
    truth, prediction = np.zeros((2, 60, 60, 60), np.uint32)
    truth[:30], truth[40:50] = 70_000, 130_000
    prediction[:29], prediction[41:50] = 200_001, 5
    faults = object_faults(prediction, truth, (50.0, 4.6, 4.6), version=version)
    assert [(f.kind, f.truth, f.distance_nm) for f in faults] == [
        ("displaced", (70_000,), 50.0),
        ("displaced", (130_000,), 50.0),
    ]


def test_nothing_wrong_is_no_fault_and_empty_crops_are_none():
    truth = np.zeros((6, 6, 6), np.uint8)
    assert object_faults(truth, truth, SIZE) == voxel_faults(truth, truth, SIZE) == ()
    truth[1:4, 1:4, 1:4] = 3
    assert object_faults(truth, truth, SIZE) == voxel_faults(truth, truth, SIZE) == ()


@pytest.fixture
def bars():
    """Six bars along x, 4 x 4 voxels wide and 20 long."""
    truth = np.zeros((8, 30, 24), np.uint16)
    for number in range(6):
        truth[2:6, 5 * number : 5 * number + 4, 2:22] = number + 1
    return truth


def kinds(faults):
    return {fault.kind: fault for fault in faults}


def test_each_mishap_is_called_by_its_name(bars):
    prediction = bars.copy()
    prediction[bars == 1] = 0  # missed
    prediction[:, 5:9, 12] = 0  # split: bar 2 lacks a plane
    prediction[2:6, 14, 5:8] = 3  # merged: a bridge joins bar 3 with bar 4
    prediction[bars == 4] = 3
    prediction[bars == 5] = 0  # displaced: bar 5 two voxels along x
    prediction[2:6, 20:24, 4:24] = 5
    prediction[7, 0, 0] = 9  # invented
    found = kinds(object_faults(prediction, bars, SIZE))
    assert set(found) == {"missed", "invented", "split", "merged", "displaced"}
    assert (found["missed"].truth, found["missed"].components, found["missed"].voxels) == ((1,), (), 320)
    assert found["invented"].truth == ()
    assert found["invented"].voxel == (7, 0, 0)
    assert found["split"].truth == (2,)
    assert len(found["split"].components) == 2
    assert found["merged"].truth == (3, 4)
    assert found["displaced"].truth == (5,)
    assert found["displaced"].distance_nm == 16.0
    assert found["displaced"].voxel[2] in (2, 23)


def test_what_a_single_mishap_costs_is_what_the_score_gains_without_it(bars):
    prediction = bars.copy()
    prediction[bars == 1] = 0
    prediction[:, 5:9, 9] = 0
    before = score_instances(prediction, bars, SIZE, version="2026-07")
    found = kinds(object_faults(prediction, bars, SIZE, version="2026-07"))
    for kind, number in (("missed", 1), ("split", 2)):
        mended = np.where(bars == number, bars, prediction)
        assert (
            numbers(put_right(before, found[kind].change))
            == numbers(score_instances(mended, bars, SIZE, version="2026-07")).expected
        )


def test_a_component_that_disturbs_another_object_by_its_number_pays_for_it(bars):
    """Version 2026-06: the first component, invented, has number 1 and so reaches into truth object 1."""
    prediction = np.where(bars > 0, bars + 1, 0)
    prediction[0, 29, 23] = 1
    counts = score_instances(prediction, bars, SIZE)
    faults = object_faults(prediction, bars, SIZE)
    assert [fault.kind for fault in faults] == ["invented"]
    lonely = 1.01 ** (-(8 * 8 / 2) / np.linalg.norm(SIZE))
    assert faults[0].change.sum > -lonely
    assert put_right(counts, faults[0].change).hausdorff_norm_sum == pytest.approx(6)


def test_a_flooded_crop_is_explained_as_if_it_were_not_skipped():
    truth = np.zeros((12, 12, 12), np.uint8)
    truth[:4, :4, :4] = 1
    prediction = np.zeros_like(truth)
    prediction[::2, ::2, ::2] = 1
    assert score_instances(prediction, truth, SIZE).status == "skipped_too_many_instances"
    faults = object_faults(prediction, truth, SIZE)
    assert {fault.kind for fault in faults} == {"split", "invented"}
    assert total_change(faults).fp == -(6**3 - 1)


def test_small_faults_are_gathered_and_nothing_is_lost(monkeypatch):
    rng = np.random.default_rng(4)
    truth = np.zeros((20, 20, 20), np.uint16)
    truth[::4, ::4, ::4] = np.arange(1, 126).reshape(5, 5, 5)
    truth[0, 0, :3] = 1
    prediction = np.where(rng.random(truth.shape) < 0.01, 200, 0)
    every = object_faults(prediction, truth, SIZE)
    monkeypatch.setattr(faults_module, "MOST_SINGLE", 3)
    few = object_faults(prediction, truth, SIZE)
    assert len(few) <= 9 < len(every)
    assert max(fault.gathered for fault in few) > 50
    assert few[0].truth == (1,)
    righted = total_change(few)
    assert replace(righted, sum=0.0) == replace(total_change(every), sum=0.0)
    assert righted.sum == pytest.approx(total_change(every).sum)
    assert sum(f.gathered for f in few) == len(every)


def test_a_truth_object_in_pieces_is_a_split_even_of_the_truth_itself(bars):
    bars[:, :4, 10:12] = 0
    (fault,) = object_faults(bars, bars, SIZE)
    assert (fault.kind, fault.truth, fault.truth_pieces) == ("split", (1,), 2)
    prediction = bars.copy()
    prediction[:, 5:9, 9] = 0
    pieces = {f.truth: f.truth_pieces for f in object_faults(prediction, bars, SIZE)}
    assert pieces == {(1,): 2, (2,): 1}


def test_changes_add_up_and_can_be_taken_back():
    change = Change(tp=1, fn=-1, sum=0.5)
    assert change + -change == Change()
