"""What organisers do by the API: for them alone, as on their pages, and all of it in the log."""

from __future__ import annotations

from datetime import timedelta

import pytest
from api_callers import Caller, browser, program
from django.test import Client
from django.utils import timezone
from scored_files import State, handed_in, worker

from organelle.portal.accounts.closing import set_office
from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.accounts.personal import LastOrganiser
from organelle.portal.accounts.teams import TeamError, put_in, take_out
from organelle.portal.challenge.models import AuditEntry, Phase, Rules
from organelle.portal.challenge.rules import rules_version
from organelle.portal.news.models import OutgoingMail, Post, Subscriber
from organelle.portal.news.posting import visible
from organelle.portal.scoring import queue
from organelle.portal.scoring.leases import take_check
from organelle.portal.scoring.models import Job, Question, Result
from organelle.portal.submissions import backups
from organelle.portal.submissions.models import Upload

pytestmark = pytest.mark.django_db
NONE = "00000000-0000-0000-0000-000000000000"
PLACES = (
    "submissions",
    "jobs",
    "concerns",
    "workers",
    "storage",
    "limits",
    "log",
    "users",
    "teams",
    "phases",
    "rules",
    "posts",
    "subscribers",
    "mails",
    "tokens",
    "settings",
    "questions",
    "results",
    "backups",
)


@pytest.fixture
def desk(organiser: User, portal_folder) -> Caller:
    return program(organiser, "organise")


def last() -> AuditEntry:
    return AuditEntry.objects.latest("pk")


class TestBounds:
    @pytest.mark.parametrize("team", ["99999999999999999999", "-99999999999999999999", "0", "x"])
    def test_teams_that_no_table_holds(self, desk, team):
        assert desk("GET", f"organise/submissions?team={team}").status_code == 422

    def test_half_a_letter_is_kept_by_nobody(self, desk, organiser):
        assert desk("POST", "organise/posts", title="News", body="\ud800").status_code == 422
        assert program(organiser, "account")("POST", "team/join", word="\ud800").status_code == 422
        assert desk("POST", "organise/posts", title="Nouvelles", body="été 😀").status_code == 201


class TestWho:
    @pytest.mark.parametrize("place", PLACES)
    def test_organisers_alone(self, desk, person, team, organiser, place):
        assert desk("GET", f"organise/{place}").status_code == 200
        assert browser(organiser)("GET", f"organise/{place}").status_code == 200
        assert browser(person)("GET", f"organise/{place}").status_code == 403
        other = program(person, "read", "submit", "account", "organise")
        assert other("GET", f"organise/{place}").status_code == 401
        assert Caller(Client())("GET", f"organise/{place}").status_code == 401

    def test_another_scope_of_an_organiser_is_not_enough(self, organiser):
        assert program(organiser, "read", "submit", "account")("GET", "organise/log").status_code == 401

    def test_the_token_ends_with_the_office(self, desk, organiser):
        assert desk("GET", "organise/log").status_code == 200
        for change in ({"is_superuser": False}, {"is_staff": False}, {"is_staff": True, "is_active": False}):
            User.objects.filter(pk=organiser.pk).update(**change)
            assert desk("GET", "organise/log").status_code == 401, change

    def test_only_organisers_give_this_scope(self, person, organiser):
        asked = {"name": "desk", "scopes": ["organise"]}
        assert browser(person)("POST", "me/tokens", **asked).status_code == 422
        page = browser(person).client.post("/account/tokens/", asked | {"days": "7"})
        assert page.status_code == 422
        assert "organise:" not in browser(person).client.get("/account/tokens/").content.decode()
        assert not ApiToken.objects.exists()
        assert browser(organiser)("POST", "me/tokens", **asked).status_code == 201
        assert browser(organiser).client.post("/account/tokens/", asked | {"days": "7"}).status_code == 200
        assert ApiToken.objects.count() == 2

    def test_changes_by_a_session_come_from_our_pages(self, organiser, team):
        client = Client(enforce_csrf_checks=True)
        client.force_login(organiser)
        assert Caller(client)("PATCH", f"organise/teams/{team.pk}", banned=True).status_code == 403
        team.refresh_from_db()
        assert not team.is_banned


