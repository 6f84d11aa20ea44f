"""Private crops while things are scored: two figures of the same rows, parted anew without scoring anew."""

from __future__ import annotations

import shutil

import pytest
from board_results import METRIC, keep_result, rows_of
from scored_files import ByHand, State, handed_in, worker
from two_crops import FIRST, SECOND, TRUTH, make_two_crops

from organelle.catalog import load_catalog
from organelle.errors import ScoringError
from organelle.evaluate import evaluate, open_truth, plan_evaluation, simulate
from organelle.portal.board.models import Resample
from organelle.portal.board.resampling import resample
from organelle.portal.board.standings import score_of, standings
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.checks import findings
from organelle.portal.scoring import queue
from organelle.portal.scoring.finish import scores_of
from organelle.portal.scoring.metrics import concerns
from organelle.portal.scoring.models import Job, Question, Result, crops_as_text
from organelle.portal.scoring.private import classes_without_public, make_figures_anew, require_private
from organelle.portal.scoring.question import NoQuestion, Questions, announce, stamp_of


@pytest.fixture(scope="module")
def challenge(tiny_challenge, tmp_path_factory):
    return make_two_crops(tiny_challenge, tmp_path_factory.mktemp("private") / "tiny")


@pytest.fixture(scope="module")
def drawn(challenge, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "drawn.zip"
    simulate(challenge / TRUTH, load_catalog(challenge), path, seed=1)
    return path


@pytest.fixture(scope="module")
def evaluation(challenge, drawn):
    return evaluate(drawn, challenge / TRUTH, load_catalog(challenge), workers=0)


@pytest.fixture(scope="module")
def plan(challenge):
    return plan_evaluation(open_truth(challenge / TRUTH), load_catalog(challenge))


@pytest.fixture
def ask(db, challenge, settings, portal_folder):
    """Asks a question with these private crops, as a worker that starts does."""

    def ask(*private: int, questions: Questions | None = None):
        known = {"catalog": str(challenge), "truth": str(challenge / TRUTH), "private_crops": private}
        settings.PORTAL = settings.PORTAL.model_copy(update=known)
        return (questions or Questions()).current(look=True)

    return ask


def alone(crop, challenge, drawn, folder):
    """What `csc evaluate` says of a truth that holds no other crop."""
    shutil.copytree(challenge / TRUTH / f"crop{crop}", folder / f"crop{crop}")
    shutil.copyfile(challenge / TRUTH / ".zgroup", folder / ".zgroup")
    return scores_of(evaluate(drawn, folder, load_catalog(challenge), workers=0))


def test_both_figures_are_those_of_a_truth_without_the_other_crops(
    ask, team, challenge, drawn, evaluation, tmp_path
):
    handed_in(team, State.QUEUED)
    exam = ask(SECOND)
    assert ByHand(exam, evaluation).score(worker()) == len(evaluation.rows)
    result = Result.objects.get()
    assert result.scores == alone(FIRST, challenge, drawn, tmp_path / "first.zarr")
    assert result.final == alone(SECOND, challenge, drawn, tmp_path / "second.zarr")
    assert result.scores["overall"] != result.final["overall"]
    assert result.private == {SECOND}
    assert len(result.crops["rows"]) == len(evaluation.rows)


def test_other_private_crops_need_no_scoring(ask, team, evaluation):
    submission = handed_in(team, State.QUEUED)
    exam = ask()
    ByHand(exam, evaluation).score(worker())
    whole = Result.objects.get()
    assert (whole.final, whole.private_crops) == ({}, "")
    seen = {}
    for private in ((SECOND,), (FIRST,), ()):
        key = ask(*private).key
        assert key == exam.key, "the rows are the same"
        queue.derive_jobs(exam)
        result = Result.objects.get()
        seen[private] = result.scores
        assert Question.current().private_crops == result.private_crops == crops_as_text(private)
        assert (
            standings().rows[0].overall
            == round(result.scores["overall"], 3)
            == score_of(submission)["overall"]
        )
        assert Job.objects.count() == 1
    assert seen[()] == whole.scores
    assert len({scores["overall"] for scores in seen.values()}) == 3


def test_the_board_never_mixes_the_figures(ask, team, evaluation, monkeypatch):
    """Question and figures change in one moment; what is kept for other crops later is parted, too."""
    handed_in(team, State.QUEUED)
    exam = ask()
    ByHand(exam, evaluation).score(worker())
    now = ask(SECOND)
    stale = keep_result("b" * 64, rows_of(0.7), **exam.key)
    handed_in(team, State.SCORED, sha256="b" * 64)
    assert [row.team for row in standings().rows] == ["Golgi"]
    assert score_of(team.submissions.get(sha256="b" * 64)) is None
    queue.derive_jobs(now)
    stale.refresh_from_db()
    assert stale.private == {SECOND}


def test_intervals_of_other_private_crops_are_not_shown(db):
    result = keep_result("a" * 64, rows_of(0.7, n_crops=12), private_crops="0,1,2,3,4,5")
    result.refresh_from_db()
    resample(result)
    kept = {(r.ranking, r.column): r for r in Resample.objects.all()}
    assert {ranking for ranking, _ in kept} == {"public", "final"}
    assert kept["public", "overall"].score == result.scores["overall"]
    assert kept["final", "overall"].score == result.final["overall"]
    make_figures_anew("0,1,2,3,4,6")
    result.refresh_from_db()
    resample(result)
    assert {r.private_crops for r in Resample.objects.all()} == {"0,1,2,3,4,6"}
    make_figures_anew("")
    result.refresh_from_db()
    resample(result)
    assert {r.ranking for r in Resample.objects.all()} == {"public"}


def test_rows_that_cannot_be_read_are_forgotten_and_scored_again(ask, team, evaluation):
    submission = handed_in(team, State.QUEUED)
    exam = ask()
    ByHand(exam, evaluation).score(worker())
    result = Result.objects.get()
    del result.crops["rows"][0]["by_version"]["pq"]  # as an older version left it
    result.save()
    exam = ask(SECOND)
    assert not Result.objects.exists()
    assert AuditEntry.objects.filter(action="result.forgotten").exists()
    ByHand(exam, evaluation).score(worker("two"))
    submission.refresh_from_db()
    assert (submission.state, Result.objects.get().private) == (State.SCORED, {SECOND})


def test_results_of_an_older_metric_are_parted_too(db):
    for metric in (METRIC, "2026-07"):
        keep_result("a" * 64, rows_of(0.7), metric=metric)
    assert make_figures_anew("0,1") == 2
    assert make_figures_anew("0,1") == 0
    for result in Result.objects.all():
        fresh = keep_result("b" * 64, rows_of(0.7), metric=result.metric, private_crops="0,1")
        assert (result.scores, result.final) == (fresh.scores, fresh.final)


def test_an_older_truth_without_private_crops_has_no_final_figures(db):
    keep_result("a" * 64, rows_of(0.7), truth="o" * 64)
    make_figures_anew("99")
    assert Result.objects.get().final == {}


def test_a_worker_of_other_private_crops_waits_for_the_one_that_came_later(ask):
    first = Questions()
    ask(SECOND, questions=first)
    ask()
    with pytest.raises(NoQuestion, match="private crops"):
        first.current(look=True)
    assert Question.current().private_crops == ""


@pytest.mark.parametrize(
    ("crops", "words"),
    [((222,), "no test crop 222; nearest: 22, 21"), ((21, 22), "no crop is left"), ((-1,), "nearest: 21")],
)
def test_crops_that_cannot_be_private_are_named(plan, challenge, crops, words):
    with pytest.raises(ScoringError, match=words):
        require_private(crops, plan, load_catalog(challenge))


def test_a_crop_without_truth_cannot_be_private(plan, challenge):
    with pytest.raises(ScoringError, match="no truth of crop 22 can be scored; nearest: 21"):
        require_private((22,), [row for row in plan if row.crop_id == 21], load_catalog(challenge))
    require_private((22, 22), plan, load_catalog(challenge))


def test_classes_of_private_crops_alone_are_told(plan):
    assert classes_without_public((22,), plan) == ()
    without = [row for row in plan if (row.crop_id, row.class_name) != (21, "ves")]
    assert classes_without_public((22,), without) == ("ves",)


def test_a_wrong_crop_keeps_workers_waiting_and_the_pages_up(ask, client, team, evaluation):
    handed_in(team, State.QUEUED)
    exam = ask(SECOND)
    ByHand(exam, evaluation).score(worker())
    before = client.get("/leaderboard.json").json()
    with pytest.raises(NoQuestion, match="crop 23; nearest: 22, 21") as told:
        ask(23)
    one = worker("waiting")
    one.doing = f"waits: {told.value}"
    one.save()
    assert any("crop 23; nearest: 22, 21" in concern for concern in concerns())
    assert client.get("/leaderboard.json").json() == before
    assert client.get("/leaderboard/?ranking=final").status_code == 404
    assert Question.current().private == {SECOND}


def test_workers_that_keep_fewer_crops_private_make_nothing_public(ask, client, team, evaluation, settings):
    submission = handed_in(team, State.QUEUED)
    ByHand(ask(SECOND), evaluation).score(worker())
    hidden = client.get("/leaderboard.json").json()
    assert hidden["rows"]
    ask()
    settings.PORTAL = settings.PORTAL.model_copy(update={"private_crops": (SECOND,)})
    assert client.get("/leaderboard.json").json()["rows"] == []
    assert score_of(submission) is None
    assert any("make private_crops equal everywhere" in concern for concern in concerns())
    ask(SECOND)
    assert client.get("/leaderboard.json").json() == hidden
    assert score_of(submission)["overall"] == hidden["rows"][0]["overall"]


def test_a_private_crop_that_vanishes_from_the_tables_stays_hidden(
    ask, client, team, evaluation, challenge, settings, tmp_path
):
    handed_in(team, State.QUEUED)
    ByHand(ask(SECOND), evaluation).score(worker())
    before = client.get("/leaderboard.json").json()
    folder = tmp_path / "fewer"
    shutil.copytree(challenge, folder)
    tables = [path for path in folder.glob("*.csv") if f"\n{SECOND}," in path.read_text()]
    for table in tables:
        kept = [line for line in table.read_text().splitlines() if not line.startswith(f"{SECOND},")]
        table.write_text("\n".join(kept) + "\n")
    assert tables
    assert SECOND not in load_catalog(folder).test_crops
    settings.PORTAL = settings.PORTAL.model_copy(
        update={"catalog": str(folder), "truth": str(folder / TRUTH)}
    )
    with pytest.raises(NoQuestion, match="no test crop 22; nearest: 21"):
        Questions().current()
    assert client.get("/leaderboard.json").json() == before
    assert client.get("/leaderboard/?ranking=final").status_code == 404


def test_the_check_before_people_come_names_wrong_crops(challenge, settings, portal_folder):
    known = {"catalog": str(challenge), "truth": str(challenge / TRUTH)}

    def told(*private):
        config = settings.PORTAL.model_copy(update=known | {"private_crops": private})
        return [str(found) for found in findings(portal_folder.root, config) if "private" in str(found)]

    assert told() == told(SECOND) == []
    (wrong,) = told(23)
    assert "crop 23; nearest: 22, 21" in wrong
    assert "mend" in wrong


def test_a_question_is_announced_with_its_crops_in_order(db, challenge, portal_folder):
    truth, tables = str(challenge / TRUTH), str(challenge)
    exam = announce(truth, tables, METRIC, stamp_of(truth, tables), [SECOND, SECOND])
    assert exam.question.private_crops == "22"
    assert announce(truth, tables, METRIC, stamp_of(truth, tables), (SECOND,)).question == exam.question
