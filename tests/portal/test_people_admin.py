"""What organisers do with people and teams, and that all of it is written down."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.challenge.models import AuditEntry, Phase, Rules
from organelle.portal.submissions.models import Submission

pytestmark = pytest.mark.django_db
WHEN = {"0": "2026-01-01", "1": "00:00:00"}


@pytest.fixture
def desk(organiser) -> Client:
    client = Client()
    client.force_login(organiser)
    return client


def saved(desk: Client, page: str, **changes) -> int:
    """Send a form of the admin as it stands, with changes; the status of the answer."""
    form = desk.get(page).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    values = {name: value for name, value in (values | changes).items() if value not in (None, False)}
    return desk.post(page, inline | values).status_code


def actions() -> set[str]:
    return set(AuditEntry.objects.values_list("action", flat=True))


@pytest.mark.parametrize(
    "page",
    [
        "", "accounts/user/", "accounts/team/", "accounts/team/add/", "accounts/apitoken/",
        "challenge/phase/", "challenge/phase/add/", "challenge/rules/", "challenge/auditentry/",
    ],
)  # fmt: skip
def test_the_desk_is_for_organisers(desk, signed_in, team, page):
    assert desk.get(f"/admin/{page}").status_code == 200
    assert signed_in.get(f"/admin/{page}", follow=True).status_code == 403


def test_what_means_nothing_here_is_not_shown(desk):
    for page in ("auth/group/", "socialaccount/socialapp/", "account/emailaddress/", "accounts/user/add/"):
        assert desk.get(f"/admin/{page}").status_code in (403, 404)


def test_a_phase_is_set_and_noted(desk):
    assert (
        saved(desk, "/admin/challenge/phase/add/", kind="open", starts_0="2026-03-01", starts_1="12:00")
        == 302
    )
    assert Phase.objects.get().kind == "open"
    assert "phase.added" in actions()


def test_whoever_is_closed_out_is_out_at_once(desk, signed_in, person):
    page = f"/admin/accounts/user/{person.pk}/change/"
    assert saved(desk, page, is_active=False) == 302
    assert signed_in.get("/account/").status_code == 302
    entry = AuditEntry.objects.get(action="user.changed")
    assert (entry.actor_name, entry.about, entry.detail["fields"]) == (
        "chief",
        f"user {person.pk}",
        ["Active"],
    )


def test_another_organiser_may_do_all_that_organisers_do(desk, person):
    saved(desk, f"/admin/accounts/user/{person.pk}/change/", is_staff="on")
    other = Client()
    other.force_login(User.objects.get(pk=person.pk))
    assert other.get("/admin/challenge/phase/").status_code == 200


def test_an_organiser_who_is_closed_out_is_none_when_let_in_again(desk, person):
    place = f"/admin/accounts/user/{person.pk}/change/"
    assert saved(desk, place, is_staff=True) == 302
    for active in (False, True):
        assert saved(desk, place, is_active=active) == 302
        person.refresh_from_db()
        assert (person.is_active, person.is_staff, person.is_superuser) == (active, False, False)


def test_nobody_closes_out_themselves(desk, organiser):
    page = f"/admin/accounts/user/{organiser.pk}/change/"
    assert saved(desk, page, is_active=False, is_staff=False, is_superuser=False) == 302
    organiser.refresh_from_db()
    assert organiser.is_organiser
    assert organiser.is_superuser


def test_an_address_of_another_is_refused_in_any_case(desk, person):
    User.objects.of("bob@lab.example")
    page = f"/admin/accounts/user/{person.pk}/change/"
    assert saved(desk, page, email="BOB@Lab.example") == 200
    assert saved(desk, page, email="ADA@Home.example") == 302
    person.refresh_from_db()
    assert person.email == "ada@home.example"


def test_deleting_people_is_forgetting_them(desk, organiser, person, team):
    ApiToken.make(person, "laptop", ["read"])
    Submission.objects.create(team=team, user=person, sha256="0" * 64, size_bytes=1, name="a.zip")
    assert desk.post(f"/admin/accounts/user/{person.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(User.objects.all()) == [organiser]
    assert Submission.objects.get().user is None
    assert "account.deleted" in actions()


def with_member(desk: Client, team: Team, person: User) -> int:
    """Save the page of a team with one more member."""
    row = {"memberships-TOTAL_FORMS": "1", "memberships-0-user": person.pk, "memberships-0-team": team.pk}
    row |= {
        f"{key}_{part}": text for key in ("created", "memberships-0-since") for part, text in WHEN.items()
    }
    return saved(desk, f"/admin/accounts/team/{team.pk}/change/", **row)


def test_whoever_is_put_into_an_empty_team_leads_it(desk, person, team):
    Membership.objects.filter(user=person).delete()
    assert with_member(desk, team, person) == 302
    assert team.memberships.get().leads


def test_the_history_of_these_pages_forgets_names_too(desk, person, team):
    person.name = "Ada Lovelace"
    person.save()
    Membership.objects.filter(user=person).delete()
    assert with_member(desk, team, person) == 302
    assert saved(desk, f"/admin/accounts/user/{person.pk}/change/", mail_scores=False) == 302
    before = str(list(LogEntry.objects.values()))
    assert before.count("Ada Lovelace") == 2
    assert desk.post(f"/admin/accounts/user/{person.pk}/delete/", {"post": "yes"}).status_code == 302
    left = str(list(LogEntry.objects.values()))
    assert "Ada" not in left
    assert "Golgi" in left


def test_organisers_do_not_delete_themselves_here(desk, organiser, person):
    assert desk.post(f"/admin/accounts/user/{organiser.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [organiser.pk, person.pk], "post": "yes"}
    desk.post("/admin/accounts/user/", chosen)
    assert list(User.objects.all()) == [organiser]


def test_a_team_with_submissions_is_not_deleted(desk, person, team):
    made = Submission.objects.create(team=team, user=person, sha256="0" * 64, size_bytes=1, name="a.zip")
    page = f"/admin/accounts/team/{team.pk}/delete/"
    assert desk.post(page, {"post": "yes"}).status_code == 403
    made.delete()
    assert desk.post(page, {"post": "yes"}).status_code == 302
    assert not Team.objects.exists()


def test_tokens_are_seen_and_revoked_but_not_read(desk, person):
    token, word = ApiToken.make(person, "laptop", ["read"])
    page = desk.get(f"/admin/accounts/apitoken/{token.pk}/change/").content.decode()
    assert token.prefix in page
    assert token.key not in page
    desk.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    assert ApiToken.of(word, "read") is None
    assert "token.revoked" in actions()


def test_the_log_is_only_read(desk, organiser):
    entry = AuditEntry.objects.create(action="x")
    assert desk.post(f"/admin/challenge/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.post(f"/admin/challenge/auditentry/{entry.pk}/change/", {"action": "y"}).status_code == 403
    assert desk.get("/admin/challenge/auditentry/add/").status_code == 403


def test_rules_that_were_accepted_stay_as_they_were(desk):
    rules = Rules.objects.create(version="2", text="be kind")
    saved(desk, f"/admin/challenge/rules/{rules.pk}/change/", text="be cruel", version="3")
    rules.refresh_from_db()
    assert (rules.version, rules.text) == ("2", "be kind")