class TestSubmissions:
    def test_all_are_seen_and_chosen_by_state_and_team(self, desk, team):
        held, other = handed_in(team, State.HELD), Team.objects.create(name="Other", slug="other")
        handed_in(other, State.REFUSED, sha256="b" * 64)
        assert desk("GET", "organise/submissions").json()["count"] == 2
        found = desk("GET", "organise/submissions?state=held").json()
        assert [(one["id"], one["team_id"]) for one in found["items"]] == [(str(held.pk), team.pk)]
        found = desk("GET", f"organise/submissions?team={other.pk}").json()
        assert [one["state"] for one in found["items"]] == ["refused"]
        assert desk("GET", "organise/submissions?limit=1&offset=1").json()["items"][0]["id"] == str(held.pk)

    @pytest.mark.parametrize(
        ("deed", "state", "becomes"),
        [
            ("release", State.HELD, State.QUEUED),
            ("release", State.REFUSED, None),
            ("cancel", State.QUEUED, State.CANCELLED),
            ("cancel", State.SCORED, None),
            ("requeue", State.CANCELLED, State.CHECKING),
            ("requeue", State.FAILED, State.CHECKING),
            ("rescore", State.SCORED, State.SCORED),
            ("rescore", State.FAILED, None),
        ],
    )
    def test_what_is_done_to_one(self, desk, team, organiser, deed, state, becomes):
        submission = handed_in(team, state)
        answer = desk("POST", f"organise/submissions/{submission.pk}/{deed}", reason="looked at it")
        submission.refresh_from_db()
        if becomes is None:
            assert (answer.status_code, answer.json()["code"], submission.state) == (409, "state", state)
            assert not AuditEntry.objects.exists()
            return
        assert (answer.status_code, answer.json()["state"], submission.state) == (200, becomes, becomes)
        entry = last()
        assert (entry.actor, entry.detail["reason"]) == (organiser, "looked at it")
        assert entry.about == f"submission {submission.pk}"

    def test_a_release_does_not_undo_what_its_team_has_done_meanwhile(self, team, organiser):
        held = handed_in(team, State.HELD)
        queue.cancel(type(held).objects.get(pk=held.pk), None)
        with pytest.raises(queue.NotInThatState):
            queue.begin_again(held, organiser)

    def test_everything_again(self, desk, team, organiser):
        handed_in(team, State.SCORED)
        handed_in(team, State.HELD, sha256="b" * 64)
        assert desk("POST", "organise/rescore", reason="a new truth").json() == {"count": 1}
        assert (last().actor, last().detail["reason"]) == (organiser, "a new truth")

    def test_what_is_not_there(self, desk, team):
        submission = handed_in(team)
        for path, status in (
            (f"organise/submissions/{NONE}/cancel", 404),
            (f"organise/submissions/{submission.pk}/delete", 422),
            ("organise/submissions/12/cancel", 404),
        ):
            assert desk("POST", path).status_code == status, path
        assert desk("GET", f"organise/submissions/{NONE}").status_code == 404
        wrong = desk("POST", f"organise/submissions/{submission.pk}/cancel", reason="x\u202ey")
        assert wrong.status_code == 422
        assert "cannot be shown" in wrong.json()["problems"][0]["found"]

    def test_jobs_and_what_happened_to_them(self, desk, team):
        submission = handed_in(team)
        queue.derive_jobs(None)
        take_check(worker())
        (job,) = desk("GET", "organise/jobs?state=running").json()["items"]
        assert (job["submission_id"], job["kind"], job["rows"]) == (str(submission.pk), "check", 0)
        assert desk("GET", "organise/jobs?kind=score").json()["count"] == 0
        events = desk("GET", f"organise/jobs/{job['id']}").json()["events"]
        assert [(one["actor"], one["what"]) for one in events] == [("one", "started")]
        assert desk("GET", f"organise/submissions/{submission.pk}").json()["jobs"] == [job]
        for number in ("0", "9" * 40):
            assert desk("GET", f"organise/jobs/{number}").status_code == 404


