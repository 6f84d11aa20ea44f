"""Teams: whoever leads may change them, others may not, and no team reaches into another."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client

from organelle.portal.accounts.forms import TeamForm
from organelle.portal.accounts.models import Invitation, Membership, Team, User
from organelle.portal.accounts.names import plain_name
from organelle.portal.accounts.teams import (
    TeamError,
    find_invitation,
    hand_on,
    invite,
    join,
    leave,
    make_team,
    rename,
    team_of,
)
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.submissions.models import Submission

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(db) -> User:
    return User.objects.of("bob@lab.example")


@pytest.fixture
def eve(db) -> User:
    return User.objects.of("eve@other.example")


def as_(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def add(team: Team, person: User, *, leads: bool = False) -> Membership:
    return Membership.objects.create(team=team, user=person, leads=leads)


def leaders(team: Team) -> list[str]:
    return [m.user.email for m in team.memberships.filter(leads=True)]


def test_a_team_is_made_and_led(signed_in, person):
    assert "Make a team" in signed_in.get("/team/").content.decode()
    signed_in.post("/team/make/", {"name": "  Golgi \t Lab ", "affiliation": "Pavia"})
    team = Team.objects.get()
    assert (team.name, team.slug, team.affiliation, leaders(team)) == (
        "Golgi Lab",
        "golgi-lab",
        "Pavia",
        [person.email],
    )
    assert "Invite somebody" in signed_in.get("/team/").content.decode()
    assert AuditEntry.objects.filter(action="team.made", actor=person).exists()


def test_strangers_are_asked_in_first(client, team):
    assert client.get("/team/")["Location"] == "/sign-in/?next=/team/"
    for page in (
        "make",
        "rename",
        "invite",
        "leave",
        "members/1/remove",
        "members/1/lead",
        "invitations/1/withdraw",
    ):
        assert client.post(f"/team/{page}/").status_code == 302
    assert Team.objects.get().memberships.count() == 1


def test_names_are_taken_whatever_their_case(team, bob):
    Team.objects.create(name="Ядро", slug="team-1")
    for taken in ("golgi", "ЯДРО"):
        with pytest.raises(TeamError, match="choose another"):
            make_team(bob, taken)
    answer = as_(bob).post("/team/make/", {"name": "GOLGI"})
    assert answer.status_code == 422
    assert "There is a team of the name" in answer.content.decode()


def test_names_without_latin_letters_have_an_address_too(bob):
    assert re.fullmatch(r"team-\w{8}", make_team(bob, "細胞").slug)


@pytest.mark.parametrize(
    "name",
    [
        "", "…", "a\u202eb", "a\u200bb", "a\x00b", "see https://evil.example", "WWW.evil.example",
        "Golgi\ufe0f", "Gol\u034fgi", "Golgi\u3164", "\u3164", "Golgi\U000e0101", "\u2800a",
        "x" + "\u0301" * 5,
    ],
)  # fmt: skip
def test_names_that_deceive(name):
    with pytest.raises(ValidationError):
        plain_name(name, 60)


def test_a_name_is_as_long_as_it_is_shown(bob):
    """One letter may stand for eighteen."""
    with pytest.raises(ValidationError, match="at most 60"):
        plain_name("\ufdfa" * 4, 60)
    assert not TeamForm({"name": "Golgi", "affiliation": "\ufdfa" * 120}).is_valid()
    assert len(User.objects.of("a" * 200 + "@lab.example").name) == 100


@pytest.mark.parametrize("name", ["Anonymous 1a2b3c4d", "ANONYMOUS", "Ａnonymous 00000000"])
def test_no_team_passes_for_one_that_wants_no_name(person, team, bob, name):
    plain = plain_name(name, 60)
    with pytest.raises(TeamError, match="choose another name"):
        make_team(bob, plain)
    with pytest.raises(TeamError, match="choose another name"):
        rename(team, person, plain)


def test_names_that_look_alike_are_alike():
    assert plain_name("ｇｏｌｇｉ", 60) == "golgi"


def test_one_is_in_one_team(person, team, bob):
    with pytest.raises(TeamError, match="in a team already"):
        make_team(person, "Second")
    other = make_team(bob, "Other")
    _, word, _ = invite(other, person.email, bob)
    with pytest.raises(TeamError, match="leave it first"):
        join(word, person)
    assert find_invitation(word).accepted is None


def test_limits_are_not_got_round_with_many_teams(bob):
    make_team(bob, "First", now=NOON)
    leave(bob)
    with pytest.raises(TeamError, match="24 hours"):
        make_team(bob, "Second", now=NOON + timedelta(hours=23))
    make_team(bob, "Second", now=NOON + timedelta(hours=24))


def test_an_invitation_by_mail(signed_in, team, bob):
    page = signed_in.post("/team/invite/", {"email": "Bob@Lab.example"}).content.decode()
    assert mail.outbox[0].to == ["bob@lab.example"]
    assert '"Golgi"' in mail.outbox[0].body
    path = re.search(r"http://localhost:8000(/team/join/\S+)", mail.outbox[0].body)[1]
    assert path in page
    stranger = Client()
    assert f"/sign-in/?next={path}" in stranger.get(path).content.decode()
    assert stranger.post(path)["Location"] == f"/sign-in/?next={path}"
    client = as_(bob)
    assert client.get(path).status_code == 200
    assert team_of(bob) is None
    client.post(path)
    assert team_of(bob) == team
    assert leaders(team) == ["ada@lab.example"]


def test_an_invitation_is_for_one_person_and_14_days(team, person, bob, eve):
    _, word, _ = invite(team, "somebody@lab.example", person, NOON)
    with pytest.raises(TeamError, match="too old"):
        join(word, bob, NOON + timedelta(days=14))
    join(word, bob, NOON + timedelta(days=13))
    with pytest.raises(TeamError, match="used already"):
        join(word, eve, NOON + timedelta(days=13))
    answer = as_(eve).post(f"/team/join/{word}/")
    assert answer.status_code == 410
    assert team_of(eve) is None


def test_a_second_invitation_replaces_the_first(team, person, bob):
    _, first, _ = invite(team, bob.email, person)
    invite(team, bob.email, person)
    with pytest.raises(TeamError, match="not known here"):
        join(first, bob)
    with pytest.raises(TeamError, match="in the team already"):
        invite(team, person.email, person)


def test_invitations_have_a_limit(team, person):
    for n in range(20):
        invite(team, f"p{n}@lab.example", person, NOON)
    with pytest.raises(TeamError, match="20 invitations"):
        invite(team, "p20@lab.example", person, NOON)
    assert len(mail.outbox) == 20


def test_withdrawn(signed_in, team, person, bob):
    invitation, word, _ = invite(team, bob.email, person)
    signed_in.post(f"/team/invitations/{invitation.pk}/withdraw/")
    assert as_(bob).post(f"/team/join/{word}/").status_code == 410


def test_only_whoever_leads_may_change_the_team(team, person, bob, eve):
    client, other = as_(bob), add(team, eve)
    add(team, bob)
    invitation, _, _ = invite(team, "x@lab.example", person)
    forbidden = {
        "rename": {"name": "Ours"},
        "invite": {"email": "y@lab.example"},
        f"members/{other.pk}/remove": {},
        f"members/{other.pk}/lead": {},
        f"invitations/{invitation.pk}/withdraw": {},
    }
    assert {client.post(f"/team/{page}/", values).status_code for page, values in forbidden.items()} == {403}
    team.refresh_from_db()
    assert (team.name, team.memberships.count(), team.invitations.count()) == ("Golgi", 3, 1)
    assert "Invite somebody" not in client.get("/team/").content.decode()


def test_no_team_reaches_into_another(signed_in, team, eve):
    other = make_team(eve, "Other")
    victim, invitation = other.memberships.get(), invite(other, "x@lab.example", eve)[0]
    for page in (
        f"members/{victim.pk}/remove",
        f"members/{victim.pk}/lead",
        f"invitations/{invitation.pk}/withdraw",
    ):
        assert signed_in.post(f"/team/{page}/").status_code == 404
    assert leaders(other) == [eve.email]
    assert Invitation.objects.filter(pk=invitation.pk).exists()
    assert leaders(team) == ["ada@lab.example"]


def test_renamed(signed_in, team, eve):
    signed_in.post("/team/rename/", {"name": "Golgi Two", "affiliation": ""})
    team.refresh_from_db()
    assert (team.name, team.slug) == ("Golgi Two", "golgi-two")
    rename(team, eve, "GOLGI two")
    assert team.slug == "golgi-two"
    make_team(eve, "Other")
    answer = signed_in.post("/team/rename/", {"name": "OTHER"}, follow=True)
    assert "choose another one" in answer.content.decode()
    assert signed_in.post("/team/rename/", {"name": ""}).status_code == 422


def test_the_lead_is_handed_on(signed_in, team, person, bob):
    member = add(team, bob)
    signed_in.post(f"/team/members/{member.pk}/lead/")
    assert leaders(team) == [bob.email]
    assert signed_in.post("/team/rename/", {"name": "Mine"}).status_code == 403
    hand_on(team, person.membership, bob)
    assert leaders(team) == [person.email]


def test_a_member_is_removed(signed_in, team, person, bob):
    member = add(team, bob)
    assert signed_in.post(f"/team/members/{person.membership.pk}/remove/").status_code == 404
    signed_in.post(f"/team/members/{member.pk}/remove/")
    assert team_of(bob) is None
    entry = AuditEntry.objects.get(action="team.removed")
    assert (entry.actor, entry.detail) == (person, {"user": bob.pk})


def test_who_is_removed_does_not_come_back_by_an_own_invitation(person, team, bob):
    second = add(team, bob)
    _, word, _ = invite(team, "second.self@lab.example", person)
    _, other, _ = invite(team, "friend@lab.example", bob)
    hand_on(team, second, person)
    leave(person, by=bob)
    with pytest.raises(TeamError, match="not known"):
        find_invitation(word)
    assert find_invitation(other)


def test_who_has_gone_elsewhere_meanwhile_is_not_removed_there(person, team, bob, eve):
    add(team, bob)
    leave(bob)
    other = Team.objects.create(name="Other", slug="other")
    add(other, bob)
    add(other, eve, leads=True)
    leave(bob, by=person)
    assert team_of(bob) == other


def test_who_leads_no_more_removes_nobody(person, team, bob, eve):
    second = add(team, bob)
    add(team, eve)
    hand_on(team, second, person)
    leave(eve, by=person)
    assert team_of(eve) == team


def test_nobody_who_is_closed_out_inherits_the_lead(person, team, bob, eve):
    add(team, bob)
    add(team, eve)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    leave(person)
    assert leaders(team) == [eve.email]


def test_whoever_is_in_it_longest_leads_when_the_lead_leaves(signed_in, team, bob, eve):
    add(team, bob)
    add(team, eve)
    signed_in.post("/team/leave/")
    assert leaders(team) == [bob.email]
    leave(bob)
    assert leaders(team) == [eve.email]


def test_a_team_without_people_stays_if_it_has_handed_something_in(person, team, bob):
    Submission.objects.create(team=team, user=person, sha256="0" * 64, size_bytes=1, name="a.zip")
    leave(person)
    assert Team.objects.get().submissions.count() == 1
    own = make_team(bob, "Empty")
    leave(bob)
    assert not Team.objects.filter(pk=own.pk).exists()
    leave(bob)


def test_forms_from_elsewhere_change_nothing(person, team):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    for page in ("leave", "rename", "invite"):
        assert client.post(f"/team/{page}/", {"name": "x", "email": "x@lab.example"}).status_code == 403
    assert team_of(person).name == "Golgi"


def test_numbers_that_no_table_holds(signed_in, team):
    for number in ("0", "9" * 40):
        for page in ("members/{}/remove", "members/{}/lead", "invitations/{}/withdraw"):
            assert signed_in.post(f"/team/{page.format(number)}/").status_code == 404


def test_a_look_changes_nothing(signed_in, team):
    for page in ("make", "leave", "rename", "invite", "members/1/remove"):
        assert signed_in.get(f"/team/{page}/").status_code == 405
