"""Files handed in, their rows as evaluate scores them, and a worker made of one's hands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from organelle.evaluate import Result as Evaluation
from organelle.evaluate.kept import row_record
from organelle.portal.accounts.models import Team
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.finish import finish_if_done
from organelle.portal.scoring.leases import keep_row, take_rows
from organelle.portal.scoring.models import Job, Worker
from organelle.portal.scoring.question import Exam
from organelle.portal.scoring.queue import derive_jobs
from organelle.portal.submissions.models import Submission

State = Submission.State


def handed_in(team: Team, state: str = State.CHECKING, sha256: str = "a" * 64, **values: Any) -> Submission:
    """A submission in some state, checked where it has to be."""
    if state in Submission.COUNTED:
        values = {"attempt_at": database_time(), "report": {"ok": True}} | values
    return Submission.objects.create(
        team=team, sha256=sha256, size_bytes=1, name="mine.zip", state=state, **values
    )


def worker(name: str = "one") -> Worker:
    return Worker.objects.create(name=name, version="0")


def job_of(submission: Submission) -> Job:
    return submission.jobs.latest("id")


@dataclass(frozen=True)
class ByHand:
    """Scores rows with what evaluate found before, so that no process has to start."""

    exam: Exam
    evaluation: Evaluation

    def score(self, who: Worker, most: int = 100) -> int:
        """Take at most so many rows, and keep them; returns how many were kept."""
        derive_jobs(self.exam)
        batch = take_rows(who, self.exam.key, most)
        if batch is None:
            return 0
        kept = sum(keep_row(task, who, self.record(task)) for task in batch.tasks)
        finish_if_done(batch.job, self.exam, who.name)
        return kept

    def record(self, task: Any) -> dict[str, Any]:
        place = f"crop{task.crop_id}/{task.class_name}"
        return row_record(next(row for row in self.evaluation.rows if row.place == place))