class TestWatching:
    def test_workers_and_concerns(self, desk, team):
        assert desk("GET", "organise/concerns").json() == []
        handed_in(team)
        assert desk("GET", "organise/concerns").json() == ["no worker is there, and submissions wait"]
        gone = worker("gone")
        type(gone).objects.update(stopped=timezone.now())
        worker("here")
        found = desk("GET", "organise/workers").json()
        assert {(one["name"], one["alive"]) for one in found} == {("gone", False), ("here", True)}

    def test_storage_counts_a_file_once(self, desk, team, person):
        other = Team.objects.create(name="Other", slug="other")
        empty = desk("GET", "organise/storage").json()
        assert (empty["files"], empty["file_bytes"], empty["upload_bytes"]) == (0, 0, 0)
        for group in (team, other):
            handed_in(group)
        Upload.objects.create(user=person, length=9, offset=5, name="b.zip")
        told = desk("GET", "organise/storage").json()
        assert (told["files"], told["file_bytes"]) == (1, 1)
        assert (told["uploads"], told["upload_bytes"]) == (1, 5)
        assert 0 < told["free_bytes"] <= told["disk_bytes"]

    def test_the_log_is_paged_and_searched(self, desk, person, organiser):
        for n in range(3):
            AuditEntry.objects.create(actor=person, actor_name="ada", action=f"a{n}", about="team 7")
        AuditEntry.objects.create(action="b")
        told = desk("GET", "organise/log?limit=2&about=team 7").json()
        assert (told["count"], [one["action"] for one in told["items"]]) == (3, ["a2", "a1"])
        assert (told["items"][0]["actor_name"], told["items"][0]["actor_id"]) == ("ada", person.pk)
        assert desk("GET", "organise/log?action=b").json()["items"][0]["actor_id"] is None
        assert desk("GET", "organise/log?action=%00").json()["count"] == 0
        assert desk("GET", "organise/log?limit=0").status_code == 422

    def test_the_settings_without_secrets(self, desk, settings):
        settings.PORTAL = settings.PORTAL.model_copy(update={"metrics_token": "of a monitor"})
        answer = desk("GET", "organise/settings")
        found = {one["key"]: one for one in answer.json()}
        assert (found["metrics_token"]["text"], found["limits.per_day"]["text"]) == ("set, not shown", "3")
        assert "of a monitor" not in answer.content.decode()
        for truth, told in (
            ("https://a.example/t?X-Sign=abc", "https://a.example/t?..."),
            ("https://[bad", "set, not shown"),
        ):
            settings.PORTAL = settings.PORTAL.model_copy(update={"url": truth})
            found = {one["key"]: one for one in desk("GET", "organise/settings").json()}
            assert found["url"]["text"] == told

    def test_a_backup_is_asked_for_and_fetched_in_person(self, desk, organiser, portal_folder, monkeypatch):
        assert desk("GET", "organise/backups").json() == []
        place, office = "organise/backups", browser(organiser)
        assert desk("POST", place).status_code == 401
        with backups._lock():
            nothing = office("POST", place)
        assert (nothing.status_code, "is being made" in nothing.json()["detail"]) == (409, True)
        monkeypatch.setattr(backups, "_start", lambda name, _: (backups.place() / name).touch())
        begun = office("POST", place)
        name = begun.json()["name"]
        assert (begun.status_code, last().action) == (202, "backup.begun")
        (backups.place() / name).write_bytes(b"all of it")
        (backups.place() / name).with_suffix(".log").touch()
        (told,) = desk("GET", "organise/backups").json()
        assert (told["name"], told["size_bytes"], told["trouble"]) == (name, 9, "")
        place = f"organise/backups/{name}"
        assert desk("GET", place).status_code == desk("DELETE", place).status_code == 401
        assert b"".join(office("GET", place).streaming_content) == b"all of it"
        assert last().action == "backup.downloaded"
        assert office("DELETE", place).status_code == 204
        assert office("GET", place).status_code == office("DELETE", place).status_code == 404
        for other in ("..%2Fsecret.key", "secret.key", ".lock"):
            assert office("GET", f"organise/backups/{other}").status_code == 404

    def test_the_limits(self, desk, settings):
        assert desk("GET", "organise/limits").json() == settings.PORTAL.limits.model_dump()


