"""Who stands where, and which question the board answers."""

from __future__ import annotations

import pytest
from board_results import INSTANCE, SEMANTIC, keep_result, rows_of, scored_submission

from organelle.errors import NotFound
from organelle.portal.accounts.models import Team
from organelle.portal.board.standings import board_name, history, score_of, standings
from organelle.portal.scoring.models import Question, Result
from organelle.portal.submissions.models import Transition

pytestmark = pytest.mark.django_db

NEWER = {"metric": "2026-07"}


def places(column="overall", metric=None):
    return [(row.rank, row.team) for row in standings(column, metric).rows]


def set_score(submission, overall):
    """Say that a submission has a certain score."""
    result = Result.objects.get(sha256=submission.sha256)
    result.scores["overall"] = overall
    result.save()


def test_an_empty_board():
    board = standings()
    assert (board.rows, board.metric) == ((), "")
    assert history() == ()


def test_ties_share_a_rank_and_the_next_counts_them():
    for team, score in [("A", 0.9), ("C", 0.80004), ("B", 0.79996), ("D", 0.7), ("E", 0.7999)]:
        set_score(scored_submission(team, 0.5), score)
    assert places() == [(1, "A"), (2, "B"), (2, "C"), (2, "E"), (5, "D")]
    assert [row.is_tied for row in standings().rows] == [False, True, True, True, False]


def test_baselines_stand_among_the_others_without_a_rank():
    for team, score in [("A", 0.9), ("Base", 0.8), ("B", 0.8), ("C", 0.7)]:
        set_score(scored_submission(team, 0.5), score)
    Team.objects.filter(name="Base").update(is_baseline=True)
    assert places() == [(1, "A"), (2, "B"), (None, "Base"), (3, "C")]
    assert not standings().rows[1].is_tied


def test_a_team_stands_with_its_best_or_with_what_it_chose():
    scored_submission("A", 0.9, method="better")
    plain = scored_submission("A", 0.4, method="plain")
    scored_submission("B", 0.6)
    assert [row.team for row in standings().rows] == ["A", "B"]
    assert standings().rows[0].method == "better"
    plain.chosen = True
    plain.save()
    assert [(row.team, row.method) for row in standings().rows] == [("B", ""), ("A", "plain")]


def test_each_class_shows_the_best_of_a_team_in_it():
    objects, voxels = rows_of(0.9), rows_of(0.4)
    mixed = [
        *(r for r in objects if r.class_name == INSTANCE),
        *(r for r in voxels if r.class_name == SEMANTIC),
    ]
    scored_submission("A", mixed, method="objects")
    scored_submission("A", 0.7, method="both")
    assert standings(INSTANCE).rows[0].method == "objects"
    assert standings(SEMANTIC).rows[0].method == "both"
    assert standings(INSTANCE).kind == "instance"
    assert standings(SEMANTIC).kind == "semantic"


def test_only_what_is_scored_and_published_by_teams_that_may():
    scored_submission("Hidden", 0.9, publish=False)
    scored_submission("Waiting", 0.9, state="queued")
    scored_submission("Banned", 0.9)
    Team.objects.filter(name="Banned").update(is_banned=True)
    again = scored_submission("Again", 0.5, state="queued")
    Transition.objects.create(submission=again, actor="system", source="scoring", target="scored")
    assert [row.team for row in standings().rows] == ["Again"]


def test_a_class_that_was_not_handed_in_comes_last_without_a_rank():
    from dataclasses import replace

    left_out = [
        replace(r, is_missing=True, status="missing") if r.class_name == SEMANTIC else r for r in rows_of(0.9)
    ]
    scored_submission("A", left_out)
    scored_submission("B", 0.2)
    scored_submission("C", [r for r in rows_of(0.9) if r.class_name == INSTANCE])
    assert places(SEMANTIC) == [(1, "B"), (None, "A"), (None, "C")]
    assert standings(SEMANTIC).rows[1].score is None
    assert standings(SEMANTIC).rows[1].low is None


def test_an_anonymous_team_has_one_other_name_everywhere():
    scored_submission("Golgi", 0.9, method="open", code_url="https://code.example/golgi")
    scored_submission("Golgi", 0.5, method="hidden", anonymous=True)
    Team.objects.filter(name="Golgi").update(affiliation="Golgi Institute")
    team = Team.objects.get(name="Golgi")
    row = standings().rows[0]
    assert row.team == board_name(team, is_anonymous=True) == standings(INSTANCE).rows[0].team
    assert (row.affiliation, row.code_url, row.is_anonymous) == ("", "", True)
    assert {step.team for step in history()} == {row.team}
    other = Team.objects.create(name="Other", slug="other")
    assert board_name(other, is_anonymous=True) != row.team
    assert "olgi" not in row.team


