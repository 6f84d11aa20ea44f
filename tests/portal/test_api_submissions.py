"""The API but for uploads: who sees what; strangers' input is answered, never with a fault of ours."""

from __future__ import annotations

import hashlib
import json
import random
import re
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.challenge.models import Phase
from organelle.portal.news.models import Post
from organelle.portal.scoring.models import Result
from organelle.portal.submissions.models import Submission, Transition
from organelle.portal.submissions.store import stored_path

CONTENT = bytes(range(256)) * 9000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def token(entrant: User) -> dict[str, str]:
    _, word = ApiToken.make(entrant, "laptop", ["submit"])
    return {"Authorization": f"Bearer {word}"}


@pytest.fixture
def other(db) -> dict[str, str]:
    """Somebody of another team."""
    eve = User.objects.of("eve@lab.example")
    Membership.objects.create(user=eve, team=Team.objects.create(name="Other", slug="other"), leads=True)
    _, word = ApiToken.make(eve, "evil", ["submit", "read"])
    return {"Authorization": f"Bearer {word}"}


@pytest.fixture
def submission(team: Team, person: User) -> Submission:
    made = Submission.objects.create(team=team, user=person, sha256=SHA, size_bytes=9, name="a.zip")
    Transition.objects.create(submission=made, actor="ada", target="checking")
    return made


def post(client, headers, content: bytes = CONTENT, **fields):
    texts = {"sha256": SHA, "bytes": str(len(content)), "version": "0.1"} | fields
    file = SimpleUploadedFile("a.zip", content)
    return client.post("/api/submissions", texts | {"submission": file}, headers=headers)


class TestOneRequest:
    def test_hands_in(self, client, token, portal_folder):
        lineage = SimpleUploadedFile("l.json", b'{"rows": []}')
        answer = post(client, token, method="U-Net", lineage=lineage)
        assert answer.status_code == 201
        record = answer.json()
        submission = Submission.objects.get(pk=record["id"])
        assert stored_path(submission).read_bytes() == CONTENT
        assert (record["sha256"], record["state"], record["method"]) == (SHA, "checking", "U-Net")
        assert record["url"].endswith(f"/submissions/{submission.pk}/")
        assert submission.lineage == {"rows": []}
        assert not list(portal_folder.uploads.iterdir())

    def test_is_idempotent(self, client, token):
        first = post(client, token).json()
        again = post(client, token)
        assert (again.status_code, again.json()["id"]) == (200, first["id"])
        key = {"Idempotency-Key": SHA}
        early = client.post("/api/submissions", headers=token | key)
        assert (early.status_code, early.json()["id"]) == (200, first["id"])

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"sha256": "0" * 64}, "announced was 0000"),
            ({"sha256": ""}, "sha256 is missing"),
            ({"sha256": "ü"}, "64 hexadecimal"),
            ({"bytes": "7"}, "send the file again"),
            ({"method": "x" * 101}, "at most 100"),
            ({"lineage": SimpleUploadedFile("l.json", b"{")}, "the lineage is no JSON"),
        ],
    )
    def test_refuses_with_words_and_keeps_nothing(self, client, token, portal_folder, fields, words):
        answer = post(client, token, **fields)
        assert answer.status_code == 422
        assert words in answer.json()["detail"]
        assert not [
            path for path in portal_folder.root.rglob("*") if path.is_file() and path.stat().st_size > 99
        ]

    def test_needs_a_form_with_a_file(self, client, token):
        for kind, body in (
            ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=" + "z" * 300, b"x"),
            ("application/json", b"{}"),
            ("text/plain", b"hello"),
        ):
            answer = client.post("/api/submissions", body, content_type=kind, headers=token)
            assert answer.status_code == 422, kind
            assert answer.json()["detail"]

    def test_a_long_file_is_refused_before_it_is_read(self, client, token, settings, portal_folder):
        limits = settings.PORTAL.limits.model_copy(update={"submission_bytes": 100})
        settings.PORTAL = settings.PORTAL.model_copy(update={"limits": limits})
        assert post(client, token).status_code == 413
        huge = {"Content-Length": str(1 << 40)}
        assert client.post("/api/submissions", headers=token | huge).status_code == 413
        assert not list(portal_folder.uploads.iterdir())

    def test_a_stranger_is_not_listened_to(self, client, db, portal_folder):
        assert post(client, {}).status_code == 401
        assert post(client, {"Authorization": "Bearer wrong"}).status_code == 401
        assert not list(portal_folder.uploads.iterdir())

    def test_a_closed_phase(self, client, token):
        Phase.objects.create(kind="closed", starts="2020-01-01T00:00Z")
        answer = post(client, token)
        assert (answer.status_code, answer.json()["code"]) == (409, "phase")