class TestPeople:
    def test_people_are_found(self, desk, person, team):
        (found,) = desk("GET", "organise/users?search=ADA@").json()["items"]
        assert (found["email"], found["team_id"], found["organiser"]) == (person.email, team.pk, False)
        assert desk("GET", f"organise/users/{person.pk}").json() == found
        assert desk("GET", "organise/users?active=false").json()["count"] == 0

    def test_who_is_closed_out_is_out_at_once(self, desk, person, organiser):
        session, token = browser(person), program(person, "account")
        place = f"organise/users/{person.pk}"
        assert desk("PATCH", place, active=False).json()["active"] is False
        assert session("GET", "me").status_code == token("GET", "me").status_code == 401
        assert not person.sign_ins.exists()
        entry = last()
        assert (entry.actor, entry.action, entry.about) == (organiser, "user.changed", f"user {person.pk}")
        assert desk("PATCH", place, active=True).json()["active"] is True
        assert token("GET", "me").status_code == 200
        assert desk("PATCH", place, active=True).status_code == 200
        assert AuditEntry.objects.filter(action="user.changed").count() == 2

    def test_tokens_are_seen_and_revoked_but_not_their_words(self, desk, person, organiser):
        _, word = ApiToken.make(person, "laptop", ["read"])
        answer = desk("GET", f"organise/tokens?search={word[:10]}")
        (found,) = answer.json()["items"]
        assert word not in answer.content.decode()
        assert (found["user_id"], found["email"], found["revoked"]) == (person.pk, person.email, None)
        assert desk("GET", "organise/tokens?search=ada@").json()["items"] == [found]
        assert desk("DELETE", f"organise/tokens/{found['id']}").json()["revoked"]
        assert ApiToken.of(word, "read") is None
        assert (last().action, last().actor, last().detail["by"]) == ("token.revoked", organiser, "api")
        assert desk("DELETE", f"organise/tokens/{'9' * 40}").status_code == 404

    def test_in_person_organisers_are_made_and_dismissed(self, desk, organiser, person):
        place, office = f"organise/users/{person.pk}/office", browser(organiser)
        assert desk("PUT", place, organiser=True).status_code == 401
        assert office("PUT", place, organiser=True).json()["organiser"] is True
        entry = last()
        assert (entry.action, entry.detail["fields"]) == ("user.changed", ["is_staff", "is_superuser"])
        assert browser(person)("GET", "organise/log").status_code == 200
        assert office("PUT", place, organiser=True).status_code == 200
        assert last().action == "user.changed"
        assert AuditEntry.objects.filter(action="user.changed").count() == 1, "nothing has changed"
        assert office("PUT", place, organiser=False).json()["organiser"] is False
        office("PUT", place, organiser=True)
        assert desk("PATCH", f"organise/users/{person.pk}", active=False).json()["organiser"] is False
        shut = office("PUT", place, organiser=True)
        assert (shut.status_code, shut.json()["code"]) == (409, "closed out")
        let_in = desk("PATCH", f"organise/users/{person.pk}", active=True).json()
        assert let_in["organiser"] is False, "no token gives an office back"
        own = office("PUT", f"organise/users/{organiser.pk}/office", organiser=False)
        assert (own.status_code, own.json()["code"]) == (409, "organiser")
        assert browser(person)("GET", "organise/log").status_code == 403

    def test_in_person_records_are_changed_and_accounts_deleted(self, desk, organiser, person):
        place, office = f"organise/users/{person.pk}", browser(organiser)
        assert desk("PATCH", f"{place}/record", name="Eve").status_code == 401
        own = office("PATCH", f"organise/users/{organiser.pk}/record", email="typo@nowhere.example")
        assert own.status_code == 409, "one's own address takes a link to the new one"
        for name in ("", "a\u202eb", "x" * 101):
            assert office("PATCH", f"{place}/record", name=name).status_code == 422, name
        assert office("PATCH", f"{place}/record", name="Eve  L.").json()["name"] == "Eve L."
        person.refresh_from_db()
        told = office("PATCH", f"{place}/record", email="ADA@New.example").json()
        assert (told["email"], told["name"]) == ("ada@new.example", str(person))
        taken = office("PATCH", f"{place}/record", email=organiser.email)
        assert (taken.status_code, taken.json()["problems"][0]["place"]) == (422, "body.email")
        assert office("PATCH", f"{place}/record", email="no address").status_code == 422
        assert desk("DELETE", place).status_code == 401
        assert office("DELETE", f"organise/users/{organiser.pk}").status_code == 409
        assert office("DELETE", place).status_code == 204
        assert not User.objects.filter(pk=person.pk).exists()
        assert (last().action, last().actor) == ("account.deleted", organiser)

    def test_members_come_lead_and_go(self, desk, team, person, organiser):
        bob = User.objects.of("bob@lab.example")
        place, office = f"organise/teams/{team.pk}/members/{bob.pk}", browser(organiser)
        assert desk("PUT", place).status_code == 401
        members = office("PUT", place).json()["members"]
        assert [(one["user_id"], one["leads"]) for one in members] == [(person.pk, True), (bob.pk, False)]
        assert (last().action, last().detail) == ("team.added", {"user": bob.pk, "by": "api"})
        members = office("PUT", place, leads=True).json()["members"]
        assert [(one["user_id"], one["leads"]) for one in members] == [(person.pk, False), (bob.pk, True)]
        assert (last().action, last().detail) == ("team.handed_on", {"user": bob.pk, "by": "api"})
        assert office("PUT", place, leads=False).json()["members"] == members, "somebody must lead"
        assert desk("DELETE", place).status_code == 204
        assert (last().action, last().actor) == ("team.removed", organiser)
        assert team.memberships.get().leads
        assert desk("DELETE", place).status_code == 404
        for path in (f"organise/teams/{'9' * 40}/members/1", f"organise/teams/{team.pk}/members/{'9' * 40}"):
            assert desk("DELETE", path).status_code == office("PUT", path).status_code == 404, path
        assert desk("DELETE", f"organise/teams/{team.pk}/members/{person.pk}").status_code == 204
        assert (last().action, Team.objects.exists()) == ("team.deleted", False)

    def test_nobody_joins_who_is_closed_out(self, organiser, team):
        gone = User.objects.of("gone@lab.example")
        User.objects.filter(pk=gone.pk).update(is_active=False)
        answer = browser(organiser)("PUT", f"organise/teams/{team.pk}/members/{gone.pk}", leads=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "closed out")
        assert team.memberships.count() == 1

    def test_what_two_do_at_one_moment_is_done_once(self, team, person, organiser):
        member = Membership.objects.get(user=person)
        for _ in range(2):
            take_out(member, organiser, "api")
        noted = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
        assert list(noted) == ["team.removed", "team.deleted"]
        with pytest.raises(TeamError, match="gone"):
            put_in(team, person, organiser, "api")

    def test_one_organiser_stays(self, organiser, person):
        User.objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True)
        person.refresh_from_db()
        set_office(User.objects.get(pk=person.pk), organiser, "api", organiser=False)
        with pytest.raises(LastOrganiser):  # by somebody who was one when they asked
            set_office(organiser, person, "api", organiser=False)

    def test_nobody_is_in_two_teams(self, organiser, team, person):
        other = Team.objects.create(name="Other", slug="other")
        answer = browser(organiser)("PUT", f"organise/teams/{other.pk}/members/{person.pk}", leads=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "team")
        assert User.objects.get(pk=person.pk).membership.team == team

    def test_a_team_is_renamed_and_deleted_if_it_did_nothing(self, desk, team, person):
        place = f"organise/teams/{team.pk}"
        told = desk("PATCH", place, name="Vesicles", banned=True).json()
        assert (told["name"], told["slug"], told["banned"]) == ("Vesicles", "vesicles", True)
        Team.objects.create(name="Other", slug="other")
        assert desk("PATCH", place, name="OTHER", banned=False).status_code == 409
        team.refresh_from_db()
        assert team.is_banned, "all of a change is done, or nothing"
        submission = handed_in(team)
        assert desk("DELETE", place).status_code == 409
        submission.delete()
        assert desk("DELETE", place).status_code == 204
        assert (last().action, Team.objects.filter(pk=team.pk).exists()) == ("team.deleted", False)

    def test_nobody_closes_out_themselves_or_makes_organisers(self, desk, organiser, person):
        answer = desk("PATCH", f"organise/users/{organiser.pk}", active=False)
        assert (answer.status_code, answer.json()["code"]) == (409, "organiser")
        assert desk("PATCH", f"organise/users/{person.pk}", active=True, is_staff=True).status_code == 422
        assert desk("PATCH", "organise/users/0", active=True).status_code == 404
        person.refresh_from_db()
        assert not person.is_staff

    def test_a_team_is_excluded_and_let_in(self, desk, team, person, organiser):
        place = f"organise/teams/{team.pk}"
        told = desk("PATCH", place, banned=True).json()
        assert (told["banned"], told["baseline"], told["left"]["today_left"]) == (True, False, 3)
        assert [one["email"] for one in told["members"]] == [person.email]
        entry = last()
        assert (entry.actor, entry.action, entry.detail["fields"]) == (
            organiser,
            "team.changed",
            ["is_banned"],
        )
        assert [one["id"] for one in desk("GET", "organise/teams?banned=true").json()["items"]] == [team.pk]
        assert desk("GET", "organise/teams?search=olg").json()["count"] == 1
        desk("PATCH", place, banned=False)
        desk("PATCH", place)
        team.refresh_from_db()
        assert not team.is_banned
        assert AuditEntry.objects.filter(action="team.changed").count() == 2


