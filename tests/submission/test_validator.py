"""The validator finds every fault at once, says where it is, and leaves a good submission alone."""

from __future__ import annotations

import ast
import io
import json
import re
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
    zip_bytes,
)
from rich.console import Console

import organelle.submission
from organelle.errors import FileMissing, SubmissionError
from organelle.geometry import Grid
from organelle.submission import Limits, Problem, Report, open_submission, validate


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
    "ids-fill-dtype": (lambda: mito(drawn(NEAR, ids=255)), "crop7/mito", "warning"),
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
    assert codes(report(tmp_path, perfect_files("results/"))) == [("wrong-nesting", ".")]
    assert codes(report(tmp_path, perfect_files("a.zarr/") | perfect_files("b.zarr/"))) == [
        ("several-hierarchies", ".")
    ]
    assert codes(report(tmp_path, {"inner/a.txt": b""})) == [("no-crops", ".")]
    assert codes(report(tmp_path, perfect_files() | {"../x": b""}))[0] == ("unsafe-name", "../x")
    assert codes(report(tmp_path, perfect_files(), limits=Limits(members=5))) == [("unreadable-file", ".")]
    with pytest.raises(FileMissing):
        validate(tmp_path / "nothing.zip", CHALLENGE)


FOREIGN = {
    "an empty file": b"",
    "a text file that begins with 'crop,class'": b"crop,class\n7,mito\n",
    "a text file that begins with": "é".encode() * 300,
    "a gzip file (.gz, .tar.gz)": b"\x1f\x8b\x08\0",
    "a 7-Zip archive (.7z)": b"7z\xbc\xaf\x27\x1c\0\4",
    "a tar archive (.tar)": b"crop7/" + bytes(251) + b"ustar\0" + bytes(300),
    "an HDF5 file (.h5)": b"\x89HDF\r\n\x1a\n\0",
    "a file of unknown kind, first bytes 00 ff 01": b"\0\xff\1",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_zip_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(FOREIGN[name])
    (problem,) = validate(tmp_path / "a.zip", CHALLENGE, scored=True).problems
    assert (problem.code, problem.severity) == ("not-a-zip", "error")
    assert problem.found.startswith(name)
    assert problem.found.endswith(", not a zip")
    with pytest.raises(SubmissionError, match=re.escape(f"a.zip: found {name}")):
        open_submission(tmp_path / "a.zip")


def test_a_zip_that_was_cut_off_is_told_from_a_file_that_is_none(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "whole.zip", perfect_files()).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[: len(whole) // 2])
    assert codes(validate(tmp_path / "a.zip", CHALLENGE)) == [("truncated-zip", ".")]


def test_a_zip_inside_of_a_zip_or_folder_is_named(tmp_path: Path) -> None:
    inner = zip_bytes(perfect_files())
    zipped = report(tmp_path, {"inner.zip": inner}).problems[0]
    assert (zipped.code, zipped.remedy) == (
        "zip-inside",
        "Hand in inner.zip itself: unpack the outer zip once.",
    )
    folder = validate(write_folder(tmp_path / "a", {"inner.zip": inner}), CHALLENGE).problems[0]
    assert (folder.code, folder.found) == ("zip-inside", "a folder that holds another zip, inner.zip")


def test_a_single_array_and_a_hierarchy_of_zarr_3_are_told_apart(tmp_path: Path) -> None:
    inside = {name.removeprefix("crop7/er/"): data for name, data in er().items() if name.startswith(AT)}
    assert codes(report(tmp_path, inside)) == [("lone-array", ".")]
    assert codes(report(tmp_path, {"zarr.json": b"{}"})) == [("zarr-3", ".")]
    new = {name.replace(".zgroup", "zarr.json"): data for name, data in perfect_files().items()}
    assert codes(report(tmp_path, new)) == [("zarr-3", "."), ("zarr-3", "crop7"), ("zarr-3", "crop21")]


def test_a_folder_may_be_named_like_a_zip_and_a_zip_like_a_folder(tmp_path: Path) -> None:
    assert validate(write_folder(tmp_path / "folder.zip", perfect_files()), CHALLENGE).problems == ()
    assert validate(write_zip(tmp_path / "zip.zarr", perfect_files()), CHALLENGE).problems == ()


def test_masks_tell_that_this_is_the_truth(tmp_path: Path) -> None:
    files = perfect_files() | array_files("crop7/er_mask", drawn(NEAR), place_of(NEAR))
    (problem,) = report(tmp_path, files).problems
    assert (problem.code, problem.place) == ("unknown-class", "crop7/er_mask")
    assert "is this the truth" in problem.remedy


def test_as_json_and_as_table(tmp_path: Path) -> None:
    found = report(tmp_path, er(drawn(NEAR, ids=9)) | {"crop7/mito/0.0.0": b"?"})
    record = json.loads(json.dumps(found.to_dict()))
    assert (record["ok"], record["errors"], record["warnings"]) == (False, 1, 1)
    assert Problem(**record["problems"][0]) == found.problems[0]

    console = Console(width=250, record=True, file=io.StringIO())
    console.print(found)
    text = console.export_text()
    assert "1 error, 1 warning" in text
    assert all(p.code in text and p.place in text and p.remedy in text for p in found.problems)


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


def test_the_tables_of_a_narrow_terminal_still_name_row_and_code(tmp_path: Path) -> None:
    found = report(tmp_path, er(drawn(NEAR, ids=9)), scored=True)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(found)
    lines = console.export_text().splitlines()
    assert any(line.startswith("crop7/mito  uint8") for line in lines)
    assert any("not-binary" in line and "crop7/er" in line for line in lines)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "validate.md"
SOURCE = Path(organelle.submission.__file__).parent
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9_]+)+")
NO_CODES = {"utf-8"}
BAD_KEYS = {f"bad-{key}" for key in ("shape", "chunks", "order", "dimension_separator")}


def codes_in(module: Path) -> set[str]:
    """The codes given to `Problem` and `_expect`, and every other text that is spelled like a code."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    given = [code for node in nodes if isinstance(node, ast.Call) for code in given_code(node)]
    texts = [n.value for n in (*nodes, *given) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    single = {n.value for n in given if isinstance(n, ast.Constant)}
    return {text for text in texts if CODE.fullmatch(text)} | single


def given_code(call: ast.Call) -> list[ast.expr]:
    where = {"Problem": 0, "_expect": 1, "_warning": 0}.get(getattr(call.func, "id", ""), 99)
    named = [k.value for k in call.keywords if k.arg == "code" and where == 0]
    codes = [*call.args[where : where + 1], *named]
    return [part for c in codes for part in ((c.body, c.orelse) if isinstance(c, ast.IfExp) else (c,))]


def test_every_code_has_its_line_in_the_docs() -> None:
    used = set().union(*(codes_in(module) for module in SOURCE.glob("*.py"))) - NO_CODES | BAD_KEYS
    documented = re.findall(
        r"^\| `([a-z0-9_-]+)` \| (?:error|warning|both) \| .+ \|$", PAGE.read_text(), re.M
    )
    assert len(documented) == len(set(documented))
    assert set(documented) == used
