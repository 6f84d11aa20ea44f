"""Alignment gives the official evaluator's arrays, voxel by voxel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from organelle.classes import kind_of
from organelle.geometry import Grid
from organelle.submission import align, open_stored

BOTH = (
    "same_grid",
    "finer_2x",
    "finer_anisotropic",
    "coarser_2x",
    "starts_before",
    "starts_inside",
    "outside",
    "off_grid_target",
    "off_grid_inside",
    "no_metadata_larger",
    "no_metadata_smaller",
    "no_translation",
    "aliases",
    "half_integer",
    "ids_16bit",
    "ome_ngff",
)
SEMANTIC = (
    "float_same_grid",
    "float_finer",
    "bool_finer",
)
NAMES = [*(f"mito_{case}" for case in BOTH), *(f"er_{case}" for case in BOTH + SEMANTIC)]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "golden" / "alignment"


def test_every_official_case_is_named_here(folder: Path) -> None:
    assert sorted(NAMES) == sorted(json.loads((folder / "cases.json").read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_official_answer(folder: Path, name: str) -> None:
    case = json.loads((folder / "cases.json").read_text())[name]
    target = Grid(tuple(case["voxel_size"]), tuple(case["translation"]), tuple(case["shape"]))
    with np.load(folder / f"{name}.npz") as answer:
        expected = answer[answer.files[0]]

    aligned = align(open_stored(folder / f"{name}.zarr"), target, kind_of(case["class_name"]))

    assert aligned.dtype == expected.dtype == np.dtype(case["dtype"])
    np.testing.assert_array_equal(aligned, expected)
