"""The open parts of the API: what they say is what the pages say and what the description promises."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from board_results import INSTANCE, METRIC, scored_submission
from django.core import mail
from django.test import Client
from django.utils import timezone
from ninja import Schema

from organelle.portal.accounts.models import ApiToken, Team, User
from organelle.portal.api import pace
from organelle.portal.api.service import api
from organelle.portal.board import looking
from organelle.portal.explorer.statistics import STATISTICS
from organelle.portal.news import subscribing
from organelle.portal.news.models import OutgoingMail, Post, Subscriber
from organelle.portal.submissions.models import Submission, Transition

pytestmark = pytest.mark.django_db

FILTERS = (
    "", "?organism=mouse", "?dataset=jrc_hela-2", "?class=mito", "?split=test", "?finest=5", "?coarsest=4",
    "?class=mito&split=train&coarsest=8&organism=human",
)  # fmt: skip

OPEN = (
    "/api/phases", "/api/datasets", "/api/datasets/jrc_hela-2", "/api/crops?dataset=jrc_hela-2",
    "/api/crops/247", "/api/classes", "/api/classes/mito", "/api/hierarchy", "/api/search?q=hela",
    "/api/statistics", "/api/statistics/voxel-sizes", "/api/news", "/api/news/first", "/api/feeds",
    "/api/leaderboard", f"/api/leaderboard?column={INSTANCE}", "/api/leaderboard/history",
    "/api/leaderboard/columns",
)  # fmt: skip


@pytest.fixture
def board() -> None:
    for n, quality in enumerate((0.8123, 0.61234, 0.41237)):
        scored_submission(f"Team {n}", quality, day=n + 1)


@pytest.fixture
def post() -> Post:
    return Post.objects.create(slug="first", title="First", body="Words.", published=timezone.now())


def operations() -> dict[tuple[str, str], Any]:
    """All of the API, by method and address."""
    return {
        (method, f"/api{router.prefix.rstrip('/')}{path}"): operation
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }


class TestDescription:
    def test_every_operation_says_what_it_is_and_what_it_answers(self, client):
        schema = client.get("/api/openapi.json").json()
        for path, item in schema["paths"].items():
            for method, operation in item.items():
                where = f"{method} {path}"
                assert operation["summary"], where
                assert operation["description"], where
                good = [content for code, content in operation["responses"].items() if code < "300"]
                assert good, where
                for answer in good:
                    assert is_typed(answer, schema), where
                assert {"429", "503"} <= set(operation["responses"]), where
                if "security" in operation:
                    assert "401" in operation["responses"], where

    def test_no_two_records_have_one_name(self):
        found: dict[str, type] = {}
        for schema in descendants(Schema):
            if schema.__module__.startswith("organelle.portal.api"):
                assert found.setdefault(schema.__name__, schema) is schema

    @pytest.mark.parametrize("address", OPEN)
    def test_answers_hold_what_is_described_and_nothing_else(self, client, board, post, address):
        answer = client.get(address)
        path = answer.wsgi_request.resolver_match.route
        known = {
            re.sub(r"[{<](\w+:)?", "<\\1", route).replace("}", ">"): o
            for (_, route), o in operations().items()
        }
        model = known[f"/{path}"].response_models[200]
        told = model.model_validate({"response": answer.json()})
        assert json.loads(told.model_dump_json(by_alias=True))["response"] == answer.json()


def is_typed(answer: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether the shape of what is answered is known."""
    for content in answer.get("content", {}).values():
        shape = content["schema"].get("items", content["schema"])
        if "$ref" not in shape and shape.get("title") != "Response" and shape.get("type") == "object":
            return False
    return True


def descendants(kind: type) -> set[type]:
    below = set(kind.__subclasses__())
    return below.union(*(descendants(one) for one in below)) if below else set()


