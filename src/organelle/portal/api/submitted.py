"""Submissions as the API tells them to their team: rounded figures, and times cut to the minute."""

from __future__ import annotations

from typing import Any, Literal

from django.conf import settings
from ninja import Field, Schema
from pydantic import BaseModel, ConfigDict

from organelle.portal.submissions.models import Submission, Transition
from organelle.portal.submissions.outlook import problems_of, progress_of, score_of


class ClassFigure(BaseModel):
    """A class of a submission; beside its score the ratios that `csc evaluate` names for its kind."""

    model_config = ConfigDict(extra="allow")
    kind: Literal["instance", "semantic"] | None
    score: float | None


class Figures(Schema):
    """Rounded, as the board shows it; None where there is no figure. Classes not handed in are left out."""

    overall: float | None
    instance: float | None
    semantic: float | None
    classes: dict[str, ClassFigure]


class Score(Figures):
    """On the public crops; `final` are the figures of the private ones, when the final ranking is open."""

    metric: str
    final: Figures | None = None


class Progress(Schema):
    """How far a submission is."""

    place_in_queue: int | None
    done: int
    total: int
    estimate_seconds: float | None


class Problem(Schema):
    """What the validator found."""

    code: str
    severity: str
    place: str
    found: str
    expected: str
    remedy: str


class Step(Schema):
    """From one state into another; times are cut to the minute."""

    time: str
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    actor: str
    reason: str


class Short(Schema):
    """A submission in a list."""

    id: str
    url: str
    name: str
    sha256: str
    size_bytes: int
    team: str
    method: str
    description: str
    code_url: str
    publish: bool
    anonymous: bool
    chosen: bool
    state: str
    reason: str
    over: bool
    created: str
    score: Score | None


class Full(Short):
    """All that its team may know of a submission."""

    progress: Progress | None
    problems: list[Problem]
    history: list[Step]


def submission_record(submission: Submission) -> dict[str, Any]:
    """What lists say of a submission."""
    return {
        "id": str(submission.pk),
        "url": f"{settings.PORTAL_URL}/submissions/{submission.pk}/",
        "name": submission.name,
        "sha256": submission.sha256,
        "size_bytes": submission.size_bytes,
        "team": submission.team.name,
        "method": submission.method,
        "description": submission.description,
        "code_url": submission.code_url,
        "publish": submission.publish,
        "anonymous": submission.anonymous,
        "chosen": submission.chosen,
        "state": submission.state,
        "reason": submission.reason,
        "over": submission.is_over,
        "created": submission.created.isoformat(),
        "score": score_of(submission),
    }


def full_record(submission: Submission) -> dict[str, Any]:
    """All that its team may know."""
    return submission_record(submission) | {
        "progress": progress_of(submission),
        "problems": problems_of(submission),
        "history": [_step_record(step) for step in submission.transitions.all()],
    }


def _step_record(step: Transition) -> dict[str, str]:
    """Times are cut to the minute: how long the scoring of a file takes tells something of the truth."""
    return {
        "time": step.time.replace(second=0, microsecond=0).isoformat(),
        "from": step.source,
        "to": step.target,
        "actor": step.actor,
        "reason": step.reason,
    }
