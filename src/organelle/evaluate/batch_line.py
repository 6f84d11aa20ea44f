"""One line of a batch, wherever it is carried out: score it, or see that its result is there already.

The process that scores a line also writes its result, on a cluster the worker: when whoever asked for it is
killed meanwhile, the work is not lost.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.errors import (
    FileMissing,
    FormatError,
    OrganelleError,
    OutputExists,
    ScoringError,
    printable,
)
from organelle.evaluate.batch_table import BatchLine
from organelle.evaluate.output import extended_path, extended_record, public_record, write_result
from organelle.evaluate.records import Provenance, Source
from organelle.evaluate.scoring import evaluate, library_versions
from organelle.files import read_json, sha256

if TYPE_CHECKING:
    from organelle.catalog import Catalog

OVERALL = ("overall_score", "overall_instance_score", "overall_semantic_score")

Record = Mapping[str, Any]


class LineStatus(StrEnum):
    """What became of a line."""

    SCORED = "scored"
    KEPT = "kept"
    """Its result was there already, made from the same files in the same way."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one submission.

    Attributes:
        scores: `overall_score`, `overall_instance_score`, `overall_semantic_score`; empty if it failed.
        rows: rows by their status, as `{"scored": 412, "missing": 1}`; empty if it failed.
        problem: why it failed, as a sentence.
    """

    line: BatchLine
    status: LineStatus
    scores: Mapping[str, float]
    rows: Mapping[str, int]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BatchTask:
    """What all lines of a batch have in common; it travels to the workers of a cluster.

    Attributes:
        truth_sha256: hash of the truth as it is seen where the batch was started.
        plan: hash of the rows to score, as in `Provenance.rows`.
        versions: that every result must come from.
        overwrite: replace results that were made from something else.
    """

    truth: Path
    catalog: Catalog
    instance_classes: tuple[str, ...] | None
    metric: str
    work: Path | None
    workers: int | None
    memory_bytes: int | None
    overwrite: bool
    truth_sha256: str
    plan: str
    versions: Mapping[str, str]


def evaluate_line(line: BatchLine, task: BatchTask) -> LineOutcome:
    """Score one submission and write its two results, unless they are there; trouble becomes the outcome."""
    try:
        require_versions(task.versions, library_versions())
        if found := _standing(line, task):
            return _outcome(line, LineStatus.KEPT, *found)
        return _outcome(line, LineStatus.SCORED, *_score(line, task))
    except (OrganelleError, OSError) as error:
        return failed(line, str(error) or repr(error))
    except Exception:  # noqa: BLE001  (the other submissions must not suffer from a fault of ours)
        last = traceback.format_exc().strip().splitlines()[-1]
        return failed(
            line, f"a fault of organelle, please report it: {last}; csc evaluate --debug shows more"
        )


def failed(line: BatchLine, why: str) -> LineOutcome:
    """The outcome of a line that has no result."""
    return LineOutcome(line, LineStatus.FAILED, {}, {}, printable(" ".join(why.split())))


def require_versions(expected: Mapping[str, str], found: Mapping[str, str], where: str = "here") -> None:
    """Raise `ScoringError` if `where` another version of organelle or of a library is found."""
    others = _other_versions(expected, found)
    if others:
        raise ScoringError(f"results would not be comparable: {where} is {others}; install the same versions")


def _score(line: BatchLine, task: BatchTask) -> tuple[Record, Record]:
    result = evaluate(
        line.data_path,
        task.truth,
        task.catalog,
        instance_classes=task.instance_classes,
        metric=task.metric,
        work=task.work,
        workers=task.workers,
        memory_bytes=task.memory_bytes,
    )
    if result.provenance.truth.sha256 != task.truth_sha256:
        raise ScoringError(
            f"the truth at {task.truth} is not the one that the batch was started with: it was changed "
            "meanwhile, or a worker sees another file there"
        )
    _refuse_foreign(line, result.provenance, task)  # again: somebody else may have come first
    write_result(result, line.result_path, overwrite=True)
    return public_record(result), extended_record(result)


def _standing(line: BatchLine, task: BatchTask) -> tuple[Record, Record] | None:
    """The results that an earlier run wrote; None when one of the two is missing or to be replaced.

    Raises:
        OutputExists: one of them was made from something else and may not be replaced.
    """
    if not any(path.exists() for path in _results(line)):
        return None
    handed_in = Source(line.data_path.name, sha256(line.data_path))
    truth = Source(task.truth.name, task.truth_sha256)
    expected = Provenance(task.metric, handed_in, truth, task.versions, task.plan)
    found = _refuse_foreign(line, expected, task)
    return (found[0], found[1]) if len(found) == 2 else None


def _refuse_foreign(line: BatchLine, expected: Provenance, task: BatchTask) -> list[Record]:
    """Those of the results that are there and were made as `expected`; `OutputExists` for others."""
    found = []
    for path in filter(Path.exists, _results(line)):
        record = _read(path)
        foreign = _difference(record.get("provenance"), asdict(expected))
        if not foreign:
            found.append(record)
        elif not task.overwrite:
            raise OutputExists(f"{path} was made {foreign}; --overwrite replaces it")
    return found


def _results(line: BatchLine) -> tuple[Path, Path]:
    return line.result_path, extended_path(line.result_path)


def _read(path: Path) -> Record:
    """A result; an empty record if it is none."""
    try:
        record = read_json(path)
    except (FileMissing, FormatError, OSError):
        return {}
    return record if isinstance(record, dict) else {}


def _difference(found: Any, expected: Record) -> str:
    """How a result came to be otherwise than expected, in words; empty if it did not. Names do not count."""
    try:
        if found["submission"]["sha256"] != expected["submission"]["sha256"]:
            return "from another file"
        if found["truth"]["sha256"] != expected["truth"]["sha256"]:
            return "with another truth"
        if found["metric"] != expected["metric"]:
            return f"with metric {found['metric']} first, not {expected['metric']}"
        if found["versions"] != expected["versions"]:
            return f"with {_other_versions(expected['versions'], found['versions'])}"
        if found["rows"] != expected["rows"]:
            return "for other rows: another catalog or other instance classes"
    except (KeyError, TypeError, AttributeError):
        return "by another program, or is damaged: it does not tell from what"
    return ""


def _other_versions(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """`numpy 2.1 instead of 2.4`, for all that differ."""
    names = dict.fromkeys((*expected, *found))
    differing = [name for name in names if expected.get(name) != found.get(name)]
    return ", ".join(
        f"{name} {found.get(name, '-')} instead of {expected.get(name, '-')}" for name in differing
    )


def _outcome(line: BatchLine, status: LineStatus, public: Record, extended: Record) -> LineOutcome:
    crops = [crop for name, crop in extended.items() if name.startswith("crop")]
    rows = Counter(str(row["status"]) for crop in crops for row in crop.values())
    return LineOutcome(line, status, {name: float(public[name]) for name in OVERALL}, dict(rows))