class TestExplorer:
    @pytest.mark.parametrize("query", FILTERS)
    @pytest.mark.parametrize(
        ("table", "key"), [("datasets", "dataset"), ("crops", "crop"), ("classes", "class")]
    )
    def test_filters_choose_what_they_choose_on_the_pages(self, client, table, key, query):
        told = client.get(f"/api/{table}{query}").json()
        assert told
        on_pages = client.get(f"/{table}.json{query}").json()
        assert [{name: row[name] for name in on_pages[0]} for row in told] == on_pages
        assert len({row[key] for row in told}) == len(told)

    @pytest.mark.parametrize("table", ["datasets", "crops", "classes"])
    @pytest.mark.parametrize(
        "query", ["finest=-1", "finest=nan", "coarsest=x", "split=both", "organism=unicorn", "dataset=%00"]
    )
    def test_what_cannot_be_asked_is_said(self, client, table, query):
        answer = client.get(f"/api/{table}?{query}")
        assert answer.status_code == 422
        assert answer.json()["detail"]

    @pytest.mark.parametrize("number", [247, 111])
    def test_a_crop_has_the_line_and_the_link_of_its_page(self, client, number):
        told = client.get(f"/api/crops/{number}").json()
        page = client.get(f"/crops/{number}/").content.decode()
        assert f"<code>{told['fetch']}</code>" in page
        assert told["fetch"] == f"csc fetch-data --crops {number}"
        assert told["neuroglancer"].replace("&", "&amp;") in page.replace("&#x27;", "'")
        assert told["thumbnail"] is None

    def test_a_search_finds_what_the_page_finds(self, client):
        found = client.get("/api/search?q=hela&limit=3").json()
        assert found["words"] == ["hela"]
        assert len(found["crops"]) == 3
        assert found["total"] == len(found["datasets"]) + len(found["classes"]) + 3 + found["more_crops"]
        page = client.get("/search/?q=hela").content.decode()
        for dataset in found["datasets"]:
            assert f"/datasets/{dataset['dataset']}/" in page
        assert client.get("/api/search").json()["total"] == 0
        assert client.get("/api/search?q=" + "x" * 101).status_code == 422

    @pytest.mark.parametrize("name", STATISTICS)
    def test_numbers_are_those_behind_the_chart(self, client, name):
        told = client.get(f"/api/statistics/{name}").json()
        assert told["rows"] == client.get(f"/statistics/{name}.json").json()
        assert told in client.get("/api/statistics").json()
        chart = told["charts"]["dark"]
        assert client.get(chart[chart.index("/statistics") :]).status_code == 200

    def test_the_hierarchy_names_every_class_in_its_place(self, client):
        def names(branches):
            return [n for b in branches for n in (b["class"], *names(b["parts"]))]

        told = names(client.get("/api/hierarchy").json())
        assert set(told) == {row["class"] for row in client.get("/api/classes").json()}
        mito = client.get("/api/classes/mito").json()
        assert set(mito["parts"]) <= set(told)
        assert "mito" in client.get(f"/api/classes/{mito['parts'][0]}").json()["groups"]

    def test_answers_may_be_kept_like_files(self, client):
        for address, file in (("/api/crops", "/crops.json"), ("/api/leaderboard", "/leaderboard.json")):
            first = client.get(address)
            assert first["Cache-Control"] == client.get(file)["Cache-Control"]
            again = client.get(address, headers={"If-None-Match": first["ETag"]})
            assert (again.status_code, again.content) == (304, b"")


class TestBoards:
    @pytest.mark.parametrize("column", ["overall", "instance", INSTANCE])
    def test_they_say_what_the_pages_say(self, client, board, column):
        query = f"?column={column}&metric={METRIC}"
        told = client.get(f"/api/leaderboard{query}").json()
        assert told == client.get(f"/leaderboard/{column}.json?metric={METRIC}").json()
        assert len(told["rows"]) == 3
        steps = client.get(f"/api/leaderboard/history{query}").json()
        assert steps == client.get(f"/leaderboard/{column}/history.json").json()
        assert len(steps) == 3

    def test_a_crowd_is_answered_from_the_look_of_the_pages(
        self, client, board, monkeypatch, django_assert_num_queries
    ):
        monkeypatch.setattr(looking, "BEHIND_S", 3600.0)
        looking.forget()
        client.get("/leaderboard.json")
        scored_submission("New", 0.9)
        with django_assert_num_queries(0):
            told = [client.get(f"/api/leaderboard{more}").content for more in ("", "/history", "/columns")]
        assert not any(b"New" in content for content in told)
        looking.forget()

    def test_whatever_is_listed_can_be_asked_for(self, client, board):
        told = client.get("/api/leaderboard/columns").json()
        assert told["metrics"] == [METRIC]
        assert told["rankings"] == ["public"]
        assert {"column": "mito", "kind": "instance"} in told["columns"]
        for column in told["columns"][:6]:
            answer = client.get(f"/api/leaderboard?column={column['column']}").json()
            assert (answer["kind"], answer["decimals"]) == (column["kind"], told["decimals"])

    @pytest.mark.parametrize("query", ["column=mitto", "metric=1999", "metric=%00"])
    def test_what_is_not_there_is_said(self, client, board, query):
        for place in ("leaderboard", "leaderboard/history"):
            answer = client.get(f"/api/{place}?{query}")
            assert answer.status_code == 422
            assert "there is no board" in answer.json()["detail"]
        assert client.get("/api/leaderboard?ranking=final").status_code == 404


