"""What organisers do to submissions, and from which states: the admin and the API call the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from organelle.portal.scoring import queue
from organelle.portal.submissions.models import NotInThatState, Submission

State = Submission.State
UNDER_WAY = tuple(state for state in State.values if state not in Submission.OVER)
BY_AN_ORGANISER = "by an organiser"


@dataclass(frozen=True)
class Deed:
    """Something that can be done to a submission.

    Attributes:
        act: takes the submission, who does it, and why.
        states: from which it can be done.
        words: what was done.
    """

    act: Callable[[Submission, Any, str], object]
    states: tuple[str, ...]
    words: str


DEEDS = {
    "requeue": Deed(queue.begin_again, tuple(State.values), "begin again"),
    "release": Deed(queue.begin_again, (str(State.HELD),), "released"),
    "cancel": Deed(queue.cancel, UNDER_WAY, "cancelled"),
    "rescore": Deed(queue.begin_again, (str(State.SCORED),), "scored again"),
}


def do(deed: Deed, submission: Submission, actor: Any, reason: str = "") -> None:
    """Do `deed` to a submission, read freshly from the database.

    Args:
        deed: one of `DEEDS`.
        submission: any.
        actor: the organiser.
        reason: for the audit log; where the state changes its team reads it, too.

    Raises:
        NotInThatState: it cannot be done in the state that the submission is in; nothing was changed.
    """
    submission.refresh_from_db()
    if submission.state not in deed.states:
        raise NotInThatState(f"{submission} is {submission.state}; that is done to {', '.join(deed.states)}")
    deed.act(submission, actor, reason or BY_AN_ORGANISER)
