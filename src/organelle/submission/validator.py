"""All that is wrong with a submission, at once: for the participant, the portal and the scorer alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.classes import kind_of
from organelle.errors import SubmissionError, did_you_mean
from organelle.submission.checks import check_dtype, check_grid, check_members
from organelle.submission.limits import Limits
from organelle.submission.problems import Problem, ProblemError, Report
from organelle.submission.reader import MASK, Submission, find_root, open_submission
from organelle.submission.stored import SubmittedArray
from organelle.submission.tree import Tree, open_tree
from organelle.submission.values import Look, Seen, look_at_rows

if TYPE_CHECKING:
    from organelle.catalog import Catalog, Crop

GROUP_FILES = {".zgroup", ".zattrs", ".zmetadata"}
ZARR_3 = "zarr.json"
SHOWN_NAMES = 5
SHOWN_UNKNOWN = 50
"""How many unknown crops, and unknown classes of a crop, are named one by one."""


def validate(
    path: Path | str,
    catalog: Catalog,
    *,
    read_values: bool = True,
    scored: bool = False,
    truth: Path | str | None = None,
    workers: int | None = 0,
    limits: Limits | None = None,
) -> Report:
    """Check a submission against the test table of `catalog`.

    Looked at: the zip itself, nesting, names (unknown ones with the nearest known), metadata, voxel size,
    shape and offset against each crop, dtype; and with `read_values` every chunk: whether it decodes, and
    negative values, NaN, ids that fill their dtype, and semantic values other than 0 and 1. That takes one
    read of the whole file.

    Args:
        path: the zip or folder.
        catalog: its test crops are what is expected.
        read_values: also decode every chunk.
        scored: also tell what the scorer will see of each row (`Report.rows`), and warn of what will cost
            points. That takes another read, and the memory of scoring one row.
        truth: the ground truth, for the scored view: its masks, and how far each row is from being skipped.
        workers: child processes that decode and look at rows, within limits of memory and time; None: as
            many as there are cores; 0: everything happens in this process, for files of one's own.
        limits: caps on what the file may ask for.

    Raises:
        FileMissing: nothing at `path` or `truth`. Everything else about `path` becomes a problem in the
            report.
        SubmissionError: `truth` cannot be read.
    """
    limits = limits or Limits()
    try:
        tree = open_tree(path, limits)
    except ProblemError as error:
        return Report.of(path, [error.problem])
    except SubmissionError as error:
        remedy = "Copy or pack it again."
        return Report.of(path, [Problem("unreadable-file", ".", str(error), "a zip of one zarr", remedy)])
    try:
        what = Look(read_values, scored or truth is not None, None if truth is None else Path(truth))
        return _report(tree, catalog, limits, what, workers)
    finally:
        tree.close()


def problems_of_form(submission: Submission, catalog: Catalog) -> tuple[Problem, ...]:
    """What `validate(read_values=False)` finds in a file that is open; it stays open."""
    expected = Submission(submission.tree, submission.root, submission.limits, tuple(catalog.test_crops))
    return Report.of(submission.path, _problems(expected, catalog, {})).problems


def _report(tree: Tree, catalog: Catalog, limits: Limits, what: Look, workers: int | None) -> Report:
    try:
        root = find_root(tree)
    except ProblemError as error:
        return Report.of(tree.path, [*tree.problems, error.problem])
    submission = Submission(tree, root, limits, tuple(catalog.test_crops))
    if what.truth is not None:
        open_submission(what.truth, expected=tuple(catalog.test_crops)).close()
    seen = look_at_rows(submission, catalog, what, workers=workers)
    views = tuple(v for c, name in catalog.rows() if (v := seen.get((c.id, name), Seen()).view))
    problems = _problems(submission, catalog, seen)
    return Report.of(tree.path, problems, views if what.scored and not tree.problems else None)


def _problems(
    submission: Submission, catalog: Catalog, seen: Mapping[tuple[int, str], Seen]
) -> Iterator[Problem]:
    yield from submission.tree.problems
    yield from _check_top(submission)
    yield from _check_crops(submission, catalog)
    for crop in catalog.test_crops.values():
        if crop.id in submission.crops():
            yield from _check_classes(submission, crop)
            for class_name in crop.classes:
                yield from _check_row(submission, crop, class_name)
                yield from seen.get((crop.id, class_name), Seen()).problems


def _check_top(submission: Submission) -> Iterator[Problem]:
    root, tree = submission.root, submission.tree
    if root.count("/") > 1:
        remedy = "Zip the inside of the zarr folder."
        yield Problem(
            "wrong-nesting", root.rstrip("/"), "the zarr deep in folders", "it at the top", remedy, "warning"
        )
    if submission.crops() and not submission.prefix:
        first = str(submission.crops()[0])
        remedy = "Nothing has to be done: they are read as cropN."
        yield Problem("unprefixed-crops", f"{root}{first}", first, f"crop{first}", remedy, "warning")
    crops = {submission.folder(crop).removeprefix(root).rstrip("/") for crop in submission.crops()}
    yield from _check_group(tree, root, crops)
    if root:
        yield from _strays(tree, "", {root.split("/")[0]}, set())


def _check_crops(submission: Submission, catalog: Catalog) -> Iterator[Problem]:
    known = catalog.test_crops
    unknown = [number for number in submission.crops() if number not in known]
    for number in unknown[:SHOWN_UNKNOWN]:
        near = did_you_mean(number, known)
        expected = f"one of the {len(known)} test crops{near}"
        remedy = "It is not scored; rename it if it is meant to be one of those."
        place = submission.folder(number).rstrip("/")
        yield Problem("unknown-crop", place, f"crop {number}", expected, remedy, "warning")
    yield from _more("unknown-crop", submission.root.rstrip("/"), len(unknown))
    for crop in known.values():
        if crop.id not in submission.crops():
            place = submission.folder(crop.id).rstrip("/")
            expected = f"the folder of {', '.join(crop.classes[:SHOWN_NAMES])}"
            expected += ", ..." if len(crop.classes) > SHOWN_NAMES else ""
            yield Problem("missing-crop", place, "nothing", expected, _MISSING)


def _check_classes(submission: Submission, crop: Crop) -> Iterator[Problem]:
    folder = submission.folder(crop.id)
    yield from _check_group(submission.tree, folder, None)
    unknown = [name for name in submission.tree.children(folder)[0] if name not in crop.classes]
    for name in unknown[:SHOWN_UNKNOWN]:
        near = did_you_mean(name[:64], crop.classes)
        expected = f"one of the {len(crop.classes)} classes of this crop{near}"
        remedy = "It is not scored; rename it if it is meant to be one of those."
        if name.removesuffix(MASK) in crop.classes:
            remedy = "Masks belong to the truth and are ignored here: is this the truth, or a copy of it?"
        yield Problem("unknown-class", f"{folder}{name}", repr(name), expected, remedy, "warning")
    yield from _more("unknown-class", folder.rstrip("/"), len(unknown))


def _more(code: str, place: str, count: int) -> Iterator[Problem]:
    """What stands for those of a long list that are not named."""
    if count > SHOWN_UNKNOWN:
        found = f"{count - SHOWN_UNKNOWN:,} more of the same"
        yield Problem(code, place or ".", found, "none", "They are not scored; take them out.", "warning")


def _check_row(submission: Submission, crop: Crop, class_name: str) -> Iterator[Problem]:
    try:
        found = submission.array(crop.id, class_name)
    except ProblemError as error:
        yield error.problem
        return
    place = f"{submission.folder(crop.id)}{class_name}"
    if found is None:
        yield Problem("missing-row", place, "nothing", f"an array of {crop.grid.shape}", _MISSING)
        return
    yield from _check_form(found)
    level, kind = found.level_for(crop.voxel_size_nm), kind_of(class_name)
    yield from check_grid(level, crop.grid)
    yield from check_members(level)
    yield from check_dtype(level, kind)


def _check_form(found: SubmittedArray) -> Iterator[Problem]:
    if found.is_multiscale:
        yield Problem(
            code="multiscale",
            place=found.place,
            found=f"a group of {len(found.levels)} levels",
            expected="one array",
            remedy="It is read here, but the official evaluator (2026-06) scores a group as missing: "
            "hand in one array on the crop's grid.",
            severity="warning",
        )


def _check_group(tree: Tree, folder: str, known: set[str] | None) -> Iterator[Problem]:
    """The files of a group; with `known` also its folders."""
    folders, files = tree.children(folder)
    place, expected = folder.rstrip("/") or ".", "a zarr-2 group (.zgroup)"
    if ".zgroup" not in files:
        code, found, remedy = "missing-zgroup", "no .zgroup", 'Add .zgroup with {"zarr_format": 2}.'
        if ZARR_3 in files:
            code, found, remedy = "zarr-3", "a group of zarr format 3", "Write zarr format 2 throughout."
        yield Problem(code, place, found, expected, remedy, "warning")
    named = GROUP_FILES if ".zgroup" in files else GROUP_FILES | {ZARR_3}
    yield from _strays(tree, folder, set(folders) if known is None else known, named)


def _strays(tree: Tree, folder: str, folders: set[str], files: set[str]) -> Iterator[Problem]:
    found_folders, found_files = tree.children(folder)
    names = [f"{n}/" for n in found_folders if n not in folders] + [n for n in found_files if n not in files]
    if names:
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        found = ", ".join(map(repr, names[:SHOWN_NAMES])) + more
        remedy = "Take it out; it is ignored."
        yield Problem(
            "stray", folder.rstrip("/") or ".", found, "only crops, classes and arrays", remedy, "warning"
        )


_MISSING = "It is scored as missing, which is never better than zeros: csc pack-results fills it with zeros."
