"""The final ranking: by private crops, for everybody when the challenge is over, and for nobody before."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from board_results import INSTANCE, METRIC, SEMANTIC, keep_result, rows_of, scored_submission

from organelle.evaluate.kept import row_record
from organelle.metrics import pool
from organelle.portal.accounts.models import Team
from organelle.portal.board import looking
from organelle.portal.board.intervals import draw_columns
from organelle.portal.board.models import Ranking
from organelle.portal.board.standings import history, score_of, standings
from organelle.portal.challenge.models import Phase
from organelle.portal.scoring.models import Question, Result

pytestmark = pytest.mark.django_db

N_CROPS = 12
PRIVATE = {"private_crops": "6,7,8,9,10,11"}
KEY = {"metric": METRIC, "truth": "t" * 64, "configuration": "c" * 64}
FINAL = Ranking.FINAL
ADDRESSES = (
    "/leaderboard/?ranking=final", f"/leaderboard/{INSTANCE}/?ranking=final",
    "/leaderboard.csv?ranking=final", "/leaderboard.json?ranking=final", "/api/leaderboard?ranking=final",
    f"/leaderboard/?ranking=final&metric={METRIC}",
)  # fmt: skip


@pytest.fixture
def question():
    return Question.objects.create(**KEY, turn=1, **PRIVATE)


@pytest.fixture
def board(question):
    """A is the best on the public crops, B on the private ones."""
    entered("A", public=0.9, private=0.5)
    entered("B", public=0.7, private=0.8)
    entered("C", public=0.5, private=0.3)


def rows(public: float, private: float, **options):
    """Rows that are as good as that on crops 0 to 5, and on crops 6 to 11."""
    first, last = (rows_of(quality, n_crops=N_CROPS, **options) for quality in (public, private))
    return [r for r in first if r.crop_id < 6] + [r for r in last if r.crop_id >= 6]


def entered(team: str, public: float, private: float, **values):
    return scored_submission(team, rows(public, private), key=PRIVATE, **values)


def drawn_of(found):
    """The columns of these rows, as they are kept."""
    return draw_columns(json.loads(json.dumps([row_record(row) for row in found])), METRIC)


def the_end_comes():
    Phase.objects.create(kind="final", starts=datetime(2026, 1, 2, tzinfo=UTC))


def places(column="overall", ranking=FINAL, **options):
    return [(row.rank, row.team) for row in standings(column, ranking=ranking, **options).rows]


@pytest.mark.parametrize("phase", ["", "announced", "open", "closed"])
def test_before_the_end_there_is_no_final_ranking(client, signed_in, board, phase):
    if phase:
        Phase.objects.create(kind=phase, starts=datetime(2026, 1, 2, tzinfo=UTC))
    for address in ADDRESSES:
        answer = client.get(address)
        assert answer.status_code == 404, address
        other = client.get(address.replace("final", "nothing"))
        assert answer.content.replace(b"final", b"nothing") == other.content, "not even that there is one"
        page = client.get(address.replace("ranking=final", "")).content.decode()
        assert "inal ranking" not in page
        assert "ranking=" not in page


def test_the_public_board_knows_the_public_crops_only(board):
    public = [r for r in rows(0.9, 0.5) if r.crop_id < 6]
    shown = standings().rows
    assert [row.team for row in shown] == ["A", "B", "C"]
    overall = pool((r.class_name, r.counts) for r in public).overall
    drawn = drawn_of(public)["overall"]
    assert shown[0].score == round(overall, 3)
    assert (shown[0].low, shown[0].high) == tuple(round(end, 3) for end in drawn.interval)
    assert standings().private_crops is None


def test_the_final_ranking_knows_the_private_crops_only(board):
    private = [r for r in rows(0.7, 0.8) if r.crop_id >= 6]
    ranking = standings(ranking=FINAL)
    assert places() == [(1, "B"), (2, "A"), (3, "C")]
    overall = pool((r.class_name, r.counts) for r in private).overall
    drawn = drawn_of(private)["overall"]
    assert ranking.rows[0].score == round(overall, 3)
    assert (ranking.rows[0].low, ranking.rows[0].high) == tuple(round(end, 3) for end in drawn.interval)
    assert ranking.private_crops == 6


def test_in_the_end_everybody_sees_it(client, board):
    before = client.get("/leaderboard.json").json()
    the_end_comes()
    page = client.get("/leaderboard/").content.decode()
    assert "<h1>Final ranking, metric 2026-06</h1>" in page
    assert page.index('<th scope="row">B') < page.index('<th scope="row">A')
    assert "6 test crops that were private" in page
    assert 'href="/leaderboard/?ranking=public"' in page
    for address in ("/leaderboard.json", "/api/leaderboard", *ADDRESSES[3:5]):
        record = client.get(address).json()
        assert (record["ranking"], record["private_crops"]) == ("final", 6)
        assert [row["team"] for row in record["rows"]] == ["B", "A", "C"]
    answer = client.get("/leaderboard.csv")
    assert 'filename="final-ranking-overall-2026-06.csv"' in answer["Content-Disposition"]
    assert [row["team"] for row in csv.DictReader(io.StringIO(answer.content.decode()))] == ["B", "A", "C"]
    assert client.get("/leaderboard.json?ranking=public").json() == before
    assert client.get("/api/leaderboard?ranking=public").json() == before
    public = client.get("/leaderboard/?ranking=public").content.decode()
    assert "<h1>Leaderboard, metric 2026-06</h1>" in public
    assert 'href="/leaderboard/?ranking=final"' in public
    assert 'href="/leaderboard/instance/?ranking=public"' in public
    assert client.get("/leaderboard/?ranking=nothing").status_code == 404


def test_the_form_stays_in_its_ranking(client, board):
    the_end_comes()
    lead = client.get(f"/leaderboard/?class={INSTANCE}&ranking=public")
    assert lead["Location"] == f"/leaderboard/{INSTANCE}/?ranking=public"
    page = client.get(f"/leaderboard/{INSTANCE}/?ranking=public").content.decode()
    assert '<input type="hidden" name="ranking" value="public">' in page
    assert f"<h1>Leaderboard: {INSTANCE}, metric" in page
    assert (
        f"<h1>Final ranking: {INSTANCE}, metric" in client.get(f"/leaderboard/{INSTANCE}/").content.decode()
    )


def test_organisers_look_before_and_it_is_kept_nowhere(client, board, organiser, settings):
    client.force_login(organiser)
    assert "ranking=final" in client.get("/leaderboard/").content.decode()
    for address in ADDRESSES[:4]:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", ")), address
        assert "public" not in answer["Cache-Control"]
        assert "ETag" not in answer
    assert "Only organisers see this page" in client.get("/leaderboard/?ranking=final").content.decode()
    client.logout()
    for address in ADDRESSES:
        assert client.get(address).status_code == 404


def test_one_look_for_many_readers_mixes_nothing(client, board, organiser, monkeypatch):
    monkeypatch.setattr(looking, "BEHIND_S", 3600.0)
    looking.forget()
    client.force_login(organiser)
    final = client.get("/leaderboard.json?ranking=final").json()
    client.logout()
    public = client.get("/leaderboard.json").json()
    assert (final["ranking"], public["ranking"]) == ("final", "public")
    assert [row["team"] for row in public["rows"]] == ["A", "B", "C"]
    assert client.get("/leaderboard.json?ranking=final").status_code == 404
    looking.forget()


def test_the_private_crops_choose_for_nobody(question):
    entered("A", public=0.8, private=0.3, method="best in public")
    lucky = entered("A", public=0.6, private=0.9, method="best in private")
    entered("B", public=0.5, private=0.5)
    assert [(row.team, row.method) for row in standings(ranking=FINAL).rows] == [
        ("B", ""),
        ("A", "best in public"),
    ]
    assert standings(INSTANCE, ranking=FINAL).rows[1].method == "best in public"
    lucky.chosen = True
    lucky.save()
    assert standings(ranking=FINAL).rows[0].method == "best in private"


def test_of_submissions_that_are_equal_in_public_the_first_counts(question):
    entered("A", public=0.6, private=0.3, method="first")
    entered("A", public=0.6, private=0.9, method="second", day=2)
    assert [row.method for row in standings(ranking=FINAL).rows] == ["first"]


def test_ties_and_baselines_follow_the_final_figures(question):
    for team, public, private in [("A", 0.9, 0.6), ("B", 0.5, 0.6), ("Base", 0.7, 0.7), ("C", 0.8, 0.4)]:
        entered(team, public=public, private=private)
    Team.objects.filter(name="Base").update(is_baseline=True)
    assert places() == [(None, "Base"), (1, "A"), (1, "B"), (3, "C")]
    assert [row.is_tied for row in standings(ranking=FINAL).rows] == [False, True, True, False]


def test_teams_without_anything_to_rank_are_not_there(question):
    entered("A", public=0.6, private=0.6)
    entered("Hidden", public=0.9, private=0.9, publish=False)
    entered("Refused", public=0.9, private=0.9, state="refused")
    Team.objects.create(name="Idle", slug="idle")
    assert places() == [(1, "A")]


def test_a_class_that_was_not_handed_in_for_private_crops_has_no_rank(question):
    half = [
        replace(r, is_missing=True, status="missing") if r.class_name == SEMANTIC and r.crop_id >= 6 else r
        for r in rows(0.9, 0.9)
    ]
    scored_submission("A", half, key=PRIVATE)
    entered("B", public=0.2, private=0.2)
    assert places(SEMANTIC) == [(1, "B"), (None, "A")]
    assert places(SEMANTIC, Ranking.PUBLIC) == [(1, "A"), (2, "B")]


def test_marks_follow_the_private_crops(question):
    scored_submission("A", rows(0.9, 0.62), key=PRIVATE)
    scored_submission("B", rows(0.3, 0.618, shift=2), key=PRIVATE)
    assert [row.like_next for row in standings().rows] == [False, None]
    assert [row.like_next for row in standings(ranking=FINAL).rows] == [True, None]


def test_few_private_crops_have_no_intervals(question):
    Question.objects.update(private_crops="10,11")
    scored_submission("A", rows(0.9, 0.5), key={"private_crops": "10,11"})
    final, public = standings(ranking=FINAL).rows[0], standings().rows[0]
    assert (final.low, final.high) == (None, None)
    assert public.low < public.score < public.high


def test_scores_over_time_stay_those_of_the_public_crops(client, board):
    before = history()
    picture = client.get("/leaderboard/overall/history-light.svg").content
    table = client.get("/leaderboard/overall/history.json").content
    the_end_comes()
    assert history() == before
    assert client.get("/leaderboard/overall/history-light.svg").content == picture
    for address in ("/leaderboard/overall/history.json", "/leaderboard/overall/history.json?ranking=final"):
        assert client.get(address).content == table
    assert "Scores over time, on the public crops" in client.get("/leaderboard/").content.decode()


def test_both_rankings_of_an_older_metric_can_be_looked_at(client, board):
    the_end_comes()
    newer = {"metric": "2026-07", **PRIVATE}
    Question.objects.create(**KEY | newer, turn=2)
    keep_result(Result.objects.earliest("pk").sha256, rows(0.2, 0.2), **newer)
    ranking = client.get("/leaderboard.json").json()
    assert (ranking["metric"], ranking["ranking"]) == ("2026-06", "final"), "until the new one is whole"
    assert ranking["rescoring"] == {"metric": "2026-07", "done": 1, "of": 3}
    for result in Result.objects.filter(metric=METRIC).order_by("pk")[1:]:
        keep_result(result.sha256, rows(0.5, 0.6), **newer)
    assert client.get("/leaderboard.json").json()["metric"] == "2026-07"
    old = client.get("/leaderboard.json?metric=2026-06").json()
    assert (old["ranking"], [row["team"] for row in old["rows"]]) == ("final", ["B", "A", "C"])
    page = client.get("/leaderboard/?metric=2026-06").content.decode()
    assert 'href="/leaderboard/?ranking=public&amp;metric=2026-06"' in page


def test_results_that_were_parted_for_other_crops_are_not_shown(board):
    Result.objects.filter(pk=Result.objects.earliest("pk").pk).update(private_crops="1,2")
    for ranking in Ranking:
        assert {team for _, team in places(ranking=ranking)} == {"B", "C"}


def test_without_private_crops_the_end_changes_nothing(client):
    scored_submission("A", 0.8)
    scored_submission("B", 0.6)
    before = client.get("/leaderboard/").content
    record = client.get("/leaderboard.json").content
    the_end_comes()
    assert b"<h1>Leaderboard, metric 2026-06</h1>" in client.get("/leaderboard/").content
    assert client.get("/leaderboard.json").content == record
    assert b"rivate" not in before
    for address in ADDRESSES:
        assert client.get(address).status_code == 404


def test_a_team_reads_both_figures_in_the_end_and_one_before(client, signed_in, team, question):
    submission = entered(team, public=0.9, private=0.5)
    public = score_of(submission)
    address, record = f"/submissions/{submission.pk}/", f"/api/submissions/{submission.pk}"
    assert "final" not in public
    assert "private" not in client.get(address).content.decode()
    assert client.get(record).json()["score"]["final"] is None
    the_end_comes()
    both = score_of(submission)
    assert {key: value for key, value in both.items() if key != "final"} == public
    assert both["final"]["overall"] == standings(ranking=FINAL).rows[0].score
    page = client.get(address).content.decode()
    for scores in (both, both["final"]):
        assert f"<strong>{scores['overall']:.3f}</strong>" in page
    assert client.get(record).json()["score"]["final"]["overall"] == both["final"]["overall"]


def test_nobody_picks_a_submission_by_the_final_ranking(client, signed_in, team, organiser, question):
    one = entered(team, public=0.9, private=0.3)
    other = entered(team, public=0.5, private=0.9)
    assert "Choose this one" in client.get(f"/submissions/{other.pk}/").content.decode()
    the_end_comes()
    assert "Choose this one" not in client.get(f"/submissions/{other.pk}/").content.decode()
    client.post(f"/submissions/{other.pk}/choose/", {"chosen": "true"})
    client.post(f"/submissions/{one.pk}/edit/", {"method": "ours"})  # without the consent to publish
    told = client.post(f"/api/submissions/{other.pk}/choose", {"chosen": True}, "application/json")
    assert (told.status_code, told.json()["code"]) == (409, "phase")
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.publish, other.chosen) == (True, False)
    client.post(f"/submissions/{one.pk}/edit/", {"method": "ours", "publish": "on"})
    one.refresh_from_db()
    assert one.method == "ours", "words may still change"
    client.force_login(organiser)
    client.post(f"/submissions/{other.pk}/choose/", {"chosen": "true"})
    other.refresh_from_db()
    assert other.chosen


def test_organisers_see_both_figures_of_a_result(client, organiser, board):
    client.force_login(organiser)
    result = Result.objects.earliest("pk")
    listed = client.get("/admin/scoring/result/").content.decode()
    shown = client.get(f"/admin/scoring/result/{result.pk}/change/").content.decode()
    assert PRIVATE["private_crops"] in shown
    for figure in (result.scores["overall"], result.final["overall"]):
        assert f"{figure:.6f}"[:-1] in shown
        assert f"{figure:.6f}"[:-1] in listed


def test_the_export_for_organisers_holds_both(board):
    from organelle.portal.upkeep import _submissions

    (found,) = next(iter(_submissions()))["results"]
    result = Result.objects.earliest("pk")
    assert (found["scores"], found["final"]) == (result.scores, result.final)
    assert found["private_crops"] == PRIVATE["private_crops"]
