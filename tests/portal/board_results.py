"""Results as scoring stores them, made up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.text import slugify

from organelle.classes import Kind
from organelle.evaluate import Row
from organelle.evaluate.kept import row_record
from organelle.evaluate.records import Provenance, Source
from organelle.evaluate.records import Result as Evaluation
from organelle.metrics import InstanceCounts, PanopticCounts, SemanticCounts
from organelle.portal.accounts.models import Team
from organelle.portal.scoring.finish import figures_of
from organelle.portal.scoring.models import Result
from organelle.portal.submissions.models import Submission

METRIC = "2026-06"
INSTANCE, SEMANTIC = "mito", "er"
N_CROPS = 8


def instance_row(crop: int, name: str, tp: int, fp: int, fn: int, distance: float) -> Row:
    """A row of objects; `distance` is the sum of its Hausdorff terms."""
    objects = InstanceCounts(tp, fp, fn, distance, tp, n_truth=tp + fn)
    panoptic = PanopticCounts(tp, fp, fn, distance, n_truth=tp + fn)
    counts = {METRIC: objects, "2026-07": objects, "pq": panoptic}
    return Row(crop, name, Kind.INSTANCE, objects, "scored", 1000, (8.0, 8.0, 8.0), by_version=counts)


def semantic_row(crop: int, name: str, tp: int, fp: int, fn: int, *, is_missing: bool = False) -> Row:
    """A row of voxels."""
    found = SemanticCounts(tp, fp, fn)
    counts = dict.fromkeys((METRIC, "2026-07", "pq"), found)
    status = "missing" if is_missing else "scored"
    return Row(
        crop,
        name,
        Kind.SEMANTIC,
        found,
        status,
        1000,
        (8.0, 8.0, 8.0),
        is_missing=is_missing,
        by_version=counts,
    )


def rows_of(quality: float, *, n_crops: int = N_CROPS, shift: int = 0) -> list[Row]:
    """Rows of eight crops that differ, as good as `quality` says (0 to 1)."""
    rows = []
    for crop in range(n_crops):
        good = round((0.35 + 0.65 * ((crop * 7 + shift) % n_crops) / n_crops) * quality * 997)
        rows.append(instance_row(crop, INSTANCE, good, 997 - good, 113, good * (0.5 + 0.4 * quality)))
        rows.append(semantic_row(crop, SEMANTIC, good * 9, 1500 - good, 997))
    return rows


def evaluation(rows: list[Row], metric: str = METRIC) -> Evaluation:
    """What evaluate would have returned."""
    made_with = Provenance(metric, Source("file", "f" * 64), Source("truth", "t" * 64))
    return Evaluation(tuple(rows), len(rows), made_with)


def keep_result(sha256: str, rows: list[Row], **key: str) -> Result:
    """Store what scoring would store; `private_crops` may be part of the key."""
    question = {"metric": METRIC, "truth": "t" * 64, "configuration": "c" * 64} | key
    result = Result(sha256=sha256, crops={"rows": [row_record(row) for row in rows]}, **question)
    figures = figures_of(evaluation(rows, result.metric), result.private)
    result.scores, result.final = figures["scores"], figures["final"]
    result.save()
    return result


def scored_submission(
    team: str | Team,
    rows: list[Row] | float,
    *,
    day: int = 1,
    key: Mapping[str, str] | None = None,
    **values: Any,
) -> Submission:
    """A team with a published submission that is scored."""
    if isinstance(team, str):
        team, _ = Team.objects.get_or_create(name=team, defaults={"slug": slugify(team)})
    n = Submission.objects.count()
    sha256 = values.pop("sha256", hashlib.sha256(f"{team} {n}".encode()).hexdigest())
    given = {"state": "scored", "size_bytes": 10, "name": f"{n}.zip"} | values
    when = datetime(2026, 3, day, 12, 34, 56, tzinfo=UTC)
    submission = Submission.objects.create(team=team, sha256=sha256, created=when, attempt_at=when, **given)
    if not Result.objects.filter(sha256=sha256, **(key or {})).exists():
        keep_result(sha256, rows_of(rows) if isinstance(rows, float) else rows, **(key or {}))
    return submission
