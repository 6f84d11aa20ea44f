"""The last row is there: a result, pooled by evaluate's own functions, and the submission is scored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import transaction

from organelle.portal.challenge.models import note
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.models import Job, JobEvent, Result, Task
from organelle.portal.submissions.models import NotInThatState, Submission, move

if TYPE_CHECKING:
    from organelle.evaluate import Result as Evaluation
    from organelle.portal.scoring.question import Exam

SYSTEM = "system"
"""Who moves submissions, for their teams to read: names of machines are none of their business."""


def finish_if_done(job: Job, exam: Exam, actor: str) -> bool:
    """Make the result once no row of the job is left, and the submission scored, in one transaction.

    Any number of workers may try; one of them does it. False if rows are left, or somebody else was faster.
    """
    with transaction.atomic():
        found = Job.objects.select_for_update().filter(pk=job.pk, state=Job.State.RUNNING).first()
        if found is None or found.tasks.exclude(state=Task.State.DONE).exists():
            return False
        submission = found.submission
        evaluation = evaluation_of(submission, found.tasks.values_list("row", flat=True), exam)
        _keep(submission.sha256, evaluation, exam)
        Job.objects.filter(pk=job.pk).update(
            state=Job.State.DONE, finished=database_time(), reason="", lease_owner="", lease_until=None
        )
        Task.objects.filter(job=job).update(row=None)  # the result holds all of them
        JobEvent.objects.create(job=found, actor=actor, what="done")
        settle(submission, actor=SYSTEM)
    return True


def settle(submission: Submission, *, actor: str) -> None:
    """A result is there: whoever waits for it is scored and hears of it; others stay what they are."""
    waiting = (Submission.State.QUEUED, Submission.State.SCORING)
    fresh = Submission.objects.get(pk=submission.pk)
    if fresh.state not in waiting:
        return
    try:
        move(fresh, Submission.State.SCORED, actor)
    except NotInThatState:  # cancelled in this moment: the result is there for the next one with this file
        return
    from organelle.portal.news.notices import score_is_ready  # a higher room

    score_is_ready(fresh)


def evaluation_of(submission: Submission, records: Any, exam: Exam) -> Evaluation:
    """The records of all rows as `csc evaluate` would have made them, in the order of the truth.

    Raises:
        ValueError: a record is lacking, or was not written by evaluate.
    """
    from organelle.evaluate import Provenance, Source
    from organelle.evaluate import Result as Evaluation
    from organelle.evaluate.kept import row_from_record

    by_place = {f"crop{r['crop_id']}/{r['class_name']}": r for r in records if r is not None}
    if missing := [row.place for row in exam.plan if row.place not in by_place]:
        raise ValueError(f"no record of {', '.join(missing[:3])}")
    metric = exam.question.metric
    rows = tuple(row_from_record(by_place[row.place], row, metric) for row in exam.plan)
    submitted, truth = Source(submission.name, submission.sha256), Source("truth", exam.question.truth)
    made_with = Provenance(metric, submitted, truth, exam.question.versions, exam.question.configuration)
    return Evaluation(rows, len(exam.catalog.rows()), made_with)


def figures_of(evaluation: Evaluation, private: Collection[int]) -> dict[str, Any]:
    """The fields `scores` and `final` of a result.

    Args:
        evaluation: all rows.
        private: crops that count in `final` only; `scores` are those of a truth without them.
    """
    shown, final = (
        replace(evaluation, rows=tuple(r for r in evaluation.rows if (r.crop_id in private) is hidden))
        for hidden in (False, True)
    )
    return {"scores": scores_of(shown), "final": scores_of(final) if final.rows else {}}


def scores_of(evaluation: Evaluation) -> dict[str, Any]:
    """The scores with full precision, as JSON values; databases may change the order of the classes.

    A class has its `kind`, its `score`, its `ratios` as `csc evaluate` names them, and whether it was
    `submitted` at least once.
    """
    from organelle.classes import Kind
    from organelle.evaluate import extended_record

    kinds = {row.class_name: row.kind for row in evaluation.rows}
    named = extended_record(evaluation)["label_scores"]
    classes = {
        name: {
            "kind": "instance" if kinds[name] is Kind.INSTANCE else "semantic",
            "score": score.score,
            "ratios": _without_counts(named[name]),
            "submitted": name in evaluation.submitted_classes,
        }
        for name, score in evaluation.scores.classes.items()
    }
    found = evaluation.scores
    return {
        "overall": found.overall,
        "instance": found.overall_instance,
        "semantic": found.overall_semantic,
        "classes": classes,
    }


def _without_counts(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name not in ("tp", "fp", "fn")}


def _keep(sha256: str, evaluation: Evaluation, exam: Exam) -> None:
    """Keep the result; one that is there and says something else is replaced, which the audit log tells."""
    from organelle.evaluate.kept import row_record

    figures = figures_of(evaluation, exam.question.private)
    figures["private_crops"] = exam.question.private_crops
    crops = {"rows": [row_record(row) for row in evaluation.rows]}
    values = figures | {"crops": crops}
    result, made = Result.objects.get_or_create(sha256=sha256, **exam.key, defaults=values)
    if not made and any(getattr(result, name) != value for name, value in figures.items()):
        note(None, "result.changed", f"file {sha256[:12]}", before=result.scores["overall"])
        for name, value in values.items():
            setattr(result, name, value)
        result.save()