class TestSubmissions:
    def test_a_team_sees_its_own(self, client, token, submission):
        listed = client.get("/api/submissions", headers=token).json()
        assert (listed["count"], listed["items"][0]["id"]) == (1, str(submission.pk))
        assert client.get(f"/api/submissions?sha256={SHA}", headers=token).json()["count"] == 1
        assert client.get("/api/submissions?state=scored", headers=token).json()["count"] == 0
        record = client.get(f"/api/submissions/{submission.pk}", headers=token).json()
        assert [step["to"] for step in record["history"]] == ["checking"]
        assert record["problems"] == []
        assert record["over"] is False

    def test_others_are_not_there(self, client, other, submission):
        place = f"/api/submissions/{submission.pk}"
        assert client.get("/api/submissions", headers=other).json() == {"count": 0, "items": []}
        assert client.get(place, headers=other).status_code == 404
        assert client.post(f"{place}/cancel", headers=other).status_code == 404
        choice = client.post(f"{place}/choose", {}, content_type="application/json", headers=other)
        assert choice.status_code == 404
        edit = client.patch(place, {"method": "x"}, content_type="application/json", headers=other)
        assert edit.status_code == 404
        assert client.get(place).status_code == 401

    def test_a_token_of_an_organiser_without_that_scope_reaches_no_other_team(
        self, client, organiser, submission
    ):
        """Whoever finds a token for handing in shall not cancel what others handed in."""
        _, word = ApiToken.make(organiser, "cluster", ["read", "submit"])
        headers, place = {"Authorization": f"Bearer {word}"}, f"/api/submissions/{submission.pk}"
        assert client.get(place, headers=headers).status_code == 404
        assert client.post(f"{place}/cancel", headers=headers).status_code == 404
        changed = client.patch(place, {"publish": False}, content_type="application/json", headers=headers)
        assert changed.status_code == 404
        submission.refresh_from_db()
        assert (submission.state, submission.publish) == ("checking", True)

    def test_organisers_see_all(self, client, organiser, submission):
        client.force_login(organiser)
        assert client.get(f"/api/submissions/{submission.pk}").status_code == 200

    def test_editing(self, client, token, submission):
        place = f"/api/submissions/{submission.pk}"
        change = {"method": "new", "publish": False}
        record = client.patch(place, change, content_type="application/json", headers=token).json()
        assert (record["method"], record["publish"]) == ("new", False)
        wrong = client.patch(place, {"code_url": "x"}, content_type="application/json", headers=token)
        assert wrong.status_code == 422

    def test_cancelling_costs_nothing_and_happens_once(self, client, token, submission):
        place = f"/api/submissions/{submission.pk}/cancel"
        assert client.post(place, headers=token).json()["state"] == "cancelled"
        again = client.post(place, headers=token)
        assert (again.status_code, again.json()["code"]) == (409, "state")
        assert client.get("/api/limits", headers=token).json()["left"]["today"] == 3

    def test_choosing(self, client, token, submission, team):
        place = f"/api/submissions/{submission.pk}/choose"

        def choose(chosen: bool):
            return client.post(place, {"chosen": chosen}, content_type="application/json", headers=token)

        assert choose(True).status_code == 409
        Submission.objects.update(state="scored")
        before = Submission.objects.create(
            team=team, sha256="1" * 64, size_bytes=1, name="b", state="scored", chosen=True
        )
        assert choose(True).json()["chosen"]
        before.refresh_from_db()
        assert not before.chosen
        assert not choose(False).json()["chosen"]
        team.memberships.update(leads=False)
        assert "who leads the team" in choose(True).json()["detail"]

    def test_a_score_is_rounded_and_nothing_else_is_told(self, client, token, submission):
        mito = {"score": 0.123456, "kind": "instance", "submitted": True, "secret": 7}
        scores = {"overall": 0.123456, "instance": 0.5, "semantic": None, "classes": {"mito": mito}}
        asked = {"metric": "2026-06", "truth": "t", "configuration": "c"}
        Result.objects.create(sha256=SHA, scores=scores, crops={"secret": 8}, **asked)
        Submission.objects.update(state="scored")
        answer = client.get(f"/api/submissions/{submission.pk}", headers=token)
        score = answer.json()["score"]
        assert (score["metric"], score["overall"], score["semantic"]) == ("2026-06", 0.123, None)
        assert score["classes"] == {"mito": {"kind": "instance", "score": 0.123}}
        (listed,) = client.get("/api/submissions", headers=token).json()["items"]
        assert listed["score"] == score
        assert "secret" not in answer.content.decode()

    def test_problems_are_told_in_full(self, client, token, submission):
        problem = {"code": "bad-dtype", "place": "crop7/er", "found": "a", "expected": "b", "remedy": "c"}
        submission.report = {"path": "/secret/place.zip", "problems": [problem | {"severity": "error"}]}
        submission.save()
        answer = client.get(f"/api/submissions/{submission.pk}", headers=token)
        assert answer.json()["problems"] == [problem | {"severity": "error"}]
        assert "secret" not in answer.content.decode()