class TestPhases:
    def test_a_phase_is_added_changed_and_removed(self, desk, organiser):
        answer = desk("POST", "organise/phases", kind="open", starts="2026-03-01T12:00:00+01:00")
        made = answer.json()
        assert (answer.status_code, made["starts"]) == (201, "2026-03-01T11:00:00Z")
        place = f"organise/phases/{made['id']}"
        assert desk("PATCH", place, kind="closed").json() == made | {"kind": "closed"}
        assert desk("GET", "organise/phases").json() == [made | {"kind": "closed"}]
        assert desk("PATCH", place, kind="closed").status_code == 200
        assert desk("DELETE", place).status_code == 204
        assert desk("DELETE", place).status_code == 404
        assert not Phase.objects.exists()
        noted = list(AuditEntry.objects.order_by("pk").values_list("action", "about", "actor"))
        what = ("added", "changed", "deleted")
        assert noted == [(f"phase.{one}", f"phase {made['id']}", organiser.pk) for one in what]

    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": "soon"}, {"starts": "2026-03-01T12:00:00"}, {"starts": "0001-01-01T00:00:00+14:00"},
            {"starts": 1e300}, {"starts": None}, {"note": "x" * 301}, {"note": "a\x00"}, {"end": 1},
        ],
    )  # fmt: skip
    def test_phases_that_cannot_be(self, desk, fields):
        given = {"kind": "open", "starts": "2026-03-01T12:00:00Z"} | fields
        assert desk("POST", "organise/phases", **given).status_code == 422
        assert not Phase.objects.exists()

    def test_no_two_phases_begin_at_one_moment(self, desk):
        given = {"kind": "open", "starts": "2026-03-01T12:00:00Z"}
        desk("POST", "organise/phases", **given)
        again = desk("POST", "organise/phases", **given)
        assert (again.status_code, again.json()["problems"][0]["place"]) == (422, "body.starts")


