"""Oneself and one's team by the API: the rules of the pages, and tokens that reach no further than told."""

from __future__ import annotations

import pytest
from api_callers import Caller, browser, program
from django.core import mail
from django.test import Client

from organelle.portal.accounts import teams
from organelle.portal.accounts.models import ApiToken, Invitation, Membership, Team, User
from organelle.portal.challenge.models import AuditEntry, Rules
from organelle.portal.submissions.models import Submission

pytestmark = pytest.mark.django_db
OWN = ("me/export", "me/sessions", "me/tokens", "team")


@pytest.fixture
def bob(db) -> User:
    return User.objects.of("bob@lab.example")


@pytest.fixture
def ada(person: User) -> Caller:
    return program(person, "account")


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


class TestScopes:
    @pytest.mark.parametrize("path", OWN)
    def test_reading_and_handing_in_open_no_account(self, person, team, path):
        assert program(person, "read", "submit")("GET", path).status_code == 401
        assert program(person, "account")("GET", path).status_code == 200
        assert browser(person)("GET", path).status_code == 200

    def test_an_account_is_no_permission_to_hand_in(self, person, team):
        assert program(person, "account")("POST", "submissions").status_code == 401

    def test_everybody_with_a_token_may_ask_who_they_are(self, person, organiser):
        for scope in ("read", "submit", "account"):
            assert program(person, scope)("GET", "me").json()["email"] == person.email
        assert program(organiser, "organise")("GET", "me").json()["organiser"]

    def test_a_token_makes_no_token_and_deletes_nobody(self, person, organiser):
        for caller in (program(person, "account"), program(organiser, "account", "organise")):
            made = caller("POST", "me/tokens", name="x", scopes=["read"])
            gone = caller("DELETE", "me", email=person.email)
            assert (made.status_code, gone.status_code) == (401, 401)
        assert ApiToken.objects.count() == 2
        assert User.objects.count() == 2

    def test_a_session_does_not_lend_its_power_to_a_token_beside_it(self, person):
        both = Caller(browser(person).client, program(person, "account").headers)
        assert both("POST", "me/tokens", name="x", scopes=["read"]).status_code == 401

    def test_changes_by_a_session_come_from_our_pages(self, person, team):
        client = Client(enforce_csrf_checks=True)
        client.force_login(person)
        foreign = Caller(client)
        for method, path, fields in (
            ("DELETE", "me", {"email": person.email}),
            ("POST", "me/tokens", {"name": "x", "scopes": ["read"]}),
            ("POST", "team/leave", {}),
            ("DELETE", "me/sessions", {}),
        ):
            answer = foreign(method, path, **fields)
            assert (answer.status_code, "page of this portal" in answer.json()["detail"]) == (403, True)
        assert client.get("/rules/").status_code == 200
        ours = Caller(client, {"X-CSRFToken": client.cookies["csrftoken"].value})
        assert ours("POST", "team/leave").status_code == 204


