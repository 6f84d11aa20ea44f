"""Finished rows on disk: a killed evaluation goes on where it was.

Rows lie in a folder that is named for everything that they depend on: the content of submission and truth,
the grids, and the versions of what computed them. A file that was handed in again under an old name, or a
new version of a library, therefore never meets rows of the old one.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from organelle.children import Event
from organelle.classes import Kind
from organelle.errors import FileMissing, FormatError
from organelle.evaluate.records import MISSING, STATUSES, STOPPED, TRUTH_ERROR, UNREADABLE, Row
from organelle.evaluate.rows import PlannedRow
from organelle.files import read_json, write_json
from organelle.metrics import METRIC_VERSIONS, Counts, InstanceCounts, PanopticCounts, SemanticCounts

if TYPE_CHECKING:
    from organelle.catalog import Catalog

FORM = 1
"""Raised whenever a row's JSON changes its meaning."""

MOST = 1 << 63
"""No count is as large."""

LOG = "log.txt"

NO_ROW = (AttributeError, LookupError, TypeError, ValueError)
"""What `row_from_record` raises when it is given something else."""

_COUNTS = {kind.__name__: kind for kind in (InstanceCounts, PanopticCounts, SemanticCounts)}


class KeptRows:
    """The folder of the finished rows of one evaluation, and its log."""

    def __init__(self, work: Path | str, key: str) -> None:
        self.folder = Path(work) / "evaluate" / key
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = (self.folder / LOG).open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, planned: PlannedRow, metric: str) -> Row | None:
        """The finished row, None when it is not there or cannot be read."""
        try:
            row = row_from_record(read_json(self._path(planned)), planned, metric)
        except (FileMissing, FormatError, *NO_ROW):
            return None
        return None if row.status == STOPPED else row  # such rows are never put here

    def put(self, planned: PlannedRow, row: Row) -> None:
        """Keep a row; it is there whole or not at all."""
        self.note("writing", planned.place)
        write_json(self._path(planned), row_record(row), overwrite=True)
        self.note("kept", planned.place)

    def note(self, what: str, place: str = "", detail: str = "") -> None:
        """Write one line into the log: time, what happened, where."""
        line = " ".join(filter(None, (time.strftime("%Y-%m-%d %H:%M:%S"), what, place, detail)))
        with self._lock, suppress(OSError):  # a full disk is no reason to lose a row
            self._log.write(line + "\n")
            self._log.flush()

    def tell(self, event: Event) -> None:
        """Log what happened to a child process."""
        self.note(event.what, event.key, f"process {event.pid} {event.detail}".strip())

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _path(self, planned: PlannedRow) -> Path:
        return self.folder / f"crop{planned.crop_id}" / f"{planned.class_name}.json"


def evaluation_key(
    plan: Iterable[PlannedRow], submission: str, truth: str, versions: Mapping[str, str]
) -> str:
    """Name of an evaluation: a hash of all that its rows depend on.

    Args:
        plan: The rows.
        submission: Hash of what was handed in.
        truth: Hash of the truth.
        versions: Of everything that can move a number.
    """
    record = [FORM, METRIC_VERSIONS, submission, truth, dict(versions), _rows(plan)]
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:20]


def plan_hash(plan: Iterable[PlannedRow], catalog: Catalog) -> str:
    """Hash of what is scored, and how: crops, classes, kinds, grids, and the table of test crops."""
    table = [[crop.id, name, asdict(crop.grid)] for crop, name in catalog.rows()]
    return hashlib.sha256(json.dumps([_rows(plan), table], sort_keys=True).encode()).hexdigest()


def row_record(row: Row) -> dict[str, Any]:
    """A row as JSON values, with the counts of every version of the metric."""
    counts = {
        version: {"form": type(found).__name__, **asdict(found)} for version, found in row.by_version.items()
    }
    return {
        "crop_id": row.crop_id,
        "class_name": row.class_name,
        "kind": row.kind.value,
        "status": row.status,
        "num_voxels": row.num_voxels,
        "voxel_size_nm": row.voxel_size_nm,
        "is_missing": row.is_missing,
        "remarks": row.remarks,
        "by_version": counts,
    }


def row_from_record(record: Mapping[str, Any], planned: PlannedRow, metric: str) -> Row:
    """The row that `row_record` wrote down of a planned one, with the counts of `metric` as its first.

    Raises:
        One of `NO_ROW`: it was not written by `row_record`, or of another row.
    """
    counts = {version: _counts(found) for version, found in record["by_version"].items()}
    row = Row(
        crop_id=planned.crop_id,
        class_name=planned.class_name,
        kind=planned.kind,
        counts=counts.get(metric),
        status=record["status"],
        num_voxels=record["num_voxels"],
        voxel_size_nm=tuple(record["voxel_size_nm"]) if record["voxel_size_nm"] else None,
        is_missing=record["is_missing"],
        remarks=tuple(record["remarks"]),
        by_version=counts,
    )
    written = json.loads(json.dumps(row_record(row), allow_nan=False))
    if written != dict(record) or not _is_sound(row):
        raise ValueError(f"no record of {planned.place}")
    if row.counts is None or row.status in (MISSING, UNREADABLE, STOPPED):
        return row
    return replace(row, status=row.counts.status)  # versions differ in what they skip


def _is_sound(row: Row) -> bool:
    """Whether a row can have come from a scorer."""
    found = row.by_version.values()
    forms = {SemanticCounts} if row.kind is Kind.SEMANTIC else {InstanceCounts, PanopticCounts}
    if row.status == TRUTH_ERROR:
        fits = not found
    else:
        fits = {type(counts) for counts in found} == forms and set(row.by_version) == set(METRIC_VERSIONS)
    numbers = [n for counts in found for name, n in asdict(counts).items() if name != "status"]
    return (
        fits
        and all(type(n) in (int, float) and 0 <= n < MOST for n in [*numbers, row.num_voxels])
        and all(isinstance(text, str) for text in row.remarks)
        and row.status in STATUSES
        and row.is_missing is (row.status == MISSING)
    )


def _rows(plan: Iterable[PlannedRow]) -> list[list[Any]]:
    return [[row.place, row.kind.value, row.grid and asdict(row.grid), row.problem] for row in plan]


def _counts(record: Mapping[str, Any]) -> Counts:
    values = dict(record)
    return _COUNTS[values.pop("form")](**values)
