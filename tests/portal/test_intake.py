"""Whatever is handed in: once per file, within limits, and nothing is spent by what is not taken."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from organelle.portal.accounts.models import Membership, Team, User
from organelle.portal.challenge.models import Phase
from organelle.portal.submissions.fields import file_name, read_fields
from organelle.portal.submissions.intake import hand_in, require_may_hand_in
from organelle.portal.submissions.limits import allowance
from organelle.portal.submissions.models import Submission, Upload, move
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import place_of, stored_path
from organelle.portal.submissions.sweep import sweep

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "submission"))

from attacks import all_attacks
from drawn_submissions import CHALLENGE

from organelle.submission import validate

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def give(user: User, team: Team, content: bytes, folder: Path, **fields) -> Submission:
    path = folder / "coming.part"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return hand_in(
        path, user=user, team=team, sha256=sha256, size_bytes=len(content), name="a.zip", fields=fields
    )


def made(team: Team, state: str, number: int, at: datetime | None = NOON) -> Submission:
    return Submission.objects.create(
        team=team, sha256=f"{number:064}", size_bytes=1, name="x", state=state, attempt_at=at, created=NOON
    )


def test_a_file_becomes_a_submission_with_its_history(entrant, team, portal_folder):
    submission = give(entrant, team, b"zip", portal_folder.uploads, method="U-Net", publish="false")
    assert stored_path(submission).read_bytes() == b"zip"
    assert (submission.state, submission.method, submission.publish) == ("checking", "U-Net", False)
    (step,) = submission.transitions.all()
    assert (step.source, step.target, step.actor) == ("", "checking", str(entrant))
    assert not list(portal_folder.uploads.iterdir())


def test_the_same_file_is_one_submission_per_team(entrant, team, portal_folder, organiser):
    first = give(entrant, team, b"zip", portal_folder.uploads)
    assert give(entrant, team, b"zip", portal_folder.uploads, method="new name") == first
    assert Submission.objects.count() == 1
    other = Team.objects.create(name="Nucleus", slug="nucleus")
    Membership.objects.create(user=organiser, team=other)
    organiser.rules_accepted = "1"
    second = give(organiser, other, b"zip", portal_folder.uploads)
    assert second != first
    assert stored_path(second) == stored_path(first)


def test_a_crash_before_the_submission_was_made_is_mended_by_handing_in_again(entrant, team, portal_folder):
    place = place_of(portal_folder, hashlib.sha256(b"zip").hexdigest())
    place.parent.mkdir()
    place.write_bytes(b"zip")
    assert stored_path(give(entrant, team, b"zip", portal_folder.uploads)).read_bytes() == b"zip"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda user, team: setattr(user, "rules_accepted", "0"), "rules", "/rules/"),
        (lambda user, team: user.membership.delete(), "team", "/team/"),
        (lambda user, team: setattr(team, "is_banned", True), "banned", "ask the organisers"),
        (lambda user, team: Phase.objects.create(kind="closed", starts=NOON), "phase", "closed"),
    ],
)
def test_who_may_not_hand_in_is_told_why(entrant, team, portal_folder, change, code, words):
    change(entrant, team)
    with pytest.raises(Refused, match=words) as told:
        give(entrant, team, b"zip", portal_folder.uploads)
    assert told.value.code == code
    assert not Submission.objects.exists()
    assert not list(portal_folder.submissions.rglob("*.zip"))


def test_the_phase_that_opens_is_named(entrant, team):
    Phase.objects.create(kind="announced", starts=NOON)
    opens = Phase.objects.create(kind="open", starts=NOON + timedelta(days=3))
    with pytest.raises(Refused, match="opens on 2026-05-07 at 12:00 UTC") as told:
        require_may_hand_in(entrant, team, NOON)
    assert told.value.next_at == opens.starts
    assert require_may_hand_in(entrant, team, opens.starts) == team


class TestLimits:
    def test_of_a_day_in_utc(self, entrant, team):
        for number in range(3):
            made(team, "scored", number, NOON - timedelta(hours=number))
        left = allowance(team, NOON)
        assert (left.today_left, left.total_left, left.concurrent_left) == (0, 97, 2)
        assert left.next_at == datetime(2026, 5, 5, tzinfo=UTC)
        with pytest.raises(Refused, match=r"of this day in UTC; the next one .* 2026-05-05 at 00:00 UTC"):
            require_may_hand_in(entrant, team, NOON)
        tomorrow = allowance(team, left.next_at)
        assert (tomorrow.today_left, tomorrow.next_at) == (3, None)
        assert allowance(team, left.next_at - timedelta(microseconds=1)).today_left == 0

    def test_what_is_refused_failed_or_cancelled_costs_nothing(self, team):
        for number, state in enumerate(("refused", "failed", "cancelled")):
            made(team, state, number)
        left = allowance(team, NOON)
        assert (left.today_left, left.total_left, left.concurrent_left) == (3, 100, 2)

    def test_what_is_on_its_way(self, entrant, team):
        made(team, "checking", 1, None)
        assert allowance(team, NOON).today_left == 2
        made(team, "queued", 2)
        with pytest.raises(Refused, match="on their way") as told:
            require_may_hand_in(entrant, team, NOON)
        assert (told.value.code, told.value.next_at) == ("concurrent", None)

    def test_what_an_organiser_holds_lets_others_through(self, team):
        made(team, "held", 1)
        assert allowance(team, NOON).concurrent_left == 2
        assert allowance(team, NOON).today_left == 2

    def test_in_total(self, entrant, team, settings):
        settings.PORTAL = settings.PORTAL.model_copy(
            update={"limits": settings.PORTAL.limits.model_copy(update={"total": 1})}
        )
        made(team, "scored", 1, NOON - timedelta(days=30))
        with pytest.raises(Refused, match="all its attempts") as told:
            require_may_hand_in(entrant, team, NOON)
        assert told.value.next_at is None

    def test_a_clock_that_had_jumped_ahead_does_not_promise_too_early(self, team):
        for number in range(3):
            made(team, "scored", number, NOON + timedelta(days=2))
        assert allowance(team, NOON).next_at == datetime(2026, 5, 7, tzinfo=UTC)

    def test_organisers_own_teams_have_none(self, team):
        team.is_baseline = True
        for number in range(5):
            made(team, "scoring", number)
        assert allowance(team, NOON).lacking == ""


class TestFields:
    def test_what_is_given_is_kept_and_the_rest_passed_over(self):
        given = {"method": " U-Net ", "publish": "no", "anonymous": True, "state": "scored", "lineage": "{}"}
        assert read_fields(given) == {"method": "U-Net", "publish": False, "anonymous": True, "lineage": {}}
        assert read_fields({"description": "a\r\nb", "code_url": ""}) == {
            "description": "a\nb",
            "code_url": "",
        }

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"method": "x" * 101}, "101 letters; at most 100"),
            ({"method": "a\x00b"}, "cannot be shown"),
            ({"method": "\ud800"}, "cannot be shown"),
            ({"method": ["a"]}, "to be a text"),
            ({"publish": "perhaps"}, "true or false, not perhaps"),
            ({"code_url": "javascript:alert(1)"}, "no address of the web"),
            ({"code_url": "ftp://code.example/x"}, "no address of the web"),
            ({"lineage": "[1]"}, "no JSON object"),
            ({"lineage": "{"}, "no JSON"),
            ({"lineage": "[" * 100_000}, "no JSON"),
            ({"lineage": '{"a": NaN}'}, "no JSON"),
            ({"lineage": '{"a": 1e999}'}, "no JSON"),
            ({"lineage": json.dumps({"a": "\x00"})}, "NUL"),
            ({"lineage": '{"a": "\\ud800"}'}, "no JSON"),
            ({"lineage": b"\xff"}, "no JSON"),
        ],
    )
    def test_what_cannot_be_kept_is_refused(self, given, words):
        with pytest.raises(Refused, match=words):
            read_fields(given)

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\users\\ada\\best.zip", "best.zip"),
            ("", "submission.zip"),
            ("..", "submission.zip"),
            ("a\u202egpj.zip", "a\\u202egpj.zip"),
            ("\ud800.zip", "?.zip"),
        ],
    )
    def test_names_are_names(self, given, name):
        assert file_name(given) == name

    def test_long_names_are_shortened(self):
        assert len(file_name("x" * 500)) <= 200


class TestSweep:
    def test_uploads_expire_and_leftovers_go(self, entrant, team, portal_folder):
        submission = give(entrant, team, b"zip", portal_folder.uploads)
        upload = Upload.objects.create(user=entrant, length=5, name="x")
        (portal_folder.uploads / f"{upload.pk}.part").write_bytes(b"ab")
        (portal_folder.uploads / "form.part").write_bytes(b"cut off")
        orphan = place_of(portal_folder, "0" * 64)
        orphan.parent.mkdir()
        orphan.write_bytes(b"nobody's")
        assert sweep().uploads == sweep().leftovers == 0
        later = timezone.now() + timedelta(hours=100)
        found = sweep(later)
        assert (found.uploads, found.leftovers) == (1, 2)
        assert not list(portal_folder.uploads.iterdir())
        assert [*portal_folder.submissions.rglob("*.zip")] == [stored_path(submission)]


def test_hostile_files_go_in_as_bytes_and_come_out_as_reports(
    entrant, team, portal_folder, tmp_path, settings
):
    """Nothing looks into a file before the validator does, and refused ones cost no attempt."""
    for attack in [a for a in all_attacks() if a.scope == "file" and not a.slow]:
        folder = tmp_path / attack.name
        folder.mkdir()
        path = attack.bad(folder)
        if not path.is_file():
            continue
        submission = give(entrant, team, path.read_bytes(), portal_folder.uploads)
        assert validate(stored_path(submission), CHALLENGE, workers=0).errors
        move(submission, Submission.State.REFUSED, "worker", "it cannot be read")
    assert allowance(team).today_left == settings.PORTAL.limits.per_day
