"""Score a submission: plan the rows from the truth, score each on its own, pool them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from organelle import __version__
from organelle.classes import Kind
from organelle.errors import (
    ChunkError,
    FormatError,
    GridMismatch,
    ScoringError,
    SubmissionError,
    did_you_mean,
)
from organelle.evaluate.records import TRUTH_ERROR, UNREADABLE, Provenance, Result, Row, Source
from organelle.evaluate.truth import Truth, TruthArray, open_truth
from organelle.evaluate.words import remarks_on
from organelle.files import sha256
from organelle.geometry import Grid
from organelle.metrics import (
    METRIC_VERSIONS,
    Counts,
    compare_instances,
    missing_instances,
    missing_semantic,
    require_version,
    score_semantic,
    truth_ids,
)
from organelle.progress import track

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.submission import Submission, SubmittedArray

INSTANCE_CLASSES = frozenset(
    ("nuc", "vim", "ves", "endo", "lyso", "ld", "perox", "mito", "np", "mt", "cell", "instance")
)
"""What the official evaluator scores as objects; everything else is scored as voxels."""

LIBRARIES = ("numpy", "scikit-image", "ortools", "connected-components-3d")
"""Libraries that can move a number: resampling, ties between equal matchings, numbering of components."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One class of one crop of the truth; `problem` says why it cannot be scored, else `grid` is there."""

    crop_id: int
    class_name: str
    kind: Kind
    grid: Grid | None
    problem: str = ""


def evaluate(
    submission: Path | str,
    truth: Path | str,
    catalog: Catalog,
    *,
    instance_classes: Collection[str] | None = None,
    metric: str = "2026-06",
) -> Result:
    """Score every class of every crop that `truth` holds.

    Args:
        submission: The zip or folder that was handed in. It is read in place.
        truth: Folder of a zarr-2 group `crop{N}/{class}`.
        catalog: Its table of test crops gives each crop's grid.
        instance_classes: What to score as objects; default: `INSTANCE_CLASSES`.
        metric: Version of the metric that the result is about, one of
            `organelle.metrics.METRIC_VERSIONS`; the others are reported beside it.

    Raises:
        FileMissing: nothing at one of the two paths.
        SubmissionError: the submission as a whole cannot be read.
        ScoringError: no truth in the folder, no row of it in the catalog, or an unknown metric version.
            Trouble with a single row does not end the run: it is recorded in that row.
    """
    from organelle.submission import open_submission

    require_version(metric)
    store = open_truth(truth)
    plan = plan_evaluation(store, catalog, instance_classes=instance_classes)
    if all(planned.grid is None for planned in plan):
        raise ScoringError(
            f"the truth at {truth} belongs to another challenge than the catalog {catalog.name}: "
            f"{plan[0].problem}; choose its tables with --catalog"
        )
    with open_submission(submission, expected=tuple(store.classes)) as handed_in:
        rows = tuple(track(score_rows(plan, store, handed_in, metric=metric), "score", total=len(plan)))
    made_with = Provenance(metric, _source(submission), _source(truth), library_versions())
    return Result(rows, len(catalog.rows()), made_with)


def plan_evaluation(
    truth: Truth, catalog: Catalog, *, instance_classes: Collection[str] | None = None
) -> tuple[PlannedRow, ...]:
    """Every row that will be scored, by crop and class; nothing is read."""
    objects = INSTANCE_CLASSES if instance_classes is None else frozenset(instance_classes)
    return tuple(
        _plan_row(crop_id, name, Kind.INSTANCE if name in objects else Kind.SEMANTIC, catalog)
        for crop_id, names in truth.classes.items()
        for name in names
    )


def score_rows(
    plan: Sequence[PlannedRow], truth: Truth, submission: Submission, *, metric: str = "2026-06"
) -> Iterator[Row]:
    """Score one planned row after the other; memory holds one row's arrays at a time."""
    for planned in plan:
        yield score_row(planned, truth, submission, metric=metric)


def score_row(planned: PlannedRow, truth: Truth, submission: Submission, *, metric: str = "2026-06") -> Row:
    """Compare one class of one crop with its truth; whatever goes wrong is recorded in the row."""
    try:
        if planned.grid is None:
            raise ScoringError(planned.problem)
        there = truth.read(planned.crop_id, planned.class_name, planned.grid)
        if_missing = _missing(there, planned.kind)
    except (ScoringError, ChunkError) as error:
        return _row(planned, {}, metric, TRUTH_ERROR, None, (str(error),))
    try:
        submitted = submission.array(planned.crop_id, planned.class_name)
        if submitted is None:
            return _row(planned, if_missing, metric, "missing", there, ())
        counts, remarks = _compare(submitted, there, planned.grid, planned.kind)
    except (FormatError, GridMismatch, SubmissionError) as error:
        return _row(planned, if_missing, metric, UNREADABLE, there, (str(error),))
    return _row(planned, counts, metric, counts[metric].status, there, remarks)


def library_versions() -> dict[str, str]:
    """Versions of this package and of the `LIBRARIES`, of those that are installed."""
    found = {"organelle": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


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


def _missing(truth: TruthArray, kind: Kind) -> dict[str, Counts]:
    """The counts of every version without a submission; masks play no part in them."""
    if kind is Kind.SEMANTIC:
        return dict.fromkeys(METRIC_VERSIONS, missing_semantic(truth.labels.size))
    return {version: missing_instances(truth.labels, version=version) for version in METRIC_VERSIONS}


def _compare(
    submitted: SubmittedArray, truth: TruthArray, grid: Grid, kind: Kind
) -> tuple[dict[str, Counts], tuple[str, ...]]:
    from organelle.submission import align

    prediction = align(submitted, grid, kind)
    labels = truth_ids(truth.labels) if kind is Kind.INSTANCE else truth.labels
    if truth.mask is not None:
        prediction, labels = prediction * truth.mask, labels * truth.mask
    remarks = tuple(remarks_on(prediction, submitted, kind))
    if kind is Kind.SEMANTIC:
        return dict.fromkeys(METRIC_VERSIONS, score_semantic(prediction, labels)), remarks
    return dict(compare_instances(prediction, labels, grid.voxel_size_nm)), remarks


def _row(
    planned: PlannedRow,
    counts: dict[str, Counts],
    metric: str,
    status: str,
    truth: TruthArray | None,
    remarks: tuple[str, ...],
) -> Row:
    voxel_size = planned.grid.voxel_size_nm if planned.grid else None
    is_missing = status == "missing"
    return Row(
        crop_id=planned.crop_id,
        class_name=planned.class_name,
        kind=planned.kind,
        counts=counts.get(metric),
        status=status,
        num_voxels=truth.labels.size if truth else 0,
        voxel_size_nm=truth.voxel_size_nm if truth and is_missing else voxel_size,
        is_missing=is_missing,
        remarks=remarks,
        by_version=counts,
    )
