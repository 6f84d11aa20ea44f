"""Handing in from a browser without scripts, and the pages that show what becomes of it."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from organelle.portal.accounts.models import Membership, Team, User
from organelle.portal.scoring.models import Result
from organelle.portal.submissions.models import Submission, Transition, Upload
from organelle.portal.submissions.store import stored_path
from organelle.portal.submissions.uploads import begin
from organelle.portal.submissions.writing import append

PROBLEM = {
    "code": "bad-dtype",
    "severity": "error",
    "found": "float32",
    "expected": "uint8",
    "remedy": "Write <whole> numbers.",
}


@pytest.fixture
def page(client: Client, entrant: User) -> Client:
    client.force_login(entrant)
    return client


@pytest.fixture
def submission(team: Team, person: User) -> Submission:
    problems = [PROBLEM | {"place": f"crop{n}/er"} for n in (7, 21)]
    made = Submission.objects.create(
        team=team, user=person, sha256="0" * 64, size_bytes=9, name="a.zip", report={"problems": problems}
    )
    Transition.objects.create(submission=made, actor="ada", target="checking", reason="handed in")
    return made


def give(client: Client, content: bytes = b"zip", **fields):
    file = SimpleUploadedFile("a.zip", content)
    return client.post("/submit/", {"submission": file, "end": "end"} | fields)


def text(answer) -> str:
    return answer.content.decode()


class TestForm:
    def test_hands_in_and_shows_the_submission(self, page):
        answer = give(page, method="U-Net", publish="true")
        submission = Submission.objects.get()
        assert answer["Location"] == f"/submissions/{submission.pk}/"
        assert stored_path(submission).read_bytes() == b"zip"
        assert (submission.method, submission.publish, submission.anonymous) == ("U-Net", True, False)
        assert "Being checked" in text(page.get(answer["Location"]))

    def test_what_is_refused_keeps_the_words(self, page, portal_folder):
        answer = give(page, method="x" * 101, description="how it works")
        assert answer.status_code == 422
        assert "at most 100" in text(answer)
        assert "how it works" in text(answer)
        assert not list(portal_folder.uploads.iterdir())

    @pytest.mark.parametrize("content", [b"", None])
    def test_without_a_file(self, page, content):
        fields = {"end": "end"} | (
            {} if content is None else {"submission": SimpleUploadedFile("a", content)}
        )
        answer = page.post("/submit/", fields)
        assert answer.status_code == 422
        assert not Submission.objects.exists()

    @pytest.mark.parametrize("size", [9, 100_000])
    def test_a_cut_connection_is_no_shorter_file(self, page, size):
        head = b'--x\r\nContent-Disposition: form-data; name="submission"; filename="a.zip"\r\n\r\n'
        body = head + b"half a zip" * size
        answer = page.post("/submit/", body, content_type="multipart/form-data; boundary=x")
        assert "It was not taken" in text(answer)
        assert not Submission.objects.exists()

    def test_the_word_against_forgery_is_asked_for(self, entrant, portal_folder):
        client = Client(enforce_csrf_checks=True)
        client.force_login(entrant)
        assert give(client).status_code == 403
        assert not list(portal_folder.root.rglob("*.zip"))
        assert not list(portal_folder.uploads.iterdir())
        client.get("/submit/")
        assert give(client, csrfmiddlewaretoken=client.cookies["csrftoken"].value).status_code == 302

    def test_nobody_who_is_not_signed_in_sends_a_byte(self, client, db, portal_folder):
        assert give(client)["Location"].startswith("/sign-in/")
        assert client.get("/submit/")["Location"] == "/sign-in/?next=/submit/"
        assert not list(portal_folder.uploads.iterdir())

    def test_who_cannot_hand_in_reads_why(self, page, team):
        for number in range(3):
            Submission.objects.create(
                team=team, sha256=f"{number:064}", size_bytes=1, name="x", state="scored"
            )
        shown = text(page.get("/submit/"))
        assert "used its attempts of this day" in shown
        assert "00:00 UTC" in shown
        assert 'type="file"' not in shown
        assert give(page).status_code == 409

    def test_without_a_team(self, client, person, portal_folder):
        person.rules_accepted = "1"
        person.save()
        client.force_login(person)
        assert "/team/" in text(client.get("/submit/"))

    def test_unfinished_uploads_are_listed_finished_and_removed(self, page, entrant, team):
        upload = begin(entrant, length=3, name="b.zip")
        assert "0 bytes of 3 bytes" in text(page.get("/submit/")).replace("\xa0", " ")
        page.post(f"/submit/finish/{upload.pk}/")
        assert not Submission.objects.exists()
        entrant.rules_accepted = ""
        entrant.save()
        with pytest.raises(Exception, match="rules"):
            append(upload, 0, 3, lambda _: b"abc")
        entrant.rules_accepted = "1"
        entrant.save()
        assert "Hand in now" in text(page.get("/submit/"))
        answer = page.post(f"/submit/finish/{upload.pk}/")
        assert answer["Location"] == f"/submissions/{Submission.objects.get().pk}/"
        second = begin(entrant, length=3, name="c.zip")
        page.post(f"/submit/remove/{second.pk}/")
        assert not Upload.objects.filter(pk=second.pk).exists()


class TestSubmission:
    def test_its_state_its_history_and_how_to_mend_it(self, page, submission):
        shown = text(page.get(f"/submissions/{submission.pk}/"))
        assert "Being checked" in shown
        assert "handed in" in shown
        assert "To mend it:</strong> Write &lt;whole&gt; numbers." in shown
        assert "2 places" in shown
        for word in ("bad-dtype", "crop7/er", "crop21/er", "float32", "uint8"):
            assert word in shown
        assert shown.count("bad-dtype") == 2

    def test_follows_while_it_is_on_its_way(self, page, submission):
        place = f"/submissions/{submission.pk}/"
        assert f'hx-get="{place}live/?seen=checking.' in text(page.get(place))
        Submission.objects.update(state="refused", reason="it has errors")
        shown = text(page.get(place))
        assert "hx-get" not in shown
        assert "it has errors" in shown

    def test_is_edited_and_cancelled(self, page, submission):
        place = f"/submissions/{submission.pk}/"
        page.post(f"{place}edit/", {"method": "<b>new</b>", "anonymous": "on"})
        submission.refresh_from_db()
        assert (submission.method, submission.publish, submission.anonymous) == ("<b>new</b>", False, True)
        assert "<b>new" not in text(page.get(place))
        answer = page.post(f"{place}edit/", {"code_url": "javascript:alert(1)"}, follow=True)
        assert "no address of the web" in text(answer)
        page.post(f"{place}cancel/")
        submission.refresh_from_db()
        assert submission.state == "cancelled"
        answer = page.post(f"{place}cancel/", follow=True)
        assert "can no longer be cancelled" in text(answer)

    def test_is_chosen_by_who_leads(self, page, submission, team):
        Submission.objects.update(state="scored")
        place = f"/submissions/{submission.pk}/"
        assert "Choose this one" in text(page.get(place))
        page.post(f"{place}choose/", {"chosen": "true"})
        submission.refresh_from_db()
        assert submission.chosen
        team.memberships.update(leads=False)
        assert "Let the best one count" not in text(page.get(place))
        page.post(f"{place}choose/", {"chosen": "false"})
        submission.refresh_from_db()
        assert submission.chosen

    @pytest.mark.parametrize("action", ["", "live/", "edit/", "choose/", "cancel/"])
    def test_of_another_team_is_not_there(self, client, submission, action, portal_folder):
        eve = User.objects.of("eve@lab.example")
        Membership.objects.create(user=eve, team=Team.objects.create(name="Other", slug="other"))
        place = f"/submissions/{submission.pk}/{action}"
        ask = client.get if action in ("", "live/") else client.post
        assert ask(place)["Location"].startswith("/sign-in/")
        client.force_login(eve)
        assert ask(place).status_code == 404
        assert "a.zip" not in text(client.get("/submissions/"))

    def test_others_uploads_are_not_there(self, client, page, entrant, db):
        upload = begin(entrant, length=3, name="b.zip")
        client.force_login(User.objects.of("eve@lab.example"))
        assert client.post(f"/submit/finish/{upload.pk}/").status_code == 404
        assert client.post(f"/submit/remove/{upload.pk}/").status_code == 404

    def test_its_score_is_rounded(self, page, submission):
        scores = {"overall": 0.123456, "instance": None, "semantic": 0.9996, "classes": {}}
        Result.objects.create(
            sha256=submission.sha256, metric="2026-06", truth="t", configuration="c", scores=scores
        )
        Submission.objects.update(state="scored")
        shown = text(page.get(f"/submissions/{submission.pk}/"))
        assert "0.123<" in shown
        assert "1.000<" in shown
        assert "version 2026-06" in shown
        assert "0.1234" not in shown
        assert "0.123<" in text(page.get("/submissions/"))

    def test_all_are_listed(self, page, submission):
        assert submission.name in text(page.get("/submissions/"))
        assert page.get("/submissions/?page=no").status_code == 200