class TestRules:
    def test_a_version_holds_from_its_moment_on_and_its_words_stay(self, desk, person):
        made = desk("POST", "organise/rules", version="2", text="Be *kind*.").json()
        assert rules_version() == "2"
        place = f"organise/rules/{made['id']}"
        later = (timezone.now() + timedelta(days=1)).isoformat()
        assert desk("PATCH", place, holds_from=later).json()["text"] == "Be *kind*."
        assert rules_version() == "1"
        assert desk("PATCH", place, holds_from=later, text="Be rude.").status_code == 422
        assert [one["version"] for one in desk("GET", "organise/rules").json()] == ["2"]
        noted = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
        assert list(noted) == ["rules.added", "rules.changed"]

    @pytest.mark.parametrize(
        "fields", [{"version": ""}, {"version": "2"}, {"version": "x" * 33}, {"text": ""}, {"text": "a\x00"}]
    )
    def test_versions_that_cannot_be(self, desk, fields):
        Rules.objects.create(version="2", text="Be kind.")
        assert desk("POST", "organise/rules", **({"version": "3", "text": "x"} | fields)).status_code == 422
        assert Rules.objects.count() == 1


class TestSubscribers:
    def test_they_are_found_and_taken_off(self, desk):
        for name in ("ada", "ben"):
            Subscriber.objects.create(email=f"{name}@lab.example", leave_key=f"leave-{name}")
        assert [one["email"] for one in desk("GET", "organise/subscribers").json()["items"]] == [
            "ada@lab.example",
            "ben@lab.example",
        ]
        answer = desk("GET", "organise/subscribers?search=BEN")
        (found,) = answer.json()["items"]
        assert "leave" not in answer.content.decode(), "with its word anybody could take them off"
        assert desk("DELETE", f"organise/subscribers/{found['id']}").status_code == 204
        assert desk("DELETE", f"organise/subscribers/{found['id']}").status_code == 404
        assert Subscriber.objects.get().email == "ada@lab.example"
        assert last().action == "subscriber.deleted"


