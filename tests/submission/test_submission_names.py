"""Crops and classes are found by names made from numbers and tables, wherever the hierarchy lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_submissions import NEAR, array_files, drawn, perfect_files, place_of, write_folder, write_zip

from organelle.errors import SubmissionError
from organelle.submission import ProblemError, open_stored, open_submission

ROWS = ((7, "er"), (7, "mito"), (21, "pm"))


@pytest.mark.parametrize("prefix", ["crop", ""])
@pytest.mark.parametrize("root", ["", "submission.zarr/", "my/best/run.zarr/"])
def test_wherever_the_hierarchy_lies(tmp_path: Path, root: str, prefix: str) -> None:
    files = perfect_files(root, prefix)
    for place in (write_zip(tmp_path / "a.zip", files), write_folder(tmp_path / "a", files)):
        with open_submission(place) as submission:
            assert submission.crops() == (7, 21)
            assert submission.names() == ROWS
            mito = submission.array(7, "mito")
            assert mito is not None
            assert mito.place == f"{root}{prefix}7/mito"
            np.testing.assert_array_equal(mito.read(), drawn(NEAR))


def test_rubbish_beside_the_store_is_overlooked(tmp_path: Path) -> None:
    files = perfect_files("a.zarr/") | {"__MACOSX/._a.zarr": b"", "a.zarr/.DS_Store": b"", "notes.txt": b"hi"}
    with open_submission(write_zip(tmp_path / "a.zip", files)) as submission:
        assert submission.names() == ROWS


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "nothing"),
        ({"readme.txt": b""}, "readme.txt"),
        (perfect_files("results/"), "crop folders in results/"),
        (perfect_files("a.zarr/") | perfect_files("b.zarr/"), "2 zarr folders"),
        ({"submission.zip": b"PK"}, "submission.zip"),
    ],
)
def test_no_single_hierarchy(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    with pytest.raises(SubmissionError, match=words):
        open_submission(write_zip(tmp_path / "a.zip", files))


def test_plain_numbers_only_where_no_expected_crop_has_its_prefix(tmp_path: Path) -> None:
    both = perfect_files("", "") | {
        f"crop99/{name}": data for name, data in array_files("er", drawn(NEAR)).items()
    }
    path = write_zip(tmp_path / "a.zip", both)
    with open_submission(path) as submission:
        assert submission.crops() == (99,)
    with open_submission(path, expected=[7, 21]) as submission:
        assert submission.crops() == (7, 21)
    with open_submission(path, expected=[99, 7]) as submission:
        assert submission.crops() == (99,)


def test_odd_folder_names_are_no_crops_and_no_classes(tmp_path: Path) -> None:
    files = perfect_files() | {"crop007/er/.zarray": b"", "Crop9/er/.zarray": b"", "crop7/e r/.zarray": b""}
    with open_submission(write_zip(tmp_path / "a.zip", files)) as submission:
        assert submission.names() == ROWS
        assert submission.array(7, "../crop21/pm") is None
        assert not submission.has(8, "er")


def test_masks_are_not_classes(tmp_path: Path) -> None:
    files = perfect_files() | array_files("crop7/mito_mask", drawn(NEAR, seed=5), place_of(NEAR))
    files |= array_files("crop7/ves_mask", drawn(NEAR), place_of(NEAR))
    with open_submission(write_folder(tmp_path, files)) as truth:
        assert truth.classes(7) == ("er", "mito", "ves_mask")
        mask = truth.mask(7, "mito")
        assert mask is not None
        np.testing.assert_array_equal(mask.read(), drawn(NEAR, seed=5))
        assert truth.mask(7, "er") is None


def test_unusable_metadata_counts_as_something(tmp_path: Path) -> None:
    files = perfect_files() | {"crop7/er/.zarray": b"{}"}
    with open_submission(write_zip(tmp_path / "a.zip", files)) as submission:
        assert submission.has(7, "er")
        with pytest.raises(ProblemError, match="zarr_format 2"):
            submission.array(7, "er")


def test_a_folder_without_an_array_is_no_stored_array(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="no zarr-2 array"):
        open_stored(write_folder(tmp_path, perfect_files()))