class TestMe:
    def test_name_and_mails(self, ada, person):
        assert ada("PATCH", "me", name=" Ada \n Lovelace").json()["name"] == "Ada Lovelace"
        assert ada("PATCH", "me", mail_scores=False).json()["mail_scores"] is False
        person.refresh_from_db()
        assert (person.name, person.mail_scores) == ("Ada Lovelace", False)
        answer = ada("PATCH", "me", name="a\u202eb")
        assert answer.status_code == 422
        assert answer.json()["problems"][0]["place"] == "body.name"

    def test_nobody_makes_themselves_an_organiser(self, ada, person):
        assert ada("PATCH", "me", is_staff=True).status_code == 422
        person.refresh_from_db()
        assert not person.is_staff

    def test_the_rules_are_accepted_as_they_were_read(self, ada, person, client):
        read = client.get("/api/rules").json()
        assert "#" in read["text"]
        accepted = ada("POST", "me/rules", version=read["version"]).json()
        assert accepted["version"] == read["version"]
        assert ada("POST", "me/rules", version=read["version"]).json() == accepted
        assert actions() == ["rules.accepted"]
        Rules.objects.create(version="2", text="be kind")
        late = ada("POST", "me/rules", version=read["version"])
        assert (late.status_code, late.json()["code"]) == (409, "rules")
        assert ada("GET", "me").json()["rules_accepted"] is False

    def test_sign_ins_are_seen_and_ended(self, person):
        here, there = browser(person), browser(person)
        listed = here("GET", "me/sessions").json()
        assert [one["current"] for one in listed] == [False, True]
        assert here("DELETE", f"me/sessions/{listed[0]['id']}").status_code == 204
        assert there("GET", "me").status_code == 401
        browser(person)
        assert here("DELETE", "me/sessions").json() == {"ended": 1}
        assert here("GET", "me").status_code == 200
        assert program(person, "account")("DELETE", "me/sessions").json() == {"ended": 1}
        assert here("GET", "me").status_code == 401

    def test_nobody_ends_what_is_somebody_elses(self, person, bob):
        hers = browser(person)
        number = hers("GET", "me/sessions").json()[0]["id"]
        token = program(person, "account")
        eve = program(bob, "account")
        assert eve("DELETE", f"me/sessions/{number}").status_code == 404
        assert eve("DELETE", f"me/tokens/{person.tokens.get().pk}").status_code == 404
        for number in ("0", "9" * 40):
            assert eve("DELETE", f"me/sessions/{number}").status_code == 404
            assert eve("DELETE", f"me/tokens/{number}").status_code == 404
        assert token("GET", "me").status_code == hers("GET", "me").status_code == 200

    def test_a_token_is_made_once_seen_and_revoked(self, person):
        caller = browser(person)
        answer = caller("POST", "me/tokens", name="laptop", scopes=["account"], days=7)
        made = answer.json()
        assert answer.status_code == 201
        assert ApiToken.of(made["token"], "account").user == person
        told = caller("GET", "me/tokens")
        assert [one["prefix"] for one in told.json()] == [made["prefix"]]
        assert made["token"] not in told.content.decode()
        assert ApiToken.objects.get().key not in told.content.decode()
        assert caller("DELETE", f"me/tokens/{made['id']}").json()["revoked"]
        assert ApiToken.of(made["token"], "account") is None
        assert caller("DELETE", f"me/tokens/{made['id']}").status_code == 200
        assert actions() == ["token.made", "token.revoked"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"scopes": ["organise"]}, {"scopes": []}, {"scopes": ["admin"]}, {"days": 9999}, {"name": ""},
            {"name": "a\x00b"}, {"name": "\ud800"}, {"user": 1},
        ],
    )  # fmt: skip
    def test_tokens_that_cannot_be(self, person, fields):
        answer = browser(person)("POST", "me/tokens", **({"name": "x", "scopes": ["read"]} | fields))
        assert answer.status_code == 422
        assert answer.json()["problems"]
        assert not ApiToken.objects.exists()

    def test_twenty_living_tokens(self, person):
        for n in range(20):
            ApiToken.make(person, f"t{n}", ["read"])
        answer = browser(person)("POST", "me/tokens", name="x", scopes=["read"])
        assert (answer.status_code, answer.json()["code"]) == (409, "token")

    def test_the_export_is_that_of_the_page(self, person, team, ada):
        told = ada("GET", "me/export").json()
        assert (told["account"]["email"], told["team"]["leads"]) == (person.email, True)
        assert ApiToken.objects.get().key not in str(told)
        page = browser(person).client.get("/account/export/").json()
        assert page["account"].keys() == told["account"].keys()
        assert actions() == ["account.exported"] * 2

    def test_who_goes_types_the_address(self, person, team):
        caller = browser(person)
        Submission.objects.create(team=team, user=person, sha256="0" * 64, size_bytes=1, name="a.zip")
        assert caller("DELETE", "me", email="bob@lab.example").status_code == 422
        assert User.objects.filter(pk=person.pk).exists()
        assert caller("DELETE", "me", email="ADA@lab.example").status_code == 204
        assert not User.objects.exists()
        assert Submission.objects.get().user is None
        assert caller("GET", "me").status_code == 401

    def test_the_last_organiser_stays(self, organiser):
        answer = browser(organiser)("DELETE", "me", email=organiser.email)
        assert (answer.status_code, answer.json()["code"]) == (409, "organiser")
        assert User.objects.filter(pk=organiser.pk).exists()


