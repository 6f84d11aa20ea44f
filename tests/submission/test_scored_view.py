"""The scored view shows what the scorer meets: what got lost, what falls apart, how near the limit is."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_submissions import CHALLENGE, NEAR, Files, array_files, perfect_files, place_of, write_zip
from rich.console import Console
from scipy import ndimage

from organelle.catalog import Catalog
from organelle.classes import Kind
from organelle.geometry import Grid
from organelle.metrics import compare_instances, crop_is_flooded
from organelle.submission import (
    ObjectView,
    Pieces,
    Report,
    RowView,
    align,
    open_submission,
    see_row,
    take_apart,
    validate,
)
from organelle.submission.scored_problems import check_view
from organelle.submission.scored_view import fewest_truth_ids

GRID = Grid((4.0, 4.0, 4.0), (100.0, 200.0, 300.0), (16, 16, 32))
CROP = replace(CHALLENGE.test_crops[7], grid=GRID, classes=("mito", "er"))
ONE_CROP = Catalog("one crop", {}, {}, {7: CROP})


def cubes(*corners: tuple[int, int, int], size: int = 4, shape: tuple[int, ...] = GRID.shape) -> np.ndarray:
    """Cubes numbered from 1."""
    labels = np.zeros(shape, np.uint16)
    for number, corner in enumerate(corners, 1):
        labels[tuple(slice(a, a + size) for a in corner)] = number
    return labels


CUBES = cubes((0, 0, 0), (0, 8, 8), (8, 0, 16), (8, 8, 24))


def handed_in(
    path: Path, class_name: str, array: np.ndarray, attributes: Any = None, **others: Files
) -> Path:
    place = place_of(GRID) if attributes is None else attributes
    files = array_files(f"crop7/{class_name}", array, place)
    for other in others.values():
        files |= other
    return write_zip(path, files)


def view(tmp_path: Path, class_name: str, array: np.ndarray, attributes: Any = None) -> RowView:
    with open_submission(handed_in(tmp_path / "a.zip", class_name, array, attributes)) as submission:
        return see_row(submission, CROP, class_name)


def objects(tmp_path: Path, array: np.ndarray, attributes: Any = None) -> ObjectView:
    seen = view(tmp_path, "mito", array, attributes).objects
    assert seen is not None
    return seen


def codes(seen: RowView) -> list[str]:
    return [problem.code for problem in check_view(seen)]


def test_a_row_on_its_grid_is_seen_as_it_is(tmp_path: Path) -> None:
    seen = view(tmp_path, "mito", CUBES)
    assert seen == RowView(
        crop=7,
        class_name="mito",
        kind="instance",
        place="crop7/mito",
        status="seen",
        dtype="uint16",
        shape=GRID.shape,
        stored_voxels=256,
        coverage_percent=100.0,
        voxels=256,
        objects=ObjectView(4, 4, 0, 0, 0, False, Pieces(objects=4), fewest_truth_ids=1),
    )
    assert codes(seen) == []
    er = view(tmp_path, "er", CUBES)
    assert (er.kind, er.voxels, er.objects) == ("semantic", 256, None)


def test_what_is_missing_or_cannot_be_read_is_told_and_not_raised(tmp_path: Path) -> None:
    files = array_files("crop7/mito", CUBES, place_of(GRID)) | {"crop7/mito/0.0.0": b"?"}
    with open_submission(write_zip(tmp_path / "a.zip", files)) as submission:
        damaged, missing = see_row(submission, CROP, "mito"), see_row(submission, CROP, "er")
    assert (damaged.status, missing.status) == ("unreadable", "missing")
    assert "chunk 0.0.0" in damaged.note
    assert codes(damaged) == codes(missing) == []
    huge = view(tmp_path, "mito", np.zeros((80, 80, 84), np.uint8))
    assert huge.status == "unreadable"
    assert "at most 64 times" in huge.note


def test_ids_that_stay_outside_of_the_crop_are_lost(tmp_path: Path) -> None:
    seen = view(tmp_path, "mito", CUBES, place_of(GRID) | {"translation": [100.0, 200.0, 300.0 - 48]})
    assert (seen.moved_voxels, seen.coverage_percent, seen.voxels) == ((0, 0, -12), 62.5, 128)
    assert (seen.objects.ids_stored, seen.objects.ids, seen.objects.ids_outside) == (4, 2, 2)
    (problem,) = check_view(seen)
    assert problem.found == "2 of 4 ids lost (2 outside of the crop)"


def test_ids_smaller_than_the_crops_voxels_are_lost(tmp_path: Path) -> None:
    fine = np.kron(CUBES, np.ones((2, 2, 2), np.uint16))
    fine[1, 21, 1] = fine[3, 25, 1] = 0
    fine[16, 28, 0] = 9
    attributes = {"voxel_size": [2.0, 2.0, 2.0], "translation": list(GRID.origin_nm)}
    seen = view(tmp_path, "mito", fine, attributes)
    assert seen.rescaled_from_nm == (2.0, 2.0, 2.0)
    assert (seen.objects.ids_stored, seen.objects.ids, seen.objects.ids_rescaled_away) == (5, 4, 1)
    assert codes(seen) == ["ids-lost"]
    assert "1 smaller than its voxels" in next(check_view(seen)).found
    moved = objects(tmp_path, fine, attributes | {"translation": [100.0, 200.0, 300.0 - 48]})
    assert (moved.ids_rescaled_away, moved.ids_outside, moved.ids) == (1, 2, 2)


def test_rescaling_blurs_float_ids_into_new_ones(tmp_path: Path) -> None:
    fine = np.kron(CUBES, np.ones((2, 2, 2), np.uint16))
    attributes = {"voxel_size": [2.0, 2.0, 2.0], "translation": list(GRID.origin_nm)}
    whole, blurred = (
        objects(tmp_path, fine, attributes),
        view(tmp_path, "mito", fine.astype("f4"), attributes),
    )
    assert (whole.ids_made, whole.ids) == (0, 4)
    assert blurred.objects.ids_made == blurred.objects.ids - 4 > 0
    assert "ids-made" in codes(blurred)


def test_without_a_voxel_size_centres_meet(tmp_path: Path) -> None:
    seen = view(tmp_path, "er", np.ones((16, 16, 16), np.uint8), {})
    assert (seen.centred, seen.coverage_percent, seen.voxels) == (True, 50.0, 16**3)
    same = view(tmp_path, "er", CUBES, {})
    assert (same.centred, same.coverage_percent) == (False, 100.0)


@pytest.mark.parametrize("kind", [Kind.INSTANCE, Kind.SEMANTIC])
def test_coverage_is_where_an_array_of_ones_arrives(tmp_path: Path, kind: Kind) -> None:
    name = "mito" if kind is Kind.INSTANCE else "er"
    rng = np.random.default_rng(3)
    for _ in range(12):
        shape = tuple(rng.integers(4, 40, 3).tolist())
        offset = (np.asarray(GRID.origin_nm) + 4.0 * rng.integers(-12, 12, 3)).tolist()
        size = [float(rng.choice([2, 4, 8]))] * 3
        for place in ({"voxel_size": size, "translation": offset}, {"translation": offset}):
            path = handed_in(tmp_path / "a.zip", name, np.ones(shape, np.uint8), place)
            with open_submission(path) as submission:
                seen, laid = see_row(submission, CROP, name), align(submission.array(7, name), GRID, kind)
            assert seen.voxels == np.count_nonzero(laid)
            if size == [4.0] * 3 or "voxel_size" not in place:
                assert round(seen.coverage_percent * laid.size / 100) == seen.voxels


def test_a_row_whose_foreground_does_not_arrive(tmp_path: Path) -> None:
    far = place_of(GRID) | {"translation": [9000.0, 200.0, 300.0]}
    seen = view(tmp_path, "er", CUBES, far)
    assert (seen.stored_voxels, seen.voxels, seen.coverage_percent) == (256, 0, 0)
    assert seen.is_background
    assert codes(seen) == ["nothing-left"]
    assert codes(view(tmp_path, "er", np.zeros(GRID.shape, np.uint8))) == []


def test_nan_and_negative_values(tmp_path: Path) -> None:
    labels = CUBES.astype(np.float32)
    labels[0, 0, 6], labels[0, 0, 20], labels[0, 0, 21] = np.nan, np.nan, -1
    mito, er = view(tmp_path, "mito", labels), view(tmp_path, "er", labels)
    assert (mito.nan_voxels, mito.negative_voxels, mito.voxels) == (2, 1, 259)
    assert (mito.objects.ids, mito.objects.pieces.objects) == (5, 7)
    assert (er.nan_voxels, er.negative_voxels, er.voxels) == (2, 1, 256)


def test_ids_that_fill_their_type(tmp_path: Path) -> None:
    assert objects(tmp_path, np.where(CUBES == 1, 255, CUBES).astype(np.uint8)).ids_fill_dtype
    assert objects(tmp_path, np.where(CUBES == 1, 32767, CUBES).astype(np.int16)).ids_fill_dtype
    assert not objects(tmp_path, np.where(CUBES == 1, 255, CUBES).astype(np.uint16)).ids_fill_dtype
    assert not objects(tmp_path, (CUBES > 0)).ids_fill_dtype


class TestPieces:
    """What relabelling makes of ids."""

    def test_ids_in_pieces_and_specks(self) -> None:
        labels = CUBES.copy()
        labels[0, 0, 28:30] = 1  # two voxels far from cube 1
        labels[15, 15, 0] = 2
        labels[15, 0, 0] = 7
        assert take_apart(labels) == Pieces(objects=7, ids_in_pieces=2, specks=3, lone_voxels=2)

    def test_bodies_that_meet_at_an_edge_or_corner(self) -> None:
        labels = cubes((0, 0, 0), (4, 4, 4), (8, 8, 4), (0, 8, 16)) > 0
        labels[4, 12, 20] = True  # a voxel at a corner of the last cube joins nothing solid
        assert take_apart(labels) == Pieces(objects=2, ids_in_pieces=1, corner_joins=3, merges=2)
        assert take_apart(cubes((0, 0, 0), (4, 4, 4))).merges == 0  # two ids stay apart

    def test_a_speck_has_fewer_than_eight_voxels(self) -> None:
        labels = cubes((0, 0, 0), (8, 8, 8), size=2)
        labels[8, 8, 8] = 0
        assert take_apart(labels).specks == 1

    def test_nothing(self) -> None:
        assert take_apart(np.zeros((3, 4, 5), np.uint8)) == Pieces()
        assert take_apart(np.zeros((0, 4, 5), np.uint8)) == Pieces()

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
    def test_noise_agrees_with_scipy(self, dtype: str) -> None:
        rng = np.random.default_rng(7)
        for density in (0.05, 0.2, 0.5):
            labels = (rng.random((9, 20, 21)) < density) * rng.integers(1, 4, (9, 20, 21))
            labels = (labels > 0 if dtype == "bool" else labels).astype(dtype)
            assert take_apart(labels) == by_scipy(labels)


def by_scipy(labels: np.ndarray) -> Pieces:
    """The same numbers, one value after the other."""
    total, in_pieces, sizes, n_bodies, merges = 0, 0, [], 0, 0
    for value in np.unique(labels[labels != 0]):
        components, n = ndimage.label(labels == value, np.ones((3, 3, 3)))
        bodies, n_six = ndimage.label(labels == value)
        total, in_pieces, n_bodies = total + n, in_pieces + (n > 1), n_bodies + n_six
        sizes += np.bincount(components.ravel())[1:].tolist()
        solid = [b for b in range(1, n_six + 1) if np.count_nonzero(bodies == b) >= 8]
        merges += len(solid) - len({components[bodies == b][0] for b in solid})
    specks = [n for n in sizes if n < 8]
    return Pieces(total, in_pieces, len(specks), specks.count(1), n_bodies - total, merges)


def test_the_number_of_truth_ids_that_keeps_a_crop_from_being_skipped() -> None:
    assert fewest_truth_ids(0) == 0
    for n in (1, 50, 51, 99, 100, 101, 1000, 12_345):
        fewest = fewest_truth_ids(n)
        assert not crop_is_flooded(n, fewest)
        assert all(crop_is_flooded(n, few) for few in range(1, fewest))


def test_the_limit_is_the_metrics_own() -> None:
    """The same specks are skipped with one truth id fewer than the view asks for."""
    rng = np.random.default_rng(0)
    specks = np.zeros((10, 40, 40), np.uint16)
    specks[::2, ::2, ::2] = rng.random((5, 20, 20)) < 0.2
    fewest = fewest_truth_ids(take_apart(specks).objects)
    for n, status in ((fewest, "scored"), (fewest - 1, "skipped_too_many_instances")):
        truth = np.zeros(specks.shape, np.uint16)
        truth.flat[np.arange(1, n + 1) * 60] = np.arange(1, n + 1)
        assert compare_instances(specks, truth, (4, 4, 4))["2026-06"].status == status


def test_a_crop_full_of_specks_is_warned_of_with_and_without_truth(tmp_path: Path) -> None:
    noise = np.zeros(GRID.shape, np.uint16)
    noise[::2, ::2, ::2] = np.arange(1, 1025).reshape(8, 8, 16)
    submission = handed_in(tmp_path / "a.zip", "mito", noise)
    found = {p.code: p for p in validate(submission, ONE_CROP, scored=True).warnings}
    assert {"many-specks", "near-skip-limit"} <= set(found)
    assert found["near-skip-limit"].expected.startswith("at least 103 objects in the truth")
    truth = handed_in(tmp_path / "truth.zip", "mito", CUBES)
    (mito, er) = validate(submission, ONE_CROP, truth=truth).rows
    assert (mito.objects.largest_truth_id, mito.objects.most_objects) == (4, 129)
    assert mito.objects.share_of_limit == 1024 / 129
    assert codes(mito) == ["many-specks", "over-skip-limit"]
    assert er.status == "missing"


def test_the_truths_mask_is_laid_over_a_row(tmp_path: Path) -> None:
    mask = np.ones(GRID.shape, np.uint8)
    mask[8:] = 0
    masked = array_files("crop7/mito_mask", mask, place_of(GRID))
    truth = handed_in(tmp_path / "truth.zip", "mito", CUBES, masked=masked)
    (mito, _) = validate(handed_in(tmp_path / "a.zip", "mito", CUBES), ONE_CROP, truth=truth).rows
    assert (mito.voxels, mito.objects.pieces.objects, mito.objects.largest_truth_id) == (128, 2, 2)
    assert (mito.objects.ids_stored, mito.objects.ids) == (4, 4)


@pytest.mark.parametrize("dtype", ["float32", "shape"])
def test_truth_that_cannot_be_used_leaves_the_view_without_it(tmp_path: Path, dtype: str) -> None:
    array = CUBES[:8] if dtype == "shape" else CUBES.astype(dtype)
    truth = handed_in(tmp_path / "truth.zip", "mito", array)
    found = validate(handed_in(tmp_path / "a.zip", "mito", CUBES), ONE_CROP, truth=truth)
    assert found.rows[0].objects.pieces.objects == 4
    assert [p.code for p in found.warnings if p.place == "crop7/mito"] == ["unusable-truth"]


def test_an_empty_truth_skips_nothing(tmp_path: Path) -> None:
    truth = handed_in(tmp_path / "truth.zip", "mito", np.zeros(GRID.shape, np.uint8))
    (mito, _) = validate(handed_in(tmp_path / "a.zip", "mito", CUBES), ONE_CROP, truth=truth).rows
    assert (mito.objects.largest_truth_id, mito.objects.share_of_limit) == (0, None)


def test_a_mask_in_place_of_ids_is_no_id_in_pieces(tmp_path: Path) -> None:
    assert codes(view(tmp_path, "mito", CUBES > 0)) == []
    doubled = np.where(CUBES == 4, 3, CUBES)
    assert codes(view(tmp_path, "mito", doubled)) == ["ids-in-pieces"]


def test_a_refused_file_has_no_view(tmp_path: Path) -> None:
    refused = validate(write_zip(tmp_path / "a.zip", perfect_files() | {"../x": b""}), CHALLENGE, scored=True)
    assert refused.rows is None
    assert "rows" not in refused.to_dict()


def test_as_json_and_as_table(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "a.zip", perfect_files() | array_files("crop7/er", np.zeros(NEAR.shape, "u1"))
    )
    found = validate(path, CHALLENGE, scored=True)
    record = json.loads(json.dumps(found.to_dict()))
    assert [row["place"] for row in record["rows"]] == ["crop7/mito", "crop7/er", "crop21/pm"]
    assert record["rows"][0]["objects"]["pieces"] == asdict(found.rows[0].objects.pieces)
    text = printed(found)
    assert "2 of 3 rows hold something" in text
    assert "all background: crop7/er" in text


def test_the_table_says_how_a_row_was_laid(tmp_path: Path) -> None:
    labels = np.where(CUBES == 1, -1, CUBES.astype(np.float32))
    labels[0, 8, 8] = np.nan
    place = place_of(GRID) | {"translation": [100.0, 200.0, 300.0 - 32]}
    found = validate(handed_in(tmp_path / "a.zip", "mito", labels, place), ONE_CROP, scored=True)
    text = printed(found)
    assert "moved by 0 0 -8; covers 75.0 %; 1 NaN: an object each; 64 negative: objects" in text
    assert "missing: crop7/er" in text
    assert "4 → 3" in text


def printed(report: Report) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report)
    return console.export_text()