def ask(client: Client, email: Any = "ada@lab.example", **more: Any):
    return client.post("/api/subscribers", {"email": email} | more, content_type="application/json")


def word_in_mail(kind: str) -> str:
    sent = OutgoingMail.objects.latest("id").text
    return re.search(rf"/news/{kind}/([\w-]+)/", sent)[1]


class TestNews:
    def test_by_mail_from_the_first_question_to_leaving(self, client):
        assert ask(client, "Ada@Lab.example ").status_code == 202
        reader = Subscriber.objects.get()
        assert (reader.email, reader.confirmed) == ("ada@lab.example", None)
        word = word_in_mail("confirm")
        assert client.post(f"/api/subscribers/{word}").status_code == 200
        reader.refresh_from_db()
        assert reader.confirmed
        assert client.post(f"/api/subscribers/{word}").status_code == 404
        assert client.delete(f"/api/subscribers/{reader.leave_key}").status_code == 204
        assert not Subscriber.objects.exists()
        assert client.delete(f"/api/subscribers/{reader.leave_key}").status_code == 204

    def test_nothing_tells_whether_an_address_is_known(self, client):
        unknown = ask(client)
        Subscriber.objects.update(confirmed=timezone.now())
        known = ask(client)
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
        assert OutgoingMail.objects.count() == 1
        assert not mail.outbox

    def test_page_and_api_share_their_limits(self, client):
        for n in range(subscribing.ASKS_AN_HOUR // 2):
            assert client.post("/news/subscribe/", {"email": f"page{n}@lab.example"}).status_code == 200
            assert ask(client, f"api{n}@lab.example").status_code == 202
        late = ask(client)
        assert (late.status_code, late["Retry-After"], late.json()["code"]) == (429, "3600", "pace")
        assert client.post("/news/subscribe/", {"email": "ada@lab.example"}).status_code == 429
        assert not Subscriber.objects.filter(email="ada@lab.example").exists()

    def test_one_address_gets_few_mails(self, client):
        for _ in range(subscribing.MAILS_A_DAY + 2):
            assert ask(client).status_code == 202
        assert OutgoingMail.objects.count() == subscribing.MAILS_A_DAY

    @pytest.mark.parametrize(
        "email", ["", "ada", "a@b", "a@lab.example\nBcc: b@lab.example", "x" * 300, 5, None]
    )
    def test_what_is_no_address_is_refused_with_words(self, client, email):
        answer = ask(client, email)
        assert answer.status_code == 422
        assert answer.json()["problems"][0]["place"].endswith("email")
        assert not OutgoingMail.objects.exists()

    def test_unknown_keys_and_odd_words(self, client):
        assert ask(client, name="Ada").status_code == 422
        for word in ("%00", "x" * 2000, "%F0%9F%92%A9"):
            assert client.post(f"/api/subscribers/{word}").status_code == 404
            assert client.delete(f"/api/subscribers/{word}").status_code == 204

    def test_old_posts_are_reached_and_feeds_are_named(self, client):
        for n in range(3):
            Post.objects.create(
                slug=f"p{n}", title="P", body="", published=timezone.now() - timedelta(days=n)
            )
        assert [post["slug"] for post in client.get("/api/news?limit=2&offset=1").json()] == ["p1", "p2"]
        for feed in client.get("/api/feeds").json():
            answer = client.get(feed["url"][feed["url"].index("/news/") :])
            assert answer["Content-Type"].startswith(feed["type"])


class TestMethods:
    @pytest.mark.parametrize(
        "address", [*OPEN, "/api/docs", "/api/openapi.json", "/api/news/none", "/api/me"]
    )
    def test_head_is_answered_as_get_without_a_body(self, client, board, post, address):
        full, head = client.get(address), client.head(address)
        assert (head.status_code, head.content) == (full.status_code, b"")
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert head.headers.get(name) == full.headers.get(name), name

    def test_head_of_what_needs_a_token(self, client, person):
        word = ApiToken.make(person, "laptop", ["read"])[1]
        assert client.head("/api/limits", headers={"Authorization": f"Bearer {word}"}).status_code == 200

    def test_every_operation_answers_options(self, client):
        known: dict[str, set[str]] = {}
        for method, path in operations():
            known.setdefault(path, set()).add(method)
        for path, methods in known.items():
            place = re.sub(r"{uuid\w*:\w+}", "00000000-0000-4000-8000-000000000000", path)
            place = re.sub(r"{(\w+:)?\w+}", "7", place)
            answer = client.options(place)
            assert (answer.status_code, answer.content) == (204, b""), place
            told = methods | ({"HEAD", "OPTIONS"} if "GET" in methods else {"OPTIONS"})
            assert set(answer["Allow"].split(", ")) == told, place

    def test_other_methods_are_told_which_there_are(self, client):
        answer = client.delete("/api/crops")
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.json()["detail"] == "DELETE is not answered here; GET, HEAD, OPTIONS are"
        assert client.head("/api/subscribers").status_code == 405


class TestPace:
    @pytest.fixture(autouse=True)
    def slow(self, monkeypatch):
        monkeypatch.setattr(pace, "ANONYMOUS_PER_MINUTE", 3)
        monkeypatch.setattr(pace.time, "time", lambda: 1_000_000_020.0)

    def statuses(self, client: Client, *places: str, **headers: str) -> list[int]:
        return [client.get(f"/api/{place}", headers=headers).status_code for place in places]

    def test_a_stranger_who_asks_too_often_waits(self, client):
        assert (
            self.statuses(client, "phases", "feeds", "docs", "openapi.json", "crops") == [200] * 3 + [429] * 2
        )
        for answer in (client.get("/api/docs"), client.get("/api/phases"), client.head("/api/phases")):
            assert 0 < int(answer["Retry-After"]) <= 60
        assert client.get("/api/docs").json()["code"] == "pace"
        assert Client(REMOTE_ADDR="192.0.2.7").get("/api/phases").status_code == 200

    def test_another_minute_is_another_count(self, client, monkeypatch):
        assert self.statuses(client, *["phases"] * 4)[-1] == 429
        monkeypatch.setattr(pace.time, "time", lambda: 1_000_000_080.0)
        assert self.statuses(client, "phases") == [200]

    def test_who_says_who_they_are_goes_on(self, client, person):
        word = ApiToken.make(person, "laptop", ["read"])[1]
        assert self.statuses(client, *["phases"] * 4)[-1] == 429
        assert self.statuses(client, "phases", Authorization=f"Bearer {word}") == [200]
        assert self.statuses(client, "phases", Authorization="Bearer wrong") == [429]
        client.force_login(person)
        assert self.statuses(client, "phases") == [200]

    def test_nobody_asks_without_end(self, client, organiser, monkeypatch):
        monkeypatch.setattr("organelle.portal.api.callers.PER_MINUTE", 2)
        client.force_login(organiser)
        assert self.statuses(client, *["phases"] * 6) == [200] * 5 + [429]


@pytest.fixture
def stepped(team: Team, person: User) -> Submission:
    made = Submission.objects.create(team=team, user=person, sha256="0" * 64, size_bytes=9, name="a.zip")
    for second, target in ((1, "checking"), (59, "queued")):
        time = datetime(2026, 5, 4, 3, 2, second, 123, tzinfo=timezone.get_default_timezone())
        Transition.objects.create(submission=made, actor="ada", target=target, time=time)
    return made


@pytest.mark.parametrize("who", ["person", "organiser"])
def test_the_history_of_a_submission_tells_minutes_only(client, stepped, request, who):
    client.force_login(request.getfixturevalue(who))
    record = client.get(f"/api/submissions/{stepped.pk}").json()
    assert [(step["to"], step["time"]) for step in record["history"]] == [
        ("checking", "2026-05-04T03:02:00+00:00"),
        ("queued", "2026-05-04T03:02:00+00:00"),
    ]


def test_figures_of_a_class_keep_their_ratios(client, team, person):
    made = scored_submission(team, 0.8, user=person)
    client.force_login(person)
    classes = client.get(f"/api/submissions/{made.pk}").json()["score"]["classes"]
    assert {"kind", "score"} < set(classes[INSTANCE])
