"""What people do with what they handed in, and who may: its team, and organisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from organelle.portal.accounts.models import Team, User
from organelle.portal.challenge.models import Phase, note
from organelle.portal.submissions.fields import EDITABLE, read_fields
from organelle.portal.submissions.models import NotInThatState, Submission
from organelle.portal.submissions.refusal import Refused


def visible_to(user: User) -> QuerySet:
    """The submissions that somebody may see: those of the own team; organisers see all."""
    found = Submission.objects.select_related("team", "user")
    return found if user.is_organiser else found.filter(team__memberships__user=user)


def may_change(user: User, submission: Submission) -> bool:
    """Whether somebody may edit and cancel it: the members of its team, and organisers."""
    return user.is_organiser or submission.team.memberships.filter(user=user).exists()


def may_choose(user: User, submission: Submission) -> bool:
    """Whether somebody may say which submission counts: those who lead the team, and organisers."""
    leads = submission.team.memberships.filter(user=user, leads=True).exists()
    return user.is_organiser or leads


def edit(submission: Submission, user: User, given: Mapping[str, Any]) -> Submission:
    """Change description, link and consents; other fields stay as they are.

    Raises:
        Refused: values that cannot be, see `read_fields`; another consent when the ranking is final.
    """
    values = {key: value for key, value in read_fields(given).items() if key in EDITABLE}
    changed = {key: value for key, value in values.items() if getattr(submission, key) != value}
    if "publish" in changed:
        _require_open_ranking(user)
    for key, value in changed.items():
        setattr(submission, key, value)
    if changed:
        submission.save(update_fields=[*changed])
        if not submission.publish:  # else the choice stays whatever it is by now
            Submission.objects.filter(pk=submission.pk).update(chosen=False)
            submission.chosen = False
        note(user, "submission.edited", f"submission {submission.pk}", fields=sorted(changed))
    return submission


def cancel(submission: Submission, user: User) -> Submission:
    """Take a submission out of the queue; it costs no attempt.

    Raises:
        Refused: its way is over already.
    """
    from organelle.portal.scoring import queue

    try:
        queue.cancel(submission, user, "cancelled by its team")
    except NotInThatState:
        submission.refresh_from_db()
        state = submission.get_state_display()
        raise Refused(f"this submission can no longer be cancelled: it is {state}", "state") from None
    return submission


def choose(submission: Submission, user: User, *, chosen: bool = True) -> Submission:
    """Let this submission count on the board, or, with `chosen` false, the team's best again.

    Raises:
        Refused: somebody who does not lead the team, no score yet, no consent to publish, a ranking that is
            final.
    """
    if not may_choose(user, submission):
        raise Refused(f"who leads the team {submission.team} chooses; ask them to", "state")
    _require_open_ranking(user)
    if chosen and submission.state != Submission.State.SCORED:
        state = submission.get_state_display()
        raise Refused(f"only what is scored can be chosen; this submission is {state}", "state")
    if chosen and not submission.publish:
        raise Refused("this submission may not stand on the board; give your consent first", "state")
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=submission.team_id)  # lest two at once choose two
        Submission.objects.filter(team=submission.team, chosen=True).update(chosen=False)
        Submission.objects.filter(pk=submission.pk).update(chosen=chosen)
        note(user, "submission.chosen", f"submission {submission.pk}", chosen=chosen)
    submission.chosen = chosen
    return submission


def is_ranking_open(user: User) -> bool:
    """Once the final ranking can be read, nobody picks a submission by it; organisers may mend it."""
    return bool(user.is_organiser) or not Phase.is_final()


def _require_open_ranking(user: User) -> None:
    if not is_ranking_open(user):
        raise Refused("the ranking is final; ask the organisers if it must change", "phase")