class TestAbout:
    def test_me_and_limits(self, client, token):
        me = client.get("/api/me", headers=token).json()
        assert (me["team"], me["leads"], me["rules_accepted"]) == ("Golgi", True, True)
        limits = client.get("/api/limits", headers=token).json()
        assert limits["left"] == {"today": 3, "total": 100, "concurrent": 2}
        assert limits["next_at"] is None

    def test_without_a_team(self, client, person):
        client.force_login(person)
        assert client.get("/api/me").json()["team"] is None
        assert client.get("/api/limits").json()["left"] is None
        assert client.get("/api/submissions").json()["count"] == 0

    def test_phases(self, client, db):
        Phase.objects.create(kind="open", starts="2020-01-01T00:00Z")
        (phase,) = client.get("/api/phases").json()
        assert (phase["kind"], phase["current"]) == ("open", True)

    def test_the_description_names_every_operation(self, client, db):
        schema = client.get("/api/openapi.json").json()
        page = client.get("/api/docs").content.decode()
        assert {"/api/me", "/api/uploads/", "/api/submissions", "/api/crops"} <= set(schema["paths"])
        for path, item in schema["paths"].items():
            for method in item:
                assert f"{method.upper()} {path}" in page
        assert "<script" not in page


class TestCatalog:
    def test_tables(self, client, db):
        datasets = client.get("/api/datasets").json()
        name = datasets[0]["dataset"]
        assert client.get(f"/api/datasets/{name}").json()["crops"]
        crops = client.get(f"/api/crops?dataset={name}&split=train").json()
        assert {crop["dataset"] for crop in crops} == {name}
        number = crops[0]["crop"]
        assert client.get(f"/api/crops/{number}").json() == crops[0]
        assert client.get("/api/classes/mito").json()["kind"] == "instance"
        mito = client.get("/api/crops?class=mito").json()
        assert all("mito" in crop["classes"] for crop in mito)
        assert len(client.get("/api/classes").json()) > 40

    @pytest.mark.parametrize(
        ("place", "status"),
        [
            ("datasets/jrc_none", 404),
            ("crops/0", 404),
            ("crops/99999999999999999999", 404),
            ("classes/mitto", 404),
            ("crops?dataset=jrc_none", 422),
            ("crops?class=mitto", 422),
            ("crops?split=both", 422),
            ("crops?organism=%00", 422),
            ("crops?class=" + "x" * 101, 422),
            ("nothing", 404),
            ("submissions/12", 404),
        ],
    )
    def test_what_is_not_there(self, client, db, place, status):
        answer = client.get(f"/api/{place}")
        assert answer.status_code == status
        assert isinstance(answer.json()["detail"], str)


class TestBoardAndNews:
    def test_an_empty_board(self, client, db):
        board = client.get("/api/leaderboard?column=mito").json()
        assert (board["column"], board["rows"]) == ("mito", [])
        assert client.get("/api/leaderboard?column=mitto").status_code == 422
        assert client.get("/api/leaderboard?metric=%00").status_code == 422

    def test_news_that_are_published(self, client, db):
        Post.objects.create(title="Old", slug="old", body="*a*", published="2020-01-01T00:00Z")
        Post.objects.create(title="Later", slug="later", body="b", published="2999-01-01T00:00Z")
        Post.objects.create(title="Draft", slug="draft", body="c")
        (post,) = client.get("/api/news").json()
        assert (post["slug"], post["body"]) == ("old", "*a*")
        assert client.get("/api/news/old").json() == post
        for hidden in ("later", "draft", "none"):
            assert client.get(f"/api/news/{hidden}").status_code == 404


