"""One's own account: changed, exported, deleted; tokens are shown once and reach no further than told."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from organelle.portal.accounts.models import ApiToken, LoginLink, Membership, Team, User
from organelle.portal.accounts.personal import GONE, LastOrganiser, change, forget
from organelle.portal.challenge.models import AuditEntry, note
from organelle.portal.news.models import Subscriber
from organelle.portal.scoring.models import Job
from organelle.portal.submissions.actions import cancel
from organelle.portal.submissions.models import Submission, Transition

pytestmark = pytest.mark.django_db
PAGES = ("/account/", "/account/tokens/", "/account/export/", "/account/delete/")


@pytest.fixture
def submission(person, team) -> Submission:
    User.objects.filter(pk=person.pk).update(name="Ada Lovelace")
    person.refresh_from_db()
    made = Submission.objects.create(team=team, user=person, sha256="0" * 64, size_bytes=7, name="try.zip")
    Transition.objects.create(submission=made, actor=str(person), target="checking")
    return made


@pytest.mark.parametrize("page", PAGES)
def test_strangers_are_asked_in_first(client, page):
    assert client.get(page)["Location"] == f"/sign-in/?next={page}"


def test_name_and_mail(signed_in, person):
    signed_in.post("/account/", {"name": " Ada \n Lovelace"})
    person.refresh_from_db()
    assert (person.name, person.mail_scores) == ("Ada Lovelace", False)
    answer = signed_in.post("/account/", {"name": "a\u202eb", "mail_scores": "on"})
    assert answer.status_code == 422
    assert "cannot be seen" in answer.content.decode()


def test_nobody_makes_themselves_an_organiser(signed_in, person):
    signed_in.post(
        "/account/", {"name": "Ada", "is_staff": "on", "is_superuser": "1", "email": "x@lab.example"}
    )
    person.refresh_from_db()
    assert (person.is_staff, person.is_superuser, person.email) == (False, False, "ada@lab.example")


def moving_link() -> str:
    return re.search(r"http://localhost:8000(/sign-in/\S+)", mail.outbox[-1].body)[1]


def test_a_new_address_is_ours_when_its_link_came_back(signed_in, person):
    signed_in.post("/account/address/", {"email": "Ada@home.example"})
    assert mail.outbox[0].to == ["ada@home.example"]
    person.refresh_from_db()
    assert person.email == "ada@lab.example"
    signed_in.post(moving_link())
    person.refresh_from_db()
    assert person.email == "ada@home.example"


def test_the_link_to_a_new_address_signs_in_nobody(signed_in, person):
    signed_in.post("/account/address/", {"email": "victim@home.example"})
    victim = Client()
    assert victim.get(moving_link()).status_code == 403
    assert victim.post(moving_link()).status_code == 403
    victim.force_login(User.objects.of("victim2@home.example"))
    assert victim.post(moving_link()).status_code == 403
    person.refresh_from_db()
    assert person.email == "ada@lab.example"


def test_the_address_of_somebody_else(signed_in, person):
    User.objects.of("bob@lab.example")
    signed_in.post("/account/address/", {"email": "bob@lab.example"})
    answer = signed_in.post(moving_link())
    assert answer.status_code == 403
    assert "Another account has this address" in answer.content.decode()
    assert User.objects.filter(email="ada@lab.example").exists()


def made_token(client: Client, **values) -> str:
    page = client.post("/account/tokens/", {"name": "laptop", "scopes": ["read"], "days": "7", **values})
    found = re.search(r"csc_[\w-]{43}", page.content.decode())
    return found[0] if found else ""


def test_a_token_is_shown_once_and_kept_as_a_hash(signed_in, person):
    word = made_token(signed_in)
    assert ApiToken.of(word, "read").user == person
    assert ApiToken.of(word, "submit") is None
    assert word not in signed_in.get("/account/tokens/").content.decode()
    assert word not in str(list(ApiToken.objects.values()))
    assert word[:10] in signed_in.get("/account/tokens/").content.decode()


def test_a_token_ends_by_itself(signed_in):
    word = made_token(signed_in)
    now = timezone.now()
    assert ApiToken.of(word, "read", now + timedelta(days=6, hours=23))
    assert ApiToken.of(word, "read", now + timedelta(days=7, seconds=1)) is None


def test_a_token_is_revoked_by_its_owner_only(signed_in, person):
    word = made_token(signed_in)
    token = ApiToken.objects.get()
    other = Client()
    other.force_login(User.objects.of("bob@lab.example"))
    assert other.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert ApiToken.of(word, "read")
    signed_in.post(f"/account/tokens/{token.pk}/revoke/")
    assert ApiToken.of(word, "read") is None
    assert "revoked" in signed_in.get("/account/tokens/").content.decode()


@pytest.mark.parametrize("values", [{"scopes": ["admin"]}, {"scopes": []}, {"days": "9999"}, {"name": ""}])
def test_tokens_that_cannot_be(signed_in, values):
    assert made_token(signed_in, **values) == ""
    assert not ApiToken.objects.exists()


def test_twenty_living_tokens(signed_in, person):
    for n in range(20):
        ApiToken.make(person, f"t{n}", ["read"])
    assert made_token(signed_in) == ""
    ApiToken.objects.filter(name="t0").update(revoked=timezone.now())
    assert made_token(signed_in)


def test_the_export_holds_what_is_ones_own_and_no_secret(signed_in, person, submission):
    word = made_token(signed_in)
    other = Team.objects.create(name="Other", slug="other")
    Submission.objects.create(team=other, user=None, sha256="1" * 64, size_bytes=7, name="not mine.zip")
    answer = signed_in.get("/account/export/")
    told = json.loads(answer.content)
    assert "attachment" in answer["Content-Disposition"]
    assert told["account"]["email"] == person.email
    assert told["team"] == {"name": "Golgi", "affiliation": "", "leads": True}
    assert [s["name"] for s in told["submissions"]] == ["try.zip"]
    assert told["tokens"][0]["prefix"] == word[:10]
    token = ApiToken.objects.get()
    for secret in (word, token.key, signed_in.session.session_key):
        assert secret not in answer.content.decode()


def test_who_goes_takes_everything_along_but_the_submissions(signed_in, person, team, submission):
    bob = User.objects.of("bob@lab.example")
    Membership.objects.create(user=bob, team=team)
    Subscriber.objects.create(email=person.email, leave_key="k")
    LoginLink.make(person.email)
    word = made_token(signed_in)
    note(person, "something")
    assert signed_in.post("/account/delete/", {"email": "bob@lab.example"}).status_code == 422
    assert User.objects.filter(pk=person.pk).exists()
    assert signed_in.post("/account/delete/", {"email": "ADA@lab.example"})["Location"] == "/"
    assert list(User.objects.all()) == [bob]
    submission.refresh_from_db()
    assert (submission.team, submission.user) == (team, None)
    assert team.memberships.get().leads
    assert ApiToken.of(word, "read") is None
    assert signed_in.get("/account/").status_code == 302
    left = str(
        [
            list(model.objects.values())
            for model in (AuditEntry, Transition, Subscriber, LoginLink, Submission)
        ]
    )
    assert "Lovelace" not in left
    assert "ada@" not in left.lower()
    assert AuditEntry.objects.filter(action="account.deleted").exists()


def test_former_names_are_forgotten_too_and_on_what_others_handed_in(person, team, submission):
    bob = User.objects.of("bob@lab.example")
    Membership.objects.create(user=bob, team=team)
    other = Submission.objects.create(team=team, user=bob, sha256="1" * 64, size_bytes=7, name="other.zip")
    job = Job.objects.create(submission=other, kind=Job.Kind.CHECK)
    for one in (submission, other):
        cancel(one, person)
    change(person, "Countess", mail_scores=False)
    forget(person)
    assert {step.actor for step in Transition.objects.all()} == {GONE}
    assert job.events.get().actor == GONE


def test_namesakes_keep_their_names(person, team, submission):
    bob = User.objects.of("bob@lab.example")
    change(bob, "Ada Lovelace", mail_scores=False)
    Membership.objects.create(user=bob, team=team)
    cancel(submission, bob)
    other = Submission.objects.create(team=team, user=bob, sha256="1" * 64, size_bytes=7, name="other.zip")
    Transition.objects.create(submission=other, actor=str(bob), target="checking")
    forget(person)
    assert other.transitions.get().actor == "Ada Lovelace"


def test_the_last_organiser_stays(organiser, person):
    with pytest.raises(LastOrganiser):
        forget(organiser)
    person.is_staff = True
    person.save()
    with pytest.raises(LastOrganiser):
        forget(organiser)
    person.is_superuser = True
    person.save()
    forget(organiser)
    assert list(User.objects.all()) == [person]


def test_forms_from_elsewhere_delete_nobody(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert client.post("/account/delete/", {"email": person.email}).status_code == 403
    assert client.post("/account/tokens/", {"name": "x", "scopes": ["read"], "days": "7"}).status_code == 403
    assert User.objects.filter(pk=person.pk).exists()


def test_a_look_changes_nothing(signed_in):
    for page in ("address", "sessions/end", "sessions/1/end", "tokens/1/revoke"):
        assert signed_in.get(f"/account/{page}/").status_code == 405


@pytest.mark.parametrize("page", [*PAGES, "/team/"])
def test_pages_of_ones_own_are_kept_in_no_cache(signed_in, page):
    assert "no-store" in signed_in.get(page)["Cache-Control"]