class TestMails:
    def test_what_has_not_left_is_tried_again(self, desk, organiser):
        stuck = OutgoingMail.objects.create(to="ada@lab.example", subject="a", text="secret", attempts=9)
        gone = OutgoingMail.objects.create(to="ben@lab.example", subject="b", text="x", sent=timezone.now())
        answer = desk("GET", "organise/mails?left=false")
        (found,) = answer.json()["items"]
        assert (found["id"], found["attempts"]) == (stuck.pk, 9)
        assert "secret" not in answer.content.decode(), "a mail may hold a link that signs in"
        found = desk("GET", "organise/mails?left=true&search=BEN").json()["items"]
        assert [one["id"] for one in found] == [gone.pk]
        assert desk("POST", f"organise/mails/{stuck.pk}/again").json()["attempts"] == 0
        assert (last().action, last().actor) == ("mail.again", organiser)
        assert desk("POST", f"organise/mails/{gone.pk}/again").status_code == 409
        now = timezone.now()
        for minutes, kept in ((4, True), (60, False)):
            OutgoingMail.objects.filter(pk=stuck.pk).update(not_before=now + timedelta(minutes=minutes))
            desk("POST", f"organise/mails/{stuck.pk}/again")
            stuck.refresh_from_db()
            assert (stuck.not_before > now + timedelta(minutes=1)) is kept, "it may be on its way"
        assert desk("POST", "organise/mails/0/again").status_code == 404


