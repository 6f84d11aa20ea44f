"""Score a submission: plan the rows from the truth, score each on its own, pool them.

What was handed in is a stranger's file. It is decoded and scored in child processes that may use so much
memory and time and no more; when one dies, its row says why and counts as missing, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from organelle import __version__
from organelle.classes import Kind, all_classes
from organelle.errors import ScoringError, did_you_mean, require_installed
from organelle.evaluate.crew import Crew
from organelle.evaluate.kept import KeptRows, evaluation_key, plan_hash
from organelle.evaluate.records import STOPPED, Provenance, Result, Row, Source
from organelle.evaluate.rows import PlannedRow, score_rows
from organelle.evaluate.stamps import Stamps
from organelle.evaluate.truth import Truth, open_truth
from organelle.files import sha256
from organelle.metrics import require_version
from organelle.progress import track

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.submission import Submission

INSTANCE_CLASSES = frozenset(
    ("nuc", "vim", "ves", "endo", "lyso", "ld", "perox", "mito", "np", "mt", "cell", "instance")
)
"""What the official evaluator scores as objects; everything else is scored as voxels."""

LIBRARIES = ("numpy", "scikit-image", "ortools", "connected-components-3d")
"""Libraries that can move a number: resampling, ties between equal matchings, numbering of components."""

MODULES = ("numba", "cc3d", "skimage", "ortools")
"""Without them nothing is scored; child processes would only find out when they start."""


def evaluate(
    submission: Path | str,
    truth: Path | str,
    catalog: Catalog,
    *,
    instance_classes: Collection[str] | None = None,
    metric: str = "2026-06",
    work: Path | str | None = None,
    workers: int | None = None,
    memory_bytes: int | None = None,
) -> Result:
    """Score every class of every crop that `truth` holds.

    Args:
        submission: The zip or folder that was handed in. It is read in place.
        truth: Folder of a zarr-2 group `crop{N}/{class}`.
        catalog: Its table of test crops gives each crop's grid.
        instance_classes: What to score as objects; default: `INSTANCE_CLASSES`.
        metric: Version of the metric that the result is about, one of
            `organelle.metrics.METRIC_VERSIONS`; the others are reported beside it.
        work: Folder in which finished rows are kept, so that a killed run goes on; None: nowhere.
        workers: Child processes at a time; default: as many as there are cores. 0: everything happens in
            this process, without any limit: for files of one's own.
        memory_bytes: For all children together; default: nine tenths of what is available now. A row that
            asks for more than the machine has, and more than any array on the crop's grid would, is not
            scored and says so.

    Returns:
        The rows in the order of the truth, whatever the number of workers.

    Raises:
        FileMissing: nothing at one of the two paths.
        SubmissionError: the submission as a whole cannot be read, or was changed meanwhile.
        ScoringError: no truth in the folder, no row of it in the catalog, an unknown metric version, truth
            that was changed meanwhile, or a crop that is too large for this machine's memory. Trouble with
            a single row does not end the run: it is recorded in that row.
    """
    from organelle.submission import open_submission, problems_of_form

    require_version(metric)
    require_installed(MODULES, "score")
    store = open_truth(truth)
    plan = plan_evaluation(store, catalog, instance_classes=instance_classes)
    require_scorable(plan, store, catalog)
    with open_submission(submission, expected=tuple(store.classes)) as handed_in:
        stamps = Stamps(plan, store, handed_in)
        made_with = _provenance(submission, store, catalog, plan, metric)
        problems = problems_of_form(handed_in, catalog)
        scored = _kept_or_scored(plan, store, handed_in, made_with, stamps, work, workers, memory_bytes)
        found = dict(track(scored, "score", total=len(plan)))
    ordered = tuple(found[planned.place] for planned in plan)
    return Result(ordered, len(catalog.rows()), made_with, problems)


def foretell_provenance(
    submission: Path | str, truth: Path | str, catalog: Catalog, *, metric: str = "2026-06"
) -> Provenance:
    """What `evaluate` would note of how its result was made; both inputs are hashed, nothing is scored.

    A result that stands with the same provenance would come out again. The arguments and errors are those of
    `evaluate`.
    """
    require_version(metric)
    require_installed(MODULES, "score")
    store = open_truth(truth)
    return _provenance(submission, store, catalog, plan_evaluation(store, catalog), metric)


def plan_evaluation(
    truth: Truth, catalog: Catalog, *, instance_classes: Collection[str] | None = None
) -> tuple[PlannedRow, ...]:
    """Every row that will be scored, by crop and class; nothing is read.

    Raises:
        ScoringError: one of `instance_classes` is no class, and none of the truth either.
    """
    objects = INSTANCE_CLASSES if instance_classes is None else frozenset(instance_classes)
    known = (
        INSTANCE_CLASSES | {c.name for c in all_classes()} | {n for ns in truth.classes.values() for n in ns}
    )
    for name in sorted(objects - known):
        raise ScoringError(f"{name!r} cannot be scored as objects: no such class{did_you_mean(name, known)}")
    return tuple(
        _plan_row(crop_id, name, Kind.INSTANCE if name in objects else Kind.SEMANTIC, catalog)
        for crop_id, names in truth.classes.items()
        for name in names
    )


def require_scorable(plan: Sequence[PlannedRow], truth: Truth, catalog: Catalog) -> None:
    """Raise `ScoringError` if not one row of the truth is in the table of test crops."""
    if all(planned.grid is None for planned in plan):
        raise ScoringError(
            f"the truth at {truth.path} belongs to another challenge than the catalog {catalog.name}: "
            f"{plan[0].problem}; choose its tables with --catalog"
        )


def library_versions() -> dict[str, str]:
    """Versions of this package and of the `LIBRARIES`, of those that are installed."""
    found = {"organelle": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _kept_or_scored(
    plan: Sequence[PlannedRow],
    truth: Truth,
    submission: Submission,
    made_with: Provenance,
    stamps: Stamps,
    work: Path | str | None,
    workers: int | None,
    memory_bytes: int | None,
) -> Iterator[tuple[str, Row]]:
    """Place and row of everything planned: first what an earlier run left, then the rest as it comes."""
    metric = made_with.metric
    key = evaluation_key(plan, made_with.submission.sha256, made_with.truth.sha256, made_with.versions)
    with KeptRows(work, key) if work is not None else nullcontext() as kept:
        left = []
        for planned in plan:
            row = kept.get(planned, metric) if kept else None
            if row is None:
                left.append(planned)
            else:
                yield planned.place, row
        rows: Iterator[tuple[PlannedRow, Row]]
        if workers == 0:
            rows = zip(left, score_rows(left, truth, submission, metric=metric), strict=True)
        else:
            crew = Crew(workers, memory_bytes, kept.tell if kept else None)
            rows = crew.score(left, truth, submission, metric=metric)
        for planned, row in rows:
            stamps.require_unchanged(planned)
            if kept and row.status != STOPPED:
                kept.put(planned, row)
            yield planned.place, row


def _provenance(
    submission: Path | str, truth: Truth, catalog: Catalog, plan: Sequence[PlannedRow], metric: str
) -> Provenance:
    inputs = (_source(submission), _source(truth.path))
    return Provenance(metric, *inputs, library_versions(), plan_hash(plan, catalog))


def _source(path: Path | str) -> Source:
    return Source(Path(path).resolve().name, sha256(path))


def _plan_row(crop_id: int, class_name: str, kind: Kind, catalog: Catalog) -> PlannedRow:
    crop = catalog.test_crops.get(crop_id)
    if crop is None:
        near = did_you_mean(crop_id, catalog.test_crops)
        problem = f"crop {crop_id} is not in the table of test crops of {catalog.name}{near}"
    elif class_name not in crop.classes:
        near = did_you_mean(class_name, crop.classes)
        problem = (
            f"the table of test crops of {catalog.name} has no class {class_name!r} in crop {crop_id}{near}"
        )
    else:
        return PlannedRow(crop_id, class_name, kind, crop.grid)
    return PlannedRow(crop_id, class_name, kind, None, problem)
