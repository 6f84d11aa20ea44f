"""A batch of rows, scored by evaluate's children and kept one by one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

from django.conf import settings

from organelle.children import Job as ChildJob
from organelle.children import Outcome, Why
from organelle.errors import FileMissing, SubmissionError
from organelle.evaluate import Crew, PlannedRow, Row
from organelle.evaluate.kept import row_record
from organelle.evaluate.records import TRUTH_ERROR, UNREADABLE
from organelle.evaluate.stamps import Stamps
from organelle.files import sha256
from organelle.portal.scoring.check import Wait
from organelle.portal.scoring.faults import OurFault
from organelle.portal.scoring.finish import finish_if_done
from organelle.portal.scoring.leases import Batch, keep_row
from organelle.portal.scoring.models import Worker
from organelle.portal.scoring.question import Exam, NoQuestion
from organelle.portal.submissions.models import Submission
from organelle.portal.submissions.store import stored_path

if TYPE_CHECKING:
    from pathlib import Path


class PatientCrew(Crew):
    """A crew for which a child that somebody kills is our fault, and not a row that counts as missing."""

    def run(self, call: str, jobs: Sequence[ChildJob]) -> Iterator[Outcome]:
        """`Crew.run`, ended by `OurFault` when a job's process was killed again and again."""
        for outcome in super().run(call, jobs):
            if outcome.failure is not None and outcome.failure.why is Why.KILLED:
                raise OurFault(f"{outcome.key}: {outcome.failure}")
            yield outcome


def score(batch: Batch, exam: Exam, worker: Worker, wait: Wait = nullcontext) -> None:
    """Score the rows of a batch and keep each as it comes; the last row of all makes the result.

    A row that asks for more memory or time than a row may counts as missing: that is the submission's own
    fault. Rows that another worker has taken over meanwhile are left to it.

    Args:
        batch: leased by `worker`.
        exam: what the batch's job asks.
        worker: who scores.
        wait: entered while a row is waited for, and left before it is kept; it may end the wait by an error.

    Raises:
        NoQuestion: the truth was changed or is gone.
        OurFault: the stored file is gone or damaged, or children were killed.
        ScoringError: a crop too large for this machine.
    """
    submission = batch.job.submission
    path = stored_path(submission)
    tasks = {(task.crop_id, task.class_name): task for task in batch.tasks}
    plan = [row for row in exam.plan if (row.crop_id, row.class_name) in tasks]
    rows = _rows(path, plan, exam, submission)
    with closing(rows):
        while True:
            with wait():
                found = next(rows, None)
            if found is None:
                break
            planned, row = found
            if not keep_row(tasks[planned.crop_id, planned.class_name], worker, row_record(row)):
                return
    finish_if_done(batch.job, exam, worker.name)


def _rows(
    path: Path, plan: Sequence[PlannedRow], exam: Exam, submission: Submission
) -> Generator[tuple[PlannedRow, Row], None, None]:
    from organelle.submission import open_submission

    try:
        handed_in = open_submission(path, expected=tuple(exam.truth.classes))
    except (FileMissing, SubmissionError) as error:
        raise OurFault(f"the stored file cannot be read: {error}; bring it back from a backup") from error
    with handed_in:
        stamps = Stamps(plan, exam.truth, handed_in)
        _require_same(exam)  # after the stamps: what changes later, they notice
        crew = PatientCrew(settings.PORTAL.scoring_processes)
        for planned, row in crew.score(plan, exam.truth, handed_in, metric=exam.question.metric):
            stamps.require_unchanged(planned)
            if row.status == TRUTH_ERROR:
                _require_same(exam)
            if row.status == UNREADABLE and sha256(path) != submission.sha256:
                raise OurFault(f"the file {path} is damaged: its hash is another one; bring it back")
            yield planned, row


def _require_same(exam: Exam) -> None:
    if not exam.still_stands():
        raise NoQuestion("the truth was changed while it was scored with; it is read again")