class TestResults:
    def test_a_result_is_forgotten_and_asked_for_again(self, desk, team, organiser):
        submission = handed_in(team, State.SCORED)
        key = {"metric": "1", "truth": "t" * 64, "configuration": "c" * 64}
        question = Question.objects.create(**key, rows=3)
        for sha256 in (submission.sha256, "b" * 64):
            Result.objects.create(sha256=sha256, **key, scores={"overall": 0.123456789}, crops={"7": {}})
        assert desk("GET", "organise/questions").json()["items"][0]["id"] == question.pk
        assert desk("GET", "organise/results?metric=1").json()["count"] == 2
        (found,) = desk("GET", f"organise/results?sha256={submission.sha256}").json()["items"]
        assert (found["scores"], found["final"], "crops" in found) == ({"overall": 0.123456789}, {}, False)
        assert desk("DELETE", f"organise/results/{found['id']}").status_code == 204
        assert desk("DELETE", f"organise/results/{found['id']}").status_code == 404
        entry = last()
        assert (entry.action, entry.actor, entry.detail) == ("result.forgotten", organiser, {"metric": "1"})
        assert Result.objects.get().sha256 == "b" * 64


class TestPosts:
    def test_from_draft_to_out_and_away(self, desk, organiser):
        answer = desk("POST", "organise/posts", title="Phase two begins", body="*Now.*")
        made = answer.json()
        assert (answer.status_code, made["slug"], made["stage"]) == (201, "phase-two-begins", "draft")
        assert made["author_id"] == organiser.pk
        place = f"organise/posts/{made['id']}"
        later = (timezone.now() + timedelta(days=1)).isoformat()
        assert desk("PATCH", place, published=later).json()["stage"] == "scheduled"
        assert not visible().exists()
        assert desk("PATCH", place, published=timezone.now().isoformat()).json()["stage"] == "out"
        assert [post.slug for post in visible()] == ["phase-two-begins"]
        changed = desk("PATCH", place, body="*Soon.*").json()
        assert (changed["body"], changed["stage"]) == ("*Soon.*", "out")
        assert desk("PATCH", place, published=None).json()["stage"] == "draft"
        assert desk("DELETE", place).status_code == 204
        assert desk("GET", place).status_code == 404
        noted = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
        assert list(noted) == ["post.added", *["post.changed"] * 4, "post.deleted"]

    def test_chosen_by_stage(self, desk):
        now = timezone.now()
        times = {"draft": None, "scheduled": now + timedelta(days=1), "out": now - timedelta(days=1)}
        for stage, moment in times.items():
            Post.objects.create(slug=stage, title=stage, body="x", published=moment)
        for stage in times:
            (found,) = desk("GET", f"organise/posts?stage={stage}").json()["items"]
            assert (found["slug"], found["stage"]) == (stage, stage)
        assert desk("GET", "organise/posts").json()["count"] == 3
        assert desk("GET", "organise/posts?stage=lost").status_code == 422

    @pytest.mark.parametrize(
        "fields",
        [
            {"slug": "feed"}, {"slug": "a b"}, {"slug": "taken"}, {"title": ""}, {"title": "…"}, {"body": ""},
            {"title": "x" * 151}, {"body": "a\x00"}, {"published": "soon"}, {"author": 1},
        ],
    )  # fmt: skip
    def test_posts_that_cannot_be(self, desk, fields):
        Post.objects.create(slug="taken", title="Taken", body="x")
        answer = desk("POST", "organise/posts", **({"title": "New", "body": "x"} | fields))
        assert answer.status_code == 422
        assert answer.json()["problems"]
        assert Post.objects.count() == 1

    def test_who_wrote_it_first_stays_its_author(self, desk, person):
        post = Post.objects.create(slug="a", title="A", body="x", author=person)
        assert desk("PATCH", f"organise/posts/{post.pk}", title="B").json()["author_id"] == person.pk


def test_a_job_of_a_participant_is_none_of_their_business(person, team):
    submission = handed_in(team)
    job = Job.objects.create(submission=submission, kind=Job.Kind.CHECK)
    for caller, status in ((browser(person), 403), (program(person, "read", "submit", "account"), 401)):
        assert caller("GET", f"organise/jobs/{job.pk}").status_code == status
        assert caller("POST", f"organise/submissions/{submission.pk}/cancel").status_code == status
    submission.refresh_from_db()
    assert submission.state == State.CHECKING
