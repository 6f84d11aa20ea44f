"""Bad truth and exchanged paths: a clear error, or a row that says why, while all others are scored."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from small_challenge import GRIDS, Challenge, cubes

from organelle.errors import FileMissing, ScoringError, SubmissionError
from organelle.evaluate import Row, evaluate, open_truth

SHAPE = GRIDS[11].shape
LABELS = cubes(SHAPE)


def replace_truth(challenge: Challenge, place: str, array: np.ndarray, **options: object) -> Path:
    """Write `place`, crop11/mito for instance, anew as zarr itself does, without attributes."""
    path = challenge.truth / place
    shutil.rmtree(path, ignore_errors=True)
    options = {"zarr_format": 2, "chunks": tuple(max(1, min(16, n)) for n in array.shape)} | options
    stored = zarr.create_array(path, shape=array.shape, dtype=array.dtype, **options)
    if array.size:
        stored[...] = array
    return path


def only_bad_row(challenge: Challenge, place: str) -> Row:
    """The row at `place`, which must be the only one that could not be scored, perfect as the others are."""
    rows = {row.place: row for row in challenge.evaluate().rows}
    bad = rows.pop(place)
    assert (bad.status, bad.counts, bad.by_version) == ("truth_error", None, {})
    assert [row.status for row in rows.values()] == ["scored"] * len(rows)
    assert all(row.counts.fp == row.counts.fn == 0 for row in rows.values())
    return bad


BAD_LABELS = {
    "float ids": ("mito", LABELS.astype("f4"), "the truth is float32, but ids are whole numbers"),
    "fractions": ("er", LABELS / 7, "holds fractions or NaN"),
    "NaN": ("er", np.where(LABELS > 0, np.nan, 0), "holds fractions or NaN"),
    "negative ids": ("mito", -LABELS.astype("i4"), f"the negative id -{LABELS.max()};"),
    "negative mask": ("er", -(LABELS > 0).astype("i1"), "the negative id -1; ids start at 1"),
    "ids beyond the voxels": ("mito", LABELS.astype("u8") * 10_000, "reaches the number of voxels"),
    "no voxels": ("mito", LABELS[:0], "has (0, 24, 28) voxels, expected (20, 24, 28)"),
    "another shape": ("er", LABELS[:, :, :7], "has (20, 24, 7) voxels, expected (20, 24, 28)"),
    "two axes": ("er", LABELS[0], "holds 2D uint16; expected 3D"),
    "complex numbers": ("er", LABELS.astype("c8"), "holds 3D complex64; expected 3D numbers"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_that_cannot_be_scored(challenge: Challenge, name: str) -> None:
    class_name, array, words = BAD_LABELS[name]
    replace_truth(challenge, f"crop11/{class_name}", array)
    assert words in only_bad_row(challenge, f"crop11/{class_name}").remarks[0]


@pytest.mark.parametrize("place", ["crop11/er", "crop11/er_mask"])
def test_a_damaged_chunk_of_truth_or_mask(challenge: Challenge, place: str) -> None:
    path = replace_truth(challenge, place, np.ones(SHAPE, np.uint8))
    (path / "0.0.0").write_bytes(b"?")
    (remark,) = only_bad_row(challenge, "crop11/er").remarks
    assert f"{place}/0.0.0 is truncated or corrupt" in remark
    assert "delete" not in remark


BAD_MASKS = {
    "fractions": (np.full(SHAPE, 0.5), "holds other values than 0 and 1"),
    "NaN": (np.full(SHAPE, np.nan), "holds other values than 0 and 1"),
    "255": (np.full(SHAPE, 255, np.uint8), "holds other values than 0 and 1"),
    "negative": (np.full(SHAPE, -1, np.int8), "holds other values than 0 and 1"),
    "another shape": (np.ones((4, 4, 4), np.uint8), "has (4, 4, 4) voxels, expected (20, 24, 28)"),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_masks_that_cannot_be_used(challenge: Challenge, name: str) -> None:
    array, words = BAD_MASKS[name]
    replace_truth(challenge, "crop11/mito_mask", array)
    (remark,) = only_bad_row(challenge, "crop11/mito").remarks
    assert "mito_mask" in remark
    assert words in remark


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_any_dtype_will_do_for_a_mask_of_0_and_1(challenge: Challenge, dtype: str) -> None:
    half = np.ones(SHAPE, dtype)
    half[10:] = 0
    replace_truth(challenge, "crop11/er_mask", half)
    assert challenge.row("crop11/er").counts.tp == np.count_nonzero(LABELS[:10])


def test_a_mask_that_is_a_file(challenge: Challenge) -> None:
    (challenge.truth / "crop11" / "er_mask").write_text("1")
    assert "er_mask" in only_bad_row(challenge, "crop11/er").remarks[0]


def test_truth_without_attributes_in_format_3_or_with_chunks_left_out(challenge: Challenge) -> None:
    replace_truth(challenge, "crop11/mito", LABELS)
    replace_truth(challenge, "crop11/er", (LABELS > 0), zarr_format=3)
    sparse = np.where(np.arange(24)[:, None] < 16, cubes(GRIDS[12].shape), 0).astype("u2")
    path = replace_truth(challenge, "crop12/mito", sparse, config={"write_empty_chunks": False})
    assert not (path / "0.1.0").exists()
    assert [row.status for row in challenge.evaluate().rows] == ["scored"] * 3
    assert challenge.row("crop11/mito").counts.fn == challenge.row("crop11/er").counts.fn == 0


def test_an_empty_truth_makes_every_object_an_invented_one(challenge: Challenge) -> None:
    replace_truth(challenge, "crop11/mito", np.zeros(SHAPE, np.uint8))
    replace_truth(challenge, "crop11/er", np.zeros(SHAPE, np.uint8))
    er, mito, _ = challenge.evaluate().rows
    assert (mito.counts.tp, mito.counts.fp, mito.counts.fn) == (0, LABELS.max(), 0)
    assert (er.counts.tp, er.counts.fp, er.counts.fn) == (0, np.count_nonzero(LABELS), 0)


def test_a_crop_folder_without_classes_and_names_unknown_to_the_table(challenge: Challenge) -> None:
    (challenge.truth / "crop13").mkdir()
    challenge.add_truth(14, "mito", LABELS, GRIDS[11])
    assert "crop 14 is not in the table" in only_bad_row(challenge, "crop14/mito").remarks[0]
    shutil.rmtree(challenge.truth / "crop14")
    challenge.add_truth(12, "mitochondria", LABELS, GRIDS[11])
    row = only_bad_row(challenge, "crop12/mitochondria")
    assert "no class 'mitochondria' in crop 12" in row.remarks[0]


def test_bad_rows_in_children_say_the_same(challenge: Challenge) -> None:
    replace_truth(challenge, "crop11/mito", LABELS.astype("f4"))
    (challenge.truth / "crop12" / "mito" / "0.0.0").write_bytes(b"?")
    assert challenge.evaluate(workers=1).rows == challenge.evaluate().rows


class TestPaths:
    """What stands where a submission or the truth was expected."""

    def test_a_zip_in_place_of_the_truth(self, challenge: Challenge) -> None:
        packed = zipped(challenge.submission)
        with pytest.raises(ScoringError, match=r"is a zip.*unpack it first.*two paths were exchanged"):
            evaluate(challenge.truth, packed, challenge.catalog, workers=0)

    def test_a_file_in_place_of_the_truth(self, tmp_path: Path) -> None:
        (tmp_path / "truth.zarr").write_text("?")
        with pytest.raises(ScoringError, match="is a file; expected the folder"):
            open_truth(tmp_path / "truth.zarr")
        with pytest.raises(FileMissing, match=r"nearest: truth\.zarr"):
            open_truth(tmp_path / "truth.zar")

    def test_a_crop_and_an_array_in_place_of_the_truth(self, challenge: Challenge) -> None:
        with pytest.raises(ScoringError, match="a single crop: name the folder that it lies in"):
            open_truth(challenge.truth / "crop11")
        with pytest.raises(ScoringError, match="a single zarr array"):
            open_truth(challenge.truth / "crop11" / "mito")

    def test_a_crop_and_an_array_in_place_of_the_submission(self, challenge: Challenge) -> None:
        inside = challenge.submission / "crop11"
        for path, words in ((inside, "folder of a single crop"), (inside / "er", "one zarr array")):
            with pytest.raises(SubmissionError, match=words):
                evaluate(path, challenge.truth, challenge.catalog, workers=0)

    def test_a_folder_and_a_zip_score_the_same(self, challenge: Challenge) -> None:
        packed = zipped(challenge.submission)
        of_zip = evaluate(packed, challenge.truth, challenge.catalog, workers=0)
        assert of_zip.rows == challenge.evaluate().rows

    def test_a_zip_inside_of_a_zip(self, challenge: Challenge) -> None:
        inner = zipped(challenge.submission)
        with zipfile.ZipFile(challenge.root / "outer.zip", "w") as outer:
            outer.write(inner, "inner.zip")
        with pytest.raises(
            SubmissionError, match=r"holds another zip, inner\.zip.*unpack the outer zip once"
        ):
            evaluate(challenge.root / "outer.zip", challenge.truth, challenge.catalog, workers=0)

    def test_the_truth_handed_in_is_scored_and_its_masks_are_noticed(self, challenge: Challenge) -> None:
        challenge.add_truth(11, "mito_mask", np.ones(SHAPE, np.uint8))
        result = evaluate(challenge.truth, challenge.truth, challenge.catalog, workers=0)
        assert result.scores.overall == 1
        assert any("is this the truth" in problem.remedy for problem in result.problems)


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))