class TestTeams:
    def test_a_team_is_made_renamed_and_left(self, ada, person):
        assert ada("GET", "team").status_code == 404
        made = ada("POST", "team", name="  Golgi \t Lab ", affiliation="Pavia")
        assert (made.status_code, made.json()["name"], made.json()["leads"]) == (201, "Golgi Lab", True)
        assert ada("POST", "team", name="Second").status_code == 409
        renamed = ada("PATCH", "team", name="Golgi Two").json()
        assert (renamed["name"], renamed["affiliation"]) == ("Golgi Two", "Pavia")
        assert ada("PATCH", "team", affiliation="").json()["affiliation"] == ""
        assert ada("POST", "team/leave").status_code == 204
        assert not Team.objects.exists()
        assert actions() == ["team.made", "team.renamed", "team.renamed", "team.left"]
        again = ada("POST", "team", name="Third")
        assert (again.status_code, "24 hours" in again.json()["detail"]) == (409, True)

    @pytest.mark.parametrize("name", ["", "…", "a\u200bb", "see https://evil.example", "x" * 61])
    def test_names_that_cannot_be(self, ada, name):
        assert ada("POST", "team", name=name).status_code == 422
        assert not Team.objects.exists()

    def test_a_name_is_taken_whatever_its_case(self, team, bob):
        answer = program(bob, "account")("POST", "team", name="GOLGI")
        assert (answer.status_code, answer.json()["code"]) == (409, "team")

    def test_somebody_is_invited_and_joins(self, ada, team, bob):
        answer = ada("POST", "team/invitations", email="Bob@Lab.example")
        made = answer.json()
        assert (answer.status_code, made["email"], made["sent"]) == (201, bob.email, True)
        assert made["link"] in mail.outbox[0].body
        assert ada("GET", "team").json()["invitations"] == [
            {key: made[key] for key in ("id", "email", "expires")}
        ]
        him = program(bob, "account")
        joined = him("POST", "team/join", word=made["word"]).json()
        assert (joined["name"], joined["leads"], joined["invitations"]) == ("Golgi", False, [])
        assert [one["you"] for one in joined["members"]] == [False, True]
        assert him("POST", "team/join", word=made["word"]).status_code == 410
        assert ada("GET", "team").json()["invitations"] == []

    def test_an_invitation_that_is_withdrawn(self, ada, team, bob):
        made = ada("POST", "team/invitations", email=bob.email).json()
        assert ada("DELETE", f"team/invitations/{made['id']}").status_code == 204
        gone = program(bob, "account")("POST", "team/join", word=made["word"])
        assert (gone.status_code, gone.json()["code"]) == (410, "invitation")
        assert actions()[-1] == "team.withdrew"

    def test_one_is_in_one_team(self, ada, team, bob):
        other = teams.make_team(bob, "Other")
        _, word, _ = teams.invite(other, "ada@lab.example", bob)
        answer = ada("POST", "team/join", word=word)
        assert (answer.status_code, "leave it first" in answer.json()["detail"]) == (409, True)

    def test_invitations_have_a_limit(self, ada, team, person, monkeypatch):
        monkeypatch.setattr(teams, "INVITATIONS_A_DAY", 1)
        assert ada("POST", "team/invitations", email="x@lab.example").status_code == 201
        assert ada("POST", "team/invitations", email="y@lab.example").status_code == 409
        assert ada("POST", "team/invitations", email="no address").status_code == 422
        assert len(mail.outbox) == 1

    def test_only_whoever_leads_changes_the_team(self, team, bob):
        him, lead = program(bob, "account"), team.memberships.get()
        Membership.objects.create(team=team, user=bob)
        invitation, _ = Invitation.make(team, "x@lab.example", bob)
        for method, path, fields in (
            ("PATCH", "team", {"name": "Ours"}),
            ("POST", "team/invitations", {"email": "y@lab.example"}),
            ("DELETE", f"team/invitations/{invitation.pk}", {}),
            ("DELETE", f"team/members/{lead.pk}", {}),
            ("POST", f"team/members/{lead.pk}/lead", {}),
        ):
            answer = him(method, path, **fields)
            assert (answer.status_code, answer.json()["code"]) == (403, "leads"), path
        team.refresh_from_db()
        assert (team.name, team.memberships.count(), team.invitations.count()) == ("Golgi", 2, 1)

    def test_no_team_reaches_into_another(self, ada, team, bob):
        other = teams.make_team(bob, "Other")
        victim, (invitation, _) = other.memberships.get(), Invitation.make(other, "x@lab.example", bob)
        for number in (victim.pk, 0, "9" * 40):
            assert ada("DELETE", f"team/members/{number}").status_code == 404
            assert ada("POST", f"team/members/{number}/lead").status_code == 404
        assert ada("DELETE", f"team/invitations/{invitation.pk}").status_code == 404
        assert other.memberships.get().leads
        assert other.invitations.exists()

    def test_the_lead_is_handed_on_and_members_removed(self, ada, team, person, bob):
        member = Membership.objects.create(team=team, user=bob)
        assert ada("DELETE", f"team/members/{team.memberships.get(user=person).pk}").status_code == 404
        assert ada("POST", f"team/members/{member.pk}/lead").json()["leads"] is False
        assert program(bob, "account")("DELETE", f"team/members/{person.membership.pk}").status_code == 204
        assert ada("GET", "team").status_code == 404
        assert actions() == ["team.handed_on", "team.removed"]

    def test_the_lead_is_not_handed_to_somebody_who_has_left(self, team, person, bob):
        member = Membership.objects.create(team=team, user=bob)
        Membership.objects.filter(pk=member.pk).delete()
        with pytest.raises(teams.TeamError, match="no more"):
            teams.hand_on(team, member, person)
        assert team.memberships.get().leads
