"""A simulated submission scores what was foretold: each error alone, all together, on any truth."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from small_challenge import GRIDS, Challenge, cubes

from organelle.classes import Kind
from organelle.errors import FileMissing, OutputExists, ScoringError, SettingsError, SubmissionError
from organelle.evaluate import (
    ErrorCount,
    ExpectedCounts,
    ExpectedOutlines,
    SimulatedErrors,
    evaluate,
    simulate,
)
from organelle.evaluate.altered import AlteredLabels, Effect, closest_voxels, cut, eroded, line, moved
from organelle.evaluate.errors_drawn import draw_errors
from organelle.evaluate.foretold import foretell_outlines
from organelle.metrics import connected_components, score_instances, score_semantic
from organelle.submission import align, open_submission, validate

VOXEL = (8.0, 8.0, 8.0)
FLAT = (50.0, 4.6, 4.6)
OBJECT_ERRORS = ("missing", "split", "merged", "shifted", "eroded", "invented")
EVERYTHING = SimulatedErrors(missing=0.2, split=0.2, merged=0.2, invented=0.4, noise=0.01)


def apart(shape: tuple[int, int, int] = (45, 45, 45)) -> np.ndarray:
    """125 cubes of 5 voxels, 4 apart."""
    return cubes(shape, size=5, gap=4)


def drawn(truth: np.ndarray, errors: SimulatedErrors, *, known=None, seed: int = 0, voxel=VOXEL):
    return draw_errors(truth, known, voxel, Kind.INSTANCE, errors, np.random.default_rng(seed))


def scored(labels: np.ndarray, truth: np.ndarray, voxel=VOXEL) -> ExpectedCounts:
    counts = score_instances(labels, truth, voxel)
    return ExpectedCounts(counts.tp, counts.fp, counts.fn, counts.status)


def outlines(labels: np.ndarray, truth: np.ndarray, voxel=VOXEL) -> ExpectedOutlines:
    counts = score_instances(labels, truth, voxel)
    return ExpectedOutlines(pytest.approx(counts.hausdorff_norm_sum, abs=1e-9), counts.n_hausdorff)


def scored_mask(labels: np.ndarray, truth: np.ndarray) -> ExpectedCounts:
    counts = score_semantic(labels, truth)
    return ExpectedCounts(counts.tp, counts.fp, counts.fn)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("missing", ExpectedCounts(100, 0, 25)),
        ("split", ExpectedCounts(125, 25, 0)),
        ("shifted", ExpectedCounts(125, 0, 0)),
        ("eroded", ExpectedCounts(125, 0, 0)),
        ("invented", ExpectedCounts(125, 25, 0)),
    ],
)
def test_each_error_alone(error: str, expected: ExpectedCounts) -> None:
    truth = cubes((72, 72, 72), size=5, gap=9)
    assert truth.max() == 125
    made = drawn(truth, SimulatedErrors.only(**{error: 0.2}))
    assert made.errors[error] == ErrorCount(25, 25)
    assert made.expected == expected == scored(made.labels, truth)
    assert made.outlines == outlines(made.labels, truth)
    assert not np.array_equal(made.labels > 0, truth > 0)


def test_merged_objects_come_in_pairs() -> None:
    made = drawn(apart(), SimulatedErrors.only(merged=0.16))
    assert made.errors["merged"] == ErrorCount(20, 20)
    assert made.expected == ExpectedCounts(115, 0, 10) == scored(made.labels, apart())
    assert np.count_nonzero(made.labels) == np.count_nonzero(apart()) + 10 * 4, "bridges of the gap's length"


def test_an_object_that_is_shifted_beyond_itself_is_missed_and_invented() -> None:
    truth = np.zeros((30, 30, 30), np.uint8)
    truth[10:13, 10:13, 10:13] = 1
    made = drawn(truth, SimulatedErrors.only(shifted=1, shift_voxels=5))
    assert made.expected == ExpectedCounts(0, 1, 1) == scored(made.labels, truth)


def test_without_errors_it_is_the_truth() -> None:
    made = drawn(apart(), SimulatedErrors.only())
    np.testing.assert_array_equal(made.labels, apart())
    assert made.labels.dtype == np.uint8


def test_all_objects_altered_and_none_twice() -> None:
    shares = dict.fromkeys(("missing", "split", "merged", "shifted", "eroded"), 0.2)
    made = drawn(apart(), SimulatedErrors.only(**shares, invented=0.2))
    assert sum(count.made for kind, count in made.errors.items() if kind != "invented") in (124, 125, 126)
    assert made.expected == scored(made.labels, apart())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.2), st.booleans(), st.booleans())
def test_what_is_foretold_is_scored_on_any_truth(seed: int, share: float, masked: bool, flat: bool) -> None:
    """Touching objects, objects in pieces, specks, ids with gaps, masks, voxels that are no cubes."""
    rng = np.random.default_rng(seed)
    truth = blobs(rng, int(rng.integers(0, 40)))
    known = rng.random(truth.shape) < 0.98 if masked else None
    voxel = FLAT if flat else VOXEL
    errors = SimulatedErrors.only(**dict.fromkeys(OBJECT_ERRORS, share), noise=share / 10, shift_voxels=1)
    made = drawn(truth, errors, known=known, seed=seed, voxel=voxel)
    there = truth if known is None else truth * known
    assert made.expected == scored(made.labels, there, voxel)
    assert made.outlines == outlines(made.labels, there, voxel)
    if known is not None:
        assert not made.labels[~known].any()
    mask = draw_errors(truth, known, voxel, Kind.SEMANTIC, errors, rng)
    assert mask.expected == scored_mask(mask.labels, there)


def blobs(rng: np.random.Generator, n: int) -> np.ndarray:
    """Boxes of drawn places and sizes that hide each other; ids up to 99."""
    truth = np.zeros((16, 24, 28), np.uint16)
    for number in rng.permutation(99)[:n] + 1:
        start = [int(rng.integers(0, s)) for s in truth.shape]
        size = rng.integers(1, 9, 3)
        truth[tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))] = number
    return truth


def test_hardly_anything_can_be_done_to_objects_without_room() -> None:
    truth = np.kron(np.arange(1, 9).reshape(2, 2, 2), np.ones((6, 6, 6), int)).astype(np.uint8)
    made = drawn(truth, SimulatedErrors.only(shifted=1, shift_voxels=1))
    assert made.errors["shifted"].asked == 8
    assert made.expected == scored(made.labels, truth)
    full = drawn(truth, SimulatedErrors.only(invented=1))
    assert full.errors["invented"] == ErrorCount(8, 0)
    assert full.expected == ExpectedCounts(8, 0, 0)
    thin = np.zeros((9, 9, 9), np.uint8)
    thin[4, 4, 3:5] = 1
    for error in ("split", "eroded", "merged"):
        count = drawn(thin, SimulatedErrors.only(**{error: 1})).errors[error]
        assert count.made == 0


def test_truth_in_many_pieces_is_foretold_to_be_skipped() -> None:
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[::2, ::2, ::2] = 1
    made = drawn(truth, SimulatedErrors.only())
    assert made.expected == ExpectedCounts(0, 0, 0, "skipped_too_many_instances")
    assert made.expected == scored(made.labels, truth)


def test_shares_are_right_on_average_in_crops_of_one_object() -> None:
    truth = np.zeros((12, 12, 12), np.uint8)
    truth[3:9, 3:9, 3:9] = 1
    errors = SimulatedErrors.only(missing=0.3)
    missed = sum(drawn(truth, errors, seed=seed).expected.fn for seed in range(200))
    assert 40 <= missed <= 80


def test_pieces_of_a_mask_are_missing_shifted_and_eroded() -> None:
    truth = np.pad(apart(), 3) > 0
    for error, lost, gained in (("missing", 125, 0), ("shifted", 50, 50), ("eroded", 98, 0)):
        errors = SimulatedErrors.only(**{error: 0.2})
        made = draw_errors(truth, None, VOXEL, Kind.SEMANTIC, errors, np.random.default_rng(0))
        assert made.errors[error] == ErrorCount(25, 25)
        assert made.labels.dtype == np.uint8
        expected = ExpectedCounts(125 * 125 - 25 * lost, 25 * gained, 25 * lost)
        assert made.expected == expected == scored_mask(made.labels, truth)
        assert set(made.errors) == {"missing", "shifted", "eroded", "noise"}


def test_what_is_shifted_out_of_the_crop_is_lost() -> None:
    truth = np.zeros((3, 3, 9), np.uint8)
    truth[:, :, :4] = 1
    labels = AlteredLabels(truth, None, VOXEL)
    assert labels.shift(1, axis=0, by=3) is None, "it would be gone"
    effect = labels.shift(1, axis=2, by=-3)
    assert effect == Effect(tp=1, fp=0, fn=0, lost=27, gained=0)
    assert labels.labels[:, :, 0].all()
    assert not labels.labels[:, :, 1:].any()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_noise_flips_voxels_of_masks(share: float) -> None:
    truth, known = apart() > 0, np.ones((45, 45, 45), bool)
    known[:9] = False
    errors = SimulatedErrors.only(noise=share)
    made = draw_errors(truth, known, VOXEL, Kind.SEMANTIC, errors, np.random.default_rng(0))
    flipped = np.count_nonzero(made.labels != (truth & known))
    assert flipped == made.errors["noise"].made == pytest.approx(share * known.sum(), rel=0.1)
    assert made.expected == scored_mask(made.labels, truth & known)
    assert not made.labels[:9].any()


def test_outlines_of_hardly_anything_and_of_large_ids_are_foretold() -> None:
    assert (
        foretell_outlines(np.zeros((0, 3, 3), np.uint8), np.zeros((0, 3, 3), np.uint8), FLAT).n_hausdorff == 0
    )
    one, none = np.ones((1, 1, 1), np.uint8), np.zeros((1, 1, 2), np.uint8)
    truth, labels = np.zeros((2, 60, 60, 60), np.uint32)
    truth[:30], labels[:29], labels[50, 50, 50] = 70_000, 200_001, 3
    for there, found in ((none, none + 1), (none, none), (truth, labels), (np.pad(one, 1), np.pad(one, 1))):
        assert foretell_outlines(there, found, FLAT) == outlines(found, there, FLAT)


class TestShapes:
    def test_a_cut_lies_across_the_longest_side_in_nm(self) -> None:
        mask = np.ones((5, 9, 9), bool)
        near, far = cut(mask, FLAT)
        assert near[:2].all()
        assert not near[2:].any()
        assert far[3:].all()
        assert not far[:3].any()
        near, far = cut(mask, VOXEL)
        assert (near.sum(), far.sum()) == (5 * 4 * 9, 5 * 4 * 9)

    def test_what_is_two_voxels_thick_cannot_be_cut(self) -> None:
        assert cut(np.ones((2, 2, 2), bool), VOXEL) is None
        assert cut(np.ones((2, 2, 3), bool), VOXEL) is not None

    @pytest.mark.parametrize("by", [-3, -1, 1, 3])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_moving_is_rolling_without_return(self, axis: int, by: int) -> None:
        mask = np.zeros((9, 9, 9), bool)
        mask[4, 4, 4] = mask[0, 0, 0] = mask[8, 8, 8] = True
        rolled = np.roll(np.pad(mask, 3), by, axis)[3:-3, 3:-3, 3:-3]
        np.testing.assert_array_equal(moved(mask, axis, by), rolled)

    def test_erosion_stops_at_the_border_of_the_crop(self) -> None:
        assert eroded(np.ones((4, 4, 4), bool)).all()
        mask = np.zeros((6, 6, 6), bool)
        mask[:3, 1:4, 1:4] = True
        assert np.argwhere(eroded(mask)).tolist() == [[0, 2, 2], [1, 2, 2]]

    def test_a_line_is_one_piece(self) -> None:
        way = line(np.array([1, 2, 3]), np.array([9, 2, 0]))
        canvas = np.zeros((10, 10, 10), bool)
        canvas[tuple(way.T)] = True
        assert way[0].tolist() == [1, 2, 3]
        assert way[-1].tolist() == [9, 2, 0]
        assert connected_components(canvas)[1] == 1

    def test_the_closest_voxels_are_measured_in_nm(self) -> None:
        here, there = np.array([[0, 0, 0]]), np.array([[1, 0, 0], [0, 0, 9]])
        assert closest_voxels(here, there, FLAT)[2].tolist() == [0, 0, 9]
        assert closest_voxels(here, there, VOXEL)[0] == 8.0

    def test_the_nearest_neighbour_is_the_partner(self) -> None:
        truth = np.zeros((5, 5, 40), np.uint8)
        truth[1:4, 1:4, 1:4], truth[1:4, 1:4, 8:11], truth[1:4, 1:4, 13:16] = 1, 2, 3
        labels = AlteredLabels(truth, None, VOXEL)
        assert labels.merge(2, [1, 2, 3]) == (3, Effect(tp=1, fn=1, gained=2))
        assert connected_components(labels.labels)[1] == 2

    def test_a_bridge_does_not_pass_through_a_third_object(self) -> None:
        truth = np.zeros((5, 5, 20), np.uint8)
        truth[:, :, 1:3], truth[:, :, 7], truth[:, :, 12:14] = 1, 2, 3
        labels = AlteredLabels(truth, None, VOXEL)
        assert labels.merge(1, [3]) is None
        np.testing.assert_array_equal(labels.labels, truth)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Challenge:
    """Four rows: one with a mask, one that the truth lacks, one of flat voxels."""
    challenge = Challenge(tmp_path, {11: ("er", "mito", "ves"), 12: ("mito",)})
    for crop, name in ((11, "er"), (11, "mito"), (12, "mito")):
        challenge.add_truth(crop, name, cubes(GRIDS[crop].shape, size=3, gap=4))
    mask = np.ones(GRIDS[11].shape, np.uint8)
    mask[:, :, :6] = 0
    challenge.add_truth(11, "mito_mask", mask)
    return challenge


@pytest.mark.parametrize(
    "errors",
    [
        *(SimulatedErrors.only(**{error: 0.3}, shift_voxels=1) for error in (*OBJECT_ERRORS, "noise")),
        SimulatedErrors(),
        EVERYTHING,
    ],
    ids=[*OBJECT_ERRORS, "noise", "usual", "everything"],
)
def test_evaluate_confirms_what_is_foretold(rehearsal: Challenge, errors: SimulatedErrors) -> None:
    out = rehearsal.root / "out.zip"
    report = simulate(rehearsal.truth, rehearsal.catalog, out, errors, seed=3)
    assert validate(out, rehearsal.catalog).problems == ()
    foretold = {row.place: row.expected for row in report.rows if row.expected}
    result = evaluate(out, rehearsal.truth, rehearsal.catalog, workers=0)
    counted = {
        row.place: ExpectedCounts(row.counts.tp, row.counts.fp, row.counts.fn, row.status)
        for row in result.rows
        if row.counts
    }
    assert counted == foretold
    assert report.scores.overall == pytest.approx(result.scores.overall, abs=1e-12)
    for name, score in result.scores.classes.items():
        assert report.scores.classes[name].score == pytest.approx(score.score, abs=1e-12)
    assert sorted(foretold) == ["crop11/er", "crop11/mito", "crop12/mito"]
    made = {kind for row in report.rows for kind, count in (row.errors or {}).items() if count.made}
    assert made == {kind for kind, share in errors.shares.items() if share}


def test_rows_without_truth_are_zeros_and_truth_without_row_is_told(rehearsal: Challenge) -> None:
    rehearsal.add_truth(12, "golgi", np.zeros(GRIDS[12].shape, np.uint8))
    out = rehearsal.root / "out.zip"
    report = simulate(rehearsal.truth, rehearsal.catalog, out)
    assert [row.place for row in report.rows if row.expected is None] == ["crop11/ves"]
    assert report.left_out == ("crop12/golgi",)
    assert "out.zip: 3 rows made from truth, 1 without truth are zeros; the overall" in report.summary
    with open_submission(out) as submission:
        assert len(submission.names()) == 4
        assert not submission.array(11, "ves").read().any()
        stored = submission.array(12, "mito")
        np.testing.assert_array_equal(align(stored, GRIDS[12], Kind.INSTANCE), stored.read())
    assert report.to_dict()["rows"][1]["kind"] == "instance"


def test_the_same_seed_gives_the_same_bytes_and_rows_do_not_depend_on_each_other(
    rehearsal: Challenge,
) -> None:
    def rows(challenge: Challenge, name: str, seed: int):
        simulate(challenge.truth, challenge.catalog, challenge.root / name, EVERYTHING, seed=seed)
        group = zarr.open_group(zarr.storage.ZipStore(challenge.root / name, mode="r"), mode="r")
        found = {place: np.asarray(group[place][...]) for place in ("crop11/mito", "crop12/mito")}
        group.store.close()
        return found

    first, again, other = (rows(rehearsal, f"{n}.zip", seed) for n, seed in enumerate((0, 0, 1)))
    assert (rehearsal.root / "0.zip").read_bytes() == (rehearsal.root / "1.zip").read_bytes()
    assert any(not np.array_equal(first[place], other[place]) for place in first)
    fewer = rows(replace(rehearsal, classes={12: ("mito",), 11: ("mito",)}), "fewer.zip", 0)
    for place in first:
        np.testing.assert_array_equal(first[place], again[place])
        np.testing.assert_array_equal(first[place], fewer[place])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"missing": 1.2}, "missing is 1.2, but a share lies between 0 and 1"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"invented": float("nan")}, "invented is nan"),
        ({"missing": 0.6, "split": 0.5}, "split 0.5 \\+ missing 0.6 is 1.1"),
        ({"shift_voxels": 0}, "a shift has 1 voxel or more"),
    ],
)
def test_errors_that_cannot_be_made(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        SimulatedErrors.only(**wrong)


def test_shares_may_use_up_all_objects() -> None:
    assert SimulatedErrors.only(missing=0.7, split=0.1, merged=0.1, shifted=0.1, invented=1).missing == 0.7


def test_outputs_are_not_replaced_unasked(rehearsal: Challenge) -> None:
    out = rehearsal.root / "out.zip"
    out.write_text("mine")
    with pytest.raises(OutputExists, match="exists and is not overwritten"):
        simulate(rehearsal.root / "nowhere", rehearsal.catalog, out)
    assert out.read_text() == "mine"
    simulate(rehearsal.truth, rehearsal.catalog, out, overwrite=True)
    assert validate(out, rehearsal.catalog).problems == ()
    with pytest.raises(SubmissionError, match="is a folder"):
        simulate(rehearsal.truth, rehearsal.catalog, rehearsal.truth, overwrite=True)
    assert rehearsal.truth.is_dir()


def test_truth_that_is_not_there(rehearsal: Challenge) -> None:
    out = rehearsal.root / "out.zip"
    with pytest.raises(FileMissing, match="nowhere"):
        simulate(rehearsal.root / "nowhere", rehearsal.catalog, out)
    catalog = replace(rehearsal, classes={12: ("er",)}).catalog
    with pytest.raises(ScoringError, match="belongs to another challenge"):
        simulate(rehearsal.truth, catalog, out)
    with pytest.raises(SettingsError, match="seed is -1"):
        simulate(rehearsal.truth, rehearsal.catalog, out, seed=-1)
    assert not out.exists()


def test_a_failure_in_the_middle_leaves_nothing(rehearsal: Challenge) -> None:
    rehearsal.add_truth(11, "ves", np.full(GRIDS[11].shape, 1.5, np.float32))
    with pytest.raises(ScoringError, match="labels are whole numbers"):
        simulate(rehearsal.truth, rehearsal.catalog, rehearsal.root / "out.zip")
    assert [p.name for p in rehearsal.root.iterdir()] == ["truth.zarr"]


def test_the_command_names_the_defaults() -> None:
    from organelle.cli.simulate import simulate as command

    parameters = inspect.signature(command, eval_str=True).parameters
    for field in fields(SimulatedErrors):
        (option,) = parameters[field.name].annotation.__metadata__
        assert option.help.endswith(f"Default: {field.default}."), field.name