def test_figures_are_rounded_and_intervals_too(settings):
    scored_submission("A", 0.777)
    scored_submission("B", 0.333)
    for decimals in (3, 1):
        settings.PORTAL = settings.PORTAL.model_copy(update={"decimals": decimals})
        for row in standings().rows:
            shown = [row.score, row.low, row.high, row.overall, row.instance, row.semantic]
            assert all(number == round(number, decimals) for number in shown)
            assert row.low <= row.score <= row.high
    assert standings().rows[0].score != Result.objects.order_by("pk")[0].scores["overall"]


def test_neighbours_that_the_crops_cannot_tell_apart_are_marked():
    scored_submission("A", 0.82)
    scored_submission("B", rows_of(0.815, shift=2))
    scored_submission("C", 0.4)
    assert [row.like_next for row in standings().rows] == [True, False, None]


def test_with_few_crops_there_are_neither_intervals_nor_marks():
    for team in "AB":
        scored_submission(team, rows_of(0.7, n_crops=3))
    assert all((row.low, row.high, row.like_next) == (None, None, None) for row in standings().rows)


def test_intervals_follow_a_result_that_was_replaced():
    submission = scored_submission("A", 0.8)
    before = standings().rows[0]
    other = keep_result("b" * 64, rows_of(0.3))
    Result.objects.filter(sha256=submission.sha256).update(scores=other.scores, crops=other.crops)
    after = standings().rows[0]
    assert after.low < after.score < after.high < before.low


def test_the_old_board_stays_until_everything_is_scored_anew():
    Question.objects.create(metric="2026-06", truth="t" * 64, configuration="c" * 64, turn=1)
    first, second = scored_submission("A", 0.5), scored_submission("B", 0.7)
    Question.objects.create(metric="2026-07", truth="t" * 64, configuration="c" * 64, turn=2)
    board = standings()
    assert (board.metric, board.newer_metric, board.done, board.total) == ("2026-06", "2026-07", 0, 2)
    keep_result(first.sha256, rows_of(0.5), **NEWER)
    scored_submission("Late", 0.9, key=NEWER)
    board = standings()
    assert (board.metric, board.newer_metric, board.done, board.total) == ("2026-06", "2026-07", 2, 3)
    assert [row.team for row in board.rows] == ["B", "A"]
    keep_result(second.sha256, rows_of(0.7), **NEWER)
    board = standings()
    assert (board.metric, board.newer_metric) == ("2026-07", None)
    assert [row.team for row in board.rows] == ["Late", "B", "A"]
    assert board.metrics == ("2026-07", "2026-06")
    assert places(metric="2026-06") == [(1, "B"), (2, "A")]
    assert standings(metric="2026-06").newer_metric is None


def test_a_question_that_is_asked_again_is_the_newest():
    scored_submission("A", 0.5)
    keep_result(Result.objects.get().sha256, rows_of(0.6), **NEWER)
    question = {"truth": "t" * 64, "configuration": "c" * 64}
    Question.objects.create(metric="2026-07", turn=2, **question)
    Question.objects.create(metric="2026-06", turn=3, **question)
    assert standings().metric == "2026-06"


def test_a_withdrawn_submission_holds_up_nothing():
    Question.objects.create(metric="2026-07", truth="t" * 64, configuration="c" * 64, turn=2)
    slow = scored_submission("Slow", 0.5)
    scored_submission("A", 0.5, key=NEWER)
    assert standings().metric == "2026-06"
    slow.publish = False
    slow.save()
    assert standings().metric == "2026-07"


def test_unknown_boards_and_metrics_name_what_there_is():
    with pytest.raises(NotFound, match="mito"):
        standings("mitu")
    scored_submission("A", 0.5)
    with pytest.raises(NotFound, match="2026-06"):
        standings(metric="2025-01")
    assert standings("chlor").rows[0].score is None  # a class that this challenge does not ask for


def test_history_holds_the_days_on_which_a_team_got_better():
    for day, quality in [(3, 0.5), (1, 0.4), (2, 0.3), (5, 0.8), (5, 0.7)]:
        scored_submission("A", quality, day=day)
    scored_submission("B", 0.6, day=2)
    steps = history()
    assert [(step.day.day, step.team) for step in steps] == [(1, "A"), (2, "B"), (3, "A"), (5, "A")]
    assert steps[-1].score == standings().rows[0].score


def test_a_team_sees_its_own_figures_rounded():
    submission = scored_submission("A", 0.777, publish=False)
    scores = score_of(submission)
    assert scores is not None
    assert scores["metric"] == "2026-06"
    mito = scores["classes"][INSTANCE]
    assert mito["kind"] == "instance"
    assert {"f1", "combined_score"} <= set(mito)
    numbers = [scores["overall"], *(v for v in mito.values() if isinstance(v, float))]
    assert all(number == round(number, 3) for number in numbers)
    submission.sha256 = "0" * 64
    assert score_of(submission) is None
