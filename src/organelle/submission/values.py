"""Look at the voxels of every row: in this process, or behind a wall of child processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.catalog import Crop
from organelle.children import Job, Outcome, run_jobs
from organelle.classes import kind_of
from organelle.errors import require_installed
from organelle.geometry import Grid
from organelle.progress import track
from organelle.submission.allowances import row_allowance
from organelle.submission.checks import check_grid, check_stored
from organelle.submission.limits import Limits
from organelle.submission.pieces import Pieces
from organelle.submission.problems import Problem, ProblemError
from organelle.submission.reader import Submission, find_root, open_submission
from organelle.submission.scored_problems import check_view
from organelle.submission.scored_view import ObjectView, RowView, blank_view, see_row
from organelle.submission.tree import open_tree

if TYPE_CHECKING:
    from organelle.catalog import Catalog

VIEWING_BYTES = 20
"""A voxel: components of both connectivities, and the truth with its mask."""

READING_BYTES = 1

REFUSED = {"too-large", "voxel-size-apart"}
"""Codes of arrays that the scorer does not read; neither are their values looked at here."""

MODULES = ("numba", "cc3d", "fastremap", "skimage")
"""What the scored view needs; child processes would only find out when they start."""

LOOK = "organelle.submission.values:look"
WARM = "organelle.submission.values:warm"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the voxels of one row show."""

    problems: tuple[Problem, ...] = ()
    view: RowView | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: every chunk, the scored view, or both; `truth` is for the second."""

    read_values: bool = True
    scored: bool = False
    truth: Path | None = None


def look_at_rows(
    submission: Submission, catalog: Catalog, what: Look, *, workers: int | None = 0
) -> dict[tuple[int, str], Seen]:
    """What the voxels of every row of the test table show; rows that are not there have a view only.

    Args:
        submission: An open one.
        catalog: Its test crops are looked for.
        what: To look at.
        workers: Child processes at a time, None: as many as there are cores; 0: all in this process.
    """
    rows = catalog.rows()
    if not (what.read_values or what.scored):
        return {}
    if workers == 0:
        return _look_here(submission, catalog, what)
    if what.scored:
        require_installed(MODULES, "score")
    needed = VIEWING_BYTES if what.scored else READING_BYTES
    jobs = {}
    for crop, name in rows:
        allowance = row_allowance(submission, crop.id, name, crop.grid, bytes_a_voxel=needed)
        key = f"{crop.id}/{name}"
        jobs[key] = Job(key, _arguments(submission, catalog, crop, name, what), allowance)
    outcomes = run_jobs(LOOK, jobs.values(), workers=workers, warm=WARM if what.scored else "")
    return {
        (int(o.key.partition("/")[0]), o.key.partition("/")[2]): _of_outcome(o, submission)
        for o in track(outcomes, "look", total=len(jobs))
    }


def look_at_row(
    submission: Submission, crop: Crop, class_name: str, what: Look, truth: Submission | None = None
) -> Seen:
    """What the voxels of one row show; a file that the scorer refuses as a whole has no scored view."""
    problems = list(_check_voxels(submission, crop, class_name)) if what.read_values else []
    view = None
    if what.scored and not submission.tree.problems:
        view = see_row(submission, crop, class_name, truth=truth)
        problems += check_view(view)
    return Seen(tuple(problems), view)


def warm() -> None:
    """Load what the scored view needs."""
    import numpy as np
    import skimage.transform  # noqa: F401

    from organelle.submission.pieces import distinct_ids, take_apart

    labels = np.ones((4, 4, 4), np.uint16)
    take_apart(labels)
    distinct_ids(labels)


def look(
    path: str,
    expected: Sequence[int],
    limits: Mapping[str, int],
    crop_id: int,
    grid: Mapping[str, Sequence[float]],
    class_name: str,
    what: Mapping[str, Any],
) -> dict[str, Any]:
    """Look at one row, wherever this runs; arguments and result are JSON values."""
    submission = _open(path, tuple(expected), tuple(limits.items()))
    place = Grid(**{name: tuple(numbers) for name, numbers in grid.items()})  # type: ignore[arg-type]
    crop = Crop(crop_id, "", place, (class_name,), is_test=True)
    truth = _open_truth(what["truth"], tuple(expected)) if what["truth"] else None
    seen = look_at_row(submission, crop, class_name, Look(**what), truth)
    return {"problems": [asdict(p) for p in seen.problems], "view": seen.view and asdict(seen.view)}


def _look_here(submission: Submission, catalog: Catalog, what: Look) -> dict[tuple[int, str], Seen]:
    with ExitStack() as stack:
        truth = None
        if what.truth is not None:
            truth = stack.enter_context(open_submission(what.truth, expected=tuple(catalog.test_crops)))
        rows = track(catalog.rows(), "look", total=len(catalog.rows()))
        return {(c.id, name): look_at_row(submission, c, name, what, truth) for c, name in rows}


def _check_voxels(submission: Submission, crop: Crop, class_name: str) -> Iterator[Problem]:
    try:
        found = submission.array(crop.id, class_name)
    except ProblemError:
        return  # told by whoever checks the metadata
    if found is None:
        return
    level = found.level_for(crop.voxel_size_nm)
    if REFUSED.isdisjoint(problem.code for problem in check_grid(level, crop.grid)):
        yield from check_stored(level, kind_of(class_name))


def _arguments(
    submission: Submission, catalog: Catalog, crop: Crop, class_name: str, what: Look
) -> dict[str, Any]:
    truth = str(what.truth.resolve()) if what.truth else None
    return {
        "path": str(submission.path.resolve()),
        "expected": list(catalog.test_crops),
        "limits": asdict(submission.limits),
        "crop_id": crop.id,
        "grid": asdict(crop.grid),
        "class_name": class_name,
        "what": asdict(what) | {"truth": truth},
    }


@lru_cache(maxsize=1)
def _open(path: str, expected: tuple[int, ...], limits: tuple[tuple[str, int], ...]) -> Submission:
    caps = Limits(**dict(limits))
    tree = open_tree(path, caps)
    return Submission(tree, find_root(tree), caps, expected)


@lru_cache(maxsize=1)
def _open_truth(path: str, expected: tuple[int, ...]) -> Submission:
    return open_submission(path, expected=expected)


def _of_outcome(outcome: Outcome, submission: Submission) -> Seen:
    if outcome.failure is None:
        return _seen(outcome.value)
    crop, _, name = outcome.key.partition("/")
    place = f"{submission.folder(int(crop))}{name}"
    remedy = "It would be stopped when it is scored, too, and count as missing. Pack it again."
    told = Problem("stopped", place, str(outcome.failure), "no more than a row of its size needs", remedy)
    view = blank_view(submission, int(crop), name)
    return Seen((told,), replace(view, status="unreadable", note=str(outcome.failure)))


def _seen(record: Mapping[str, Any]) -> Seen:
    problems = tuple(Problem(**values) for values in record["problems"])
    return Seen(problems, _view(record["view"]) if record["view"] else None)


def _view(record: Mapping[str, Any]) -> RowView:
    """What `asdict` made of a view, and JSON perhaps of that."""
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in record.items()}
    if values["objects"]:
        objects = dict(values["objects"])
        values["objects"] = ObjectView(**objects | {"pieces": Pieces(**objects["pieces"])})
    return RowView(**values)
