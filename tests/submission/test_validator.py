"""The validator finds every fault at once, says where it is, and leaves a good submission alone."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_submissions import (
    CHALLENGE,
    FAR,
    NEAR,
    Files,
    array_files,
    drawn,
    perfect_files,
    place_of,
    write_folder,
    write_zip,
)
from rich.console import Console

from organelle.errors import FileMissing
from organelle.geometry import Grid
from organelle.submission import Limits, Problem, Report, validate


def report(tmp_path: Path, files: Files, **options: Any) -> Report:
    return validate(write_zip(tmp_path / "a.zip", files), CHALLENGE, **options)


def codes(found: Report) -> list[tuple[str, str]]:
    return [(p.code, p.place) for p in found.problems]


@pytest.mark.parametrize("root", ["", "submission.zarr/"])
def test_a_good_submission_has_no_problem(tmp_path: Path, root: str) -> None:
    files = perfect_files(root)
    for place in (write_zip(tmp_path / "a.zip", files), write_folder(tmp_path / "a", files)):
        found = validate(place, CHALLENGE)
        assert found.problems == ()
        assert found.ok
        assert "no problems" in found.summary


def without(files: Files, *prefixes: str) -> Files:
    return {name: data for name, data in files.items() if not name.startswith(prefixes)}


def er(array: np.ndarray | None = None, attributes: Any = place_of(NEAR), **zarray: Any) -> Files:
    """A good submission whose crop7/er is this array."""
    other = array_files("crop7/er", drawn(NEAR) if array is None else array, attributes, **zarray)
    return without(perfect_files(), "crop7/er") | other


def mito(array: np.ndarray) -> Files:
    return without(perfect_files(), "crop7/mito") | array_files("crop7/mito", array, place_of(NEAR))


def pyramid() -> Files:
    steps = [
        {"type": "scale", "scale": [4, 4, 4]},
        {"type": "translation", "translation": list(NEAR.origin_nm)},
    ]
    attributes = {"multiscales": [{"datasets": [{"path": "s0", "coordinateTransformations": steps}]}]}
    return array_files("crop7/er/s0", drawn(NEAR)) | {"crop7/er/.zattrs": json.dumps(attributes).encode()}


AT = "crop7/er"
SHIFTED = tuple(o + 4 for o in NEAR.origin_nm)
FAULTS: dict[str, tuple[Callable[[], Files], str, str]] = {
    "missing-crop": (lambda: without(perfect_files(), "crop21/"), "crop21", "error"),
    "missing-row": (lambda: without(perfect_files(), "crop7/er/"), AT, "error"),
    "unknown-crop": (lambda: perfect_files() | array_files("crop8/er", drawn(NEAR)), "crop8", "warning"),
    "unknown-class": (
        lambda: perfect_files() | array_files("crop7/mita", drawn(NEAR)),
        "crop7/mita",
        "warning",
    ),
    "unprefixed-crops": (lambda: perfect_files("", ""), "7", "warning"),
    "wrong-nesting": (lambda: perfect_files("a/b.zarr/"), "a/b.zarr", "warning"),
    "missing-zgroup": (lambda: {k: v for k, v in perfect_files().items() if k != ".zgroup"}, ".", "warning"),
    "stray": (lambda: perfect_files() | {"crop7/notes.txt": b"", "crop7/.DS_Store": b""}, "crop7", "warning"),
    "stray-chunk": (lambda: perfect_files() | {"crop7/er/2.0.0": b"", "crop7/er/0.0": b""}, AT, "warning"),
    "zarr-3": (lambda: without(perfect_files(), AT + "/") | {"crop7/er/zarr.json": b"{}"}, AT, "error"),
    "bad-json": (lambda: perfect_files() | {"crop7/er/.zattrs": b"{"}, "crop7/er/.zattrs", "error"),
    "odd-voxel-size": (lambda: er(attributes={"voxel_size": [4, 4]}), "crop7/er/.zattrs", "error"),
    "bad-dtype": (lambda: er(dtype="|O"), "crop7/er/.zarray", "error"),
    "bad-codec": (lambda: er(compressor={"id": "pickle"}), "crop7/er/.zarray", "error"),
    "multiscale": (lambda: without(perfect_files(), AT + "/") | pyramid(), AT, "warning"),
    "no-voxel-size": (lambda: er(attributes={"translation": NEAR.origin_nm}), AT, "warning"),
    "no-offset": (lambda: er(attributes={"voxel_size": NEAR.voxel_size_nm}), AT, "warning"),
    "other-voxel-size": (
        lambda: er(np.ones((20, 24, 28), "u1"), {"voxel_size": [2, 2, 2], "translation": NEAR.origin_nm}),
        AT,
        "warning",
    ),
    "off-lattice": (lambda: er(attributes=place_of(NEAR) | {"translation": [101, 200, 300]}), AT, "warning"),
    "partial-cover": (lambda: er(attributes=place_of(NEAR) | {"translation": SHIFTED}), AT, "error"),
    "outside": (lambda: er(attributes=place_of(NEAR) | {"translation": [9e3, 200, 300]}), AT, "error"),
    "too-large": (lambda: er(np.zeros((60, 60, 60), "u1"), chunks=(60, 60, 60)), AT, "error"),
    "float-labels": (lambda: er(drawn(NEAR).astype("f4")), AT, "error"),
    "not-finite": (lambda: mito(np.full(NEAR.shape, np.nan, "f4")), "crop7/mito", "error"),
    "negative-values": (lambda: mito(drawn(NEAR, ids=5, dtype="int16") - np.int16(1)), "crop7/mito", "error"),
    "not-binary": (lambda: er(drawn(NEAR, ids=255)), AT, "warning"),
    "unreadable-chunk": (lambda: perfect_files() | {"crop7/er/0.0.1": b"?"}, AT, "error"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault(tmp_path: Path, code: str) -> None:
    make, place, severity = FAULTS[code]
    found = report(tmp_path, make())
    problem = next(p for p in found.problems if p.code == code)
    assert (problem.place, problem.severity) == (place, severity)
    assert all((problem.found, problem.expected, problem.remedy))
    tolerated = {"float-labels"} if code == "not-finite" else set()
    assert {p.code for p in found.problems} - tolerated == {code}


def test_nearest_names_are_offered(tmp_path: Path) -> None:
    files = perfect_files() | array_files("crop8/er", drawn(NEAR)) | array_files("crop7/mitto", drawn(NEAR))
    words = " ".join(p.expected for p in report(tmp_path, files).problems)
    assert "nearest: 7" in words
    assert "nearest: mito" in words


def test_all_problems_at_once_errors_first(tmp_path: Path) -> None:
    files = er(drawn(NEAR, ids=9)) | {"crop7/mito/0.0.0": b"?", "crop21/pm/.zarray": b"{}"}
    found = report(tmp_path, files)
    assert codes(found) == [
        ("unreadable-chunk", "crop7/mito"),
        ("zarr-format", "crop21/pm/.zarray"),
        ("not-binary", "crop7/er"),
    ]
    assert (len(found.errors), len(found.warnings), found.ok) == (2, 1, False)


def test_values_are_read_only_on_demand(tmp_path: Path) -> None:
    files = er(drawn(NEAR, ids=9)) | {"crop7/mito/0.0.0": b"?"}
    assert report(tmp_path, files, read_values=False).problems == ()


def test_an_offset_that_the_scorer_rounds_away(tmp_path: Path) -> None:
    """Three voxels of 4.6 nm beyond 2410.4 nm lie on the lattice, but the scorer moves by two."""
    grid = Grid((4.6, 4.6, 4.6), (2410.4, 2410.4, 2410.4), (8, 8, 8))
    crop = replace(CHALLENGE.test_crops[7], grid=grid, classes=("er",))
    attributes = {"voxel_size": [4.6] * 3, "translation": [2410.4 + 3 * 4.6] * 3}
    files = {".zgroup": b"", "crop7/.zgroup": b""} | array_files(
        "crop7/er", np.ones((8, 8, 8), "u1"), attributes
    )
    found = validate(write_zip(tmp_path / "a.zip", files), replace(CHALLENGE, test_crops={7: crop}))
    assert [p.code for p in found.problems] == ["partial-cover", "offset-rounded"]
    assert "(2, 2, 2) voxels" in found.problems[1].expected


def test_what_is_wrong_with_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_bytes(b"hello")
    assert codes(validate(tmp_path / "text.zip", CHALLENGE)) == [("unreadable-file", ".")]
    assert codes(report(tmp_path, perfect_files("results/"))) == [("wrong-nesting", ".")]
    assert codes(report(tmp_path, perfect_files("a.zarr/") | perfect_files("b.zarr/"))) == [
        ("several-hierarchies", ".")
    ]
    assert codes(report(tmp_path, {"inner.zip": b"PK"})) == [("no-crops", ".")]
    assert codes(report(tmp_path, perfect_files() | {"../x": b""}))[0] == ("unsafe-name", "../x")
    assert codes(report(tmp_path, perfect_files(), limits=Limits(members=5))) == [("unreadable-file", ".")]
    with pytest.raises(FileMissing):
        validate(tmp_path / "nothing.zip", CHALLENGE)


def test_as_json_and_as_table(tmp_path: Path) -> None:
    found = report(tmp_path, er(drawn(NEAR, ids=9)) | {"crop7/mito/0.0.0": b"?"})
    record = json.loads(json.dumps(found.to_dict()))
    assert (record["ok"], record["errors"], record["warnings"]) == (False, 1, 1)
    assert Problem(**record["problems"][0]) == found.problems[0]

    console = Console(width=250, record=True, file=io.StringIO())
    console.print(found)
    text = console.export_text()
    assert "1 error, 1 warning" in text
    assert all(p.code in text and p.place in text for p in found.problems)


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    many = Report.of("a.zip", [Problem("stray", f"[bold]{i}", "a", "b", "c") for i in range(100)])
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(many)
    text = console.export_text()
    assert "[bold]59" in text
    assert "[bold]60" not in text
    assert "40 more" in text


def test_the_far_crop_keeps_its_own_grid(tmp_path: Path) -> None:
    files = without(perfect_files(), "crop21/pm") | array_files("crop21/pm", drawn(NEAR), place_of(NEAR))
    found = report(tmp_path, files)
    assert {p.place for p in found.problems} == {"crop21/pm"}
    assert str(FAR.shape) in found.errors[0].expected