class TestOddInput:
    """Requests that no client of ours sends."""

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("limit=x", 422),
            ("limit=0", 422),
            ("offset=-1", 422),
            ("offset=99999999999999999999", 422),
            ("sha256=zz", 422),
            ("state=%00", 200),
            ("state=scored'--", 200),
        ],
    )
    def test_queries(self, client, token, query, status):
        answer = client.get(f"/api/submissions?{query}", headers=token)
        assert answer.status_code == status
        if status == 422:
            assert isinstance(answer.json()["detail"], str)

    @pytest.mark.parametrize(
        "body", [b"", b"{", b'{"method": 5}', b"\xff", b"[" * 9000, b'{"method": "\\ud800"}']
    )
    def test_bodies(self, client, token, submission, body):
        place = f"/api/submissions/{submission.pk}"
        answer = client.patch(place, body, content_type="application/json", headers=token)
        assert answer.status_code in (400, 422), answer.content
        assert isinstance(answer.json()["detail"], str)

    def test_a_long_body(self, client, token, submission):
        body = b'{"method": "' + bytes(2 << 20)
        place = f"/api/submissions/{submission.pk}"
        assert client.patch(place, body, content_type="application/json", headers=token).status_code == 413

    def test_methods(self, client, token):
        assert client.put("/api/submissions", headers=token).status_code == 405
        assert client.get("/api/uploads/", headers=token).status_code == 405

    def test_a_token_has_a_pace(self, client, token, monkeypatch):
        monkeypatch.setattr("organelle.portal.api.callers.PER_MINUTE", 2)
        statuses = [client.get("/api/limits", headers=token).status_code for _ in range(5)]
        assert statuses.count(429) >= 1
        answer = client.get("/api/limits", headers=token)
        assert 0 < int(answer["Retry-After"]) <= 60
        assert json.loads(answer.content)["code"] == "pace"


ODD_TEXT = (
    "",
    "0",
    "-1",
    "1e9",
    "\x00",
    "é",
    "../..",
    "%00",
    "a" * 3000,
    "{}",
    "[]",
    "null",
    "true",
    "\u202e",
    "'",
)
ODD_KINDS = (
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/offset+octet-stream",
    "application/x-www-form-urlencoded",
)
ODD_HEADERS = (
    "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum", "Idempotency-Key",
    "Range", "Accept", "Cookie", "Host", "X-Forwarded-For",
)  # fmt: skip


def test_whatever_is_sent_to_any_operation_is_answered(client, token, submission):
    """Drawn requests to every operation of the description, with a token: no fault of ours, always words."""
    rng = random.Random(5)
    client.raise_request_exception = False
    schema = client.get("/api/openapi.json").json()
    names = {"submission_id": str(submission.pk), "upload_id": str(submission.pk), "name": "mito"}
    for path, item in schema["paths"].items():
        for method in item:
            for _ in range(4):
                place = re.sub(r"{(\w+)}", lambda found: names.get(found[1], "1"), path)
                query = "&".join(
                    f"{quote(rng.choice(('state', 'limit', 'offset', 'class', 'column', 'sha256')))}="
                    f"{quote(rng.choice(ODD_TEXT))}"
                    for _ in range(rng.randrange(3))
                )
                odd = {rng.choice(ODD_HEADERS): quote(rng.choice(ODD_TEXT)) for _ in range(rng.randrange(4))}
                body = rng.choice([rng.randbytes(20), *(t.encode() for t in ODD_TEXT)])
                answer = client.generic(
                    method.upper(),
                    f"{place}?{query}",
                    body,
                    rng.choice(ODD_KINDS),
                    headers=token | {"Tus-Resumable": "1.0.0"} | odd,
                )
                assert answer.status_code < 500, (method, place, query, odd, body)
                if (
                    answer.status_code >= 400
                    and method != "head"
                    and "json" in answer.get("Content-Type", "")
                ):
                    assert isinstance(answer.json()["detail"], str)
