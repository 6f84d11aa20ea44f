"""The board as page, CSV, JSON and picture; and that nothing gets out that should not."""

from __future__ import annotations

import csv
import io
import re

import pytest
from board_results import INSTANCE, METRIC, SEMANTIC, keep_result, rows_of, scored_submission

from organelle.portal.accounts.models import Team
from organelle.portal.board import looking
from organelle.portal.board.models import Resample
from organelle.portal.board.records import ROW_KEYS
from organelle.portal.scoring.models import Question, Result

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "/leaderboard/", "/leaderboard/instance/", "/leaderboard/semantic/", f"/leaderboard/{INSTANCE}/",
    f"/leaderboard/{SEMANTIC}/", f"/leaderboard/?metric={METRIC}", "/leaderboard.csv", "/leaderboard.json",
    f"/leaderboard/{INSTANCE}.csv", f"/leaderboard/{SEMANTIC}.json", "/leaderboard/overall/history.csv",
    "/leaderboard/overall/history.json", "/leaderboard/overall/history-light.svg",
    f"/leaderboard/{INSTANCE}/history-dark.svg",
]  # fmt: skip


@pytest.fixture
def board():
    for n, quality in enumerate((0.8123, 0.61234, 0.41237)):
        scored_submission(f"Team {n}", quality, day=n + 1, method=f"UNet {n}")
    return Result.objects.all()


def test_a_page_says_which_metric_and_who(client, board):
    page = client.get("/leaderboard/").content.decode()
    assert "<h1>Leaderboard, metric 2026-06</h1>" in page
    assert page.index("Team 0") < page.index("Team 1") < page.index("Team 2")
    assert (
        f"<h1>Leaderboard: {INSTANCE}, metric 2026-06</h1>"
        in client.get(f"/leaderboard/{INSTANCE}/").content.decode()
    )


def test_an_empty_board_invites(client):
    page = client.get("/leaderboard/").content.decode()
    assert "Nothing is scored and published yet" in page
    assert client.get("/leaderboard.json").json()["rows"] == []
    assert client.get("/leaderboard/overall/history-light.svg").status_code == 404


def test_csv_and_json_hold_the_same(client, board):
    rows = list(csv.DictReader(io.StringIO(client.get("/leaderboard.csv").content.decode())))
    record = client.get("/leaderboard.json").json()
    assert tuple(rows[0]) == ROW_KEYS
    assert record["metric"] == METRIC
    assert [float(row["score"]) for row in rows] == [row["score"] for row in record["rows"]]
    assert [row["team"] for row in rows] == [row["team"] for row in record["rows"]]


def test_the_form_leads_to_a_class_and_nowhere_else(client, board):
    assert client.get(f"/leaderboard/?class={INSTANCE}")["Location"] == f"/leaderboard/{INSTANCE}/"
    assert (
        client.get("/leaderboard/?class=overall&metric=2026-06")["Location"] == "/leaderboard/?metric=2026-06"
    )
    for evil in ("//evil.example", "https://evil.example", "../../admin"):
        assert client.get("/leaderboard/", {"class": evil}).status_code == 404


def test_unknown_boards_are_not_found(client, board):
    for address in ("/leaderboard/mitu/", "/leaderboard/mitu.csv", "/leaderboard/?metric=1999",
                    "/leaderboard.json?metric=1999", "/leaderboard/mitu/history.csv"):  # fmt: skip
        assert client.get(address).status_code == 404, address


def test_older_metrics_can_be_looked_at(client, board):
    for result in list(board):
        keep_result(result.sha256, rows_of(0.5), metric="2026-07")
    page = client.get("/leaderboard/").content.decode()
    assert "metric 2026-07" in page
    assert re.search(r"<option>2026-06</option>", page)
    old = client.get("/leaderboard/?metric=2026-06").content.decode()
    assert "metric 2026-06" in old
    assert "/leaderboard/overall/history-dark.svg?metric=2026-06" in old


def test_a_scoring_that_is_under_way_is_told(client, board):
    Question.objects.create(metric="2026-07", truth="t" * 64, configuration="c" * 64, turn=9)
    keep_result(board[0].sha256, rows_of(0.5), metric="2026-07")
    page = client.get("/leaderboard/").content.decode()
    assert "<h1>Leaderboard, metric 2026-06</h1>" in page
    assert "scored anew with metric 2026-07: 1 of 3 submissions are done" in page
    assert client.get("/leaderboard.json").json()["rescoring"] == {"metric": "2026-07", "done": 1, "of": 3}


def test_an_anonymous_team_is_named_nowhere(client, board):
    secret = {"name": "Cristae Crew", "affiliation": "Institute of Cristae"}
    scored_submission("Cristae Crew", 0.9, anonymous=True, code_url="https://code.example/cristae")
    Team.objects.filter(name="Cristae Crew").update(**secret)
    for address in ADDRESSES:
        assert "ristae" not in client.get(address).content.decode(), address
    assert "Anonymous " in client.get("/leaderboard/").content.decode()


