"""The one way in: whatever is handed in, by whichever door, becomes a submission here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from organelle.files import locked
from organelle.portal.accounts.models import Team, User
from organelle.portal.challenge.models import Phase, note
from organelle.portal.challenge.rules import rules_version
from organelle.portal.submissions.fields import file_name, read_fields
from organelle.portal.submissions.limits import allowance
from organelle.portal.submissions.models import Submission, Transition
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import folder, keep


def team_of(user: User) -> Team | None:
    """The team that somebody is in."""
    return Team.objects.filter(memberships__user=user).first()


def require_may_hand_in(user: User, team: Team | None, now: datetime | None = None) -> Team:
    """The team, if this person may hand something in for it at this moment.

    Raises:
        Refused: no phase that takes submissions, rules that are not accepted, no team, no attempt left.
    """
    moment = now or timezone.now()
    _require_phase(moment)
    if user.rules_accepted != rules_version(moment):
        raise Refused(
            "you have not accepted the rules that hold now; read and accept them at /rules/", "rules"
        )
    if team is None or not team.memberships.filter(user=user).exists():
        raise Refused("you are in no team; make one or join one at /team/, alone or with others", "team")
    if team.is_banned:
        raise Refused(f"the team {team} may not hand in; ask the organisers why", "banned")
    _require_allowance(team, moment)
    return team


def hand_in(
    path: Path,
    *,
    user: User,
    team: Team,
    sha256: str,
    size_bytes: int,
    name: str,
    fields: Mapping[str, Any],
) -> Submission:
    """Take the file at `path` for `team`; the same file of the same team is one submission, however often.

    The file is moved away, first to where it stays, then its submission is made in one transaction. If the
    process dies in between, the file is a leftover, and handing in again goes on from there.

    Args:
        path: on the portal's disk; gone afterwards, unless it is refused.
        user: who hands in.
        team: for whom.
        sha256: of the bytes, which the caller has counted.
        size_bytes: of the file.
        name: of the file, as its owner calls it.
        fields: see `read_fields`.

    Raises:
        Refused: see `require_may_hand_in`, and fields that cannot be. Nothing is kept, no attempt is spent.
    """
    if known := known_submission(team, sha256):
        path.unlink(missing_ok=True)
        return known
    values = read_fields(fields)
    require_may_hand_in(user, team)
    with storing():
        keep(path, sha256)
        return _make(user, team, sha256, size_bytes, file_name(name), values)


@contextmanager
def storing() -> Iterator[None]:
    """While a file is made a submission nobody clears leftovers away."""
    with locked(folder().submissions / ".lock"):
        yield


def known_submission(team: Team | None, sha256: str) -> Submission | None:
    """What this team has handed in already with these bytes."""
    return Submission.objects.filter(team=team, sha256=sha256).first() if team and sha256 else None


def _make(
    user: User, team: Team, sha256: str, size_bytes: int, name: str, values: dict[str, Any]
) -> Submission:
    """One at a time for each team, so that two at once do not share the last attempt."""
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        if known := known_submission(team, sha256):
            return known
        require_may_hand_in(user, team)
        submission = Submission.objects.create(
            team=team, user=user, sha256=sha256, size_bytes=size_bytes, name=name, **values
        )
        Transition.objects.create(
            submission=submission, actor=str(user), target=submission.state, reason="handed in"
        )
        note(user, "submission.handed_in", f"submission {submission.pk}", sha256=sha256, bytes=size_bytes)
    return submission


def _require_phase(now: datetime) -> None:
    if Phase.takes_submissions(now):
        return
    phase, coming = Phase.current(now), Phase.next(now)
    words = phase.get_kind_display() if phase else "not announced yet"
    opens = coming.starts if coming and coming.kind == Phase.Kind.OPEN else None
    when = f" It opens on {opens:%Y-%m-%d at %H:%M} UTC." if opens else ""
    raise Refused(f"nothing is taken now: the challenge is {words}.{when}", "phase", opens)


def _require_allowance(team: Team, now: datetime) -> None:
    left = allowance(team, now)
    if not (lacking := left.lacking):
        return
    words = {
        "total": f"the team {team} has used all its attempts",
        "day": f"the team {team} has used its attempts of this day in UTC",
        "concurrent": f"the team {team} has as many submissions on their way as it may; "
        "wait until one is through, or cancel one",
    }[lacking]
    when = f"; the next one may be handed in on {left.next_at:%Y-%m-%d at %H:%M} UTC" if left.next_at else ""
    raise Refused(words + when, lacking, left.next_at)