def test_what_teams_write_is_text(client, board):
    Team.objects.filter(name="Team 0").update(name='<script>alert("x")</script>', affiliation="=HYPERLINK(1)")
    for address in ADDRESSES[:6]:
        assert "<script>alert" not in client.get(address).content.decode()
    assert "<script" not in client.get("/leaderboard/overall/history-light.svg").content.decode()
    Team.objects.filter(name__contains="script").update(name="@SUM(1)")
    rows = list(csv.DictReader(io.StringIO(client.get("/leaderboard.csv").content.decode())))
    assert (rows[0]["team"], rows[0]["affiliation"]) == ("'@SUM(1)", "'=HYPERLINK(1)")


def test_a_reader_may_keep_the_board_for_a_while(client, board):
    first = client.get("/leaderboard/")
    assert first["Cache-Control"] == "public, max-age=30"
    assert client.get("/leaderboard/", headers={"If-None-Match": first["ETag"]}).status_code == 304
    scored_submission("New", 0.9)
    assert client.get("/leaderboard/", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_many_readers_are_answered_from_one_look(client, board, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(looking, "BEHIND_S", 3600.0)
    looking.forget()
    client.get("/leaderboard/")
    with django_assert_max_num_queries(0):
        assert "Team 0" in client.get("/leaderboard/").content.decode()
    looking.forget()


def test_a_board_of_any_length_takes_a_few_queries(client, django_assert_max_num_queries):
    for n in range(12):
        scored_submission(f"Team {n}", 0.1 + n / 20)
    for _ in range(3):
        client.get("/leaderboard/")  # makes the intervals
    with django_assert_max_num_queries(9):
        client.get("/leaderboard/")


def numbers_in(value):
    """Every number within JSON values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [n for part in value for n in numbers_in(part)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def aggregates_of(results):
    """Everything that may be read: scores over all crops and their intervals, rounded."""
    full = [n for result in results for n in numbers_in(_without_ratios(result.scores))]
    full += [n for drawn in Resample.objects.all() for n in (drawn.low, drawn.high) if n is not None]
    assert any(n != round(n, 3) for n in full)
    return {form(round(n, 3)) for n in full for form in (str, "{:.3f}".format)}


def secrets_of(results):
    """Counts of crops, and hashes: what must never be read."""
    secrets = {
        part[:12] for result in results for part in (result.sha256, result.truth, result.configuration)
    }
    for result in results:
        for row in result.crops["rows"]:
            counts = row["by_version"][METRIC]
            secrets |= {str(n) for n in numbers_in(counts) if isinstance(n, int) and n > 99}
    return secrets


def _without_ratios(scores):
    classes = [facts["score"] for facts in scores["classes"].values()]
    return [scores["overall"], scores["instance"], scores["semantic"], *classes]


@pytest.mark.parametrize("signed", [False, True])
def test_nothing_but_rounded_figures_gets_out(client, board, person, signed):
    client.get("/leaderboard/")  # makes the intervals
    assert Resample.objects.exclude(low=None).exists()
    if signed:
        client.force_login(person)
    allowed, secrets = aggregates_of(board), secrets_of(board)
    assert len(secrets) > 20
    for address in ADDRESSES:
        text = client.get(address).content.decode()
        if address.endswith(".svg"):  # paths hold places in pixels, words do not
            text = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", text))
            assert not re.findall(r"\d\.\d{4,}", text), address
        else:
            figures = set(re.findall(r"\d+\.\d+", text))
            assert figures <= allowed, address
            assert figures or "." not in address
        assert not secrets & set(re.findall(r"(?<![\d.])\d{3,}(?![\d.])", text)), address
        assert not [secret for secret in secrets if len(secret) > 8 and secret in text], address


def test_the_keys_of_a_board_are_these_and_no_more(client, board):
    record = client.get("/leaderboard.json").json()
    assert set(record) == {
        "column",
        "kind",
        "metric",
        "metrics",
        "decimals",
        "rescoring",
        "rows",
        "ranking",
        "private_crops",
    }
    assert all(tuple(row) == ROW_KEYS for row in record["rows"])
    assert all(n == round(n, 3) for n in numbers_in(record))


def test_a_picture_is_drawn_of_rounded_figures_only(client, settings):
    """Two boards that differ beyond the rounding have the same picture."""
    from organelle.portal.board.charts import history_chart
    from organelle.portal.board.standings import history

    submission = scored_submission("A", 0.8)
    result = Result.objects.get(sha256=submission.sha256)
    pictures = []
    for overall in (0.80012, 0.80034):
        result.scores["overall"] = overall
        result.save()
        pictures.append(history_chart(history(), "light").to_dict())
    assert pictures[0] == pictures[1]
