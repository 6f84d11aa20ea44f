"""What is to be done follows from states; leases, faults, and the one result at the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from scored_files import ByHand, State, handed_in, job_of, worker

from organelle.catalog import load_catalog
from organelle.evaluate import evaluate, extended_record, simulate
from organelle.portal.accounts.models import Membership, Team, User
from organelle.portal.news.models import OutgoingMail
from organelle.portal.scoring import queue
from organelle.portal.scoring.leases import (
    MOST_LOST,
    fault,
    give_back,
    keep_row,
    renew,
    take_check,
    take_rows,
)
from organelle.portal.scoring.models import Job, Result, Task, Worker
from organelle.portal.scoring.progress import progress_of
from organelle.portal.scoring.question import announce, stamp_of
from organelle.portal.submissions.limits import allowance
from organelle.portal.submissions.models import NotInThatState, Submission

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def evaluation(tiny_challenge, tmp_path_factory):
    """What `csc evaluate` says of a submission with errors."""
    path, catalog = tmp_path_factory.mktemp("file") / "drawn.zip", load_catalog(tiny_challenge)
    truth = tiny_challenge / "truth.zarr"
    simulate(truth, catalog, path, seed=1)
    return evaluate(path, truth, catalog, workers=0)


@pytest.fixture
def by_hand(db, tiny_challenge, evaluation) -> ByHand:
    return ByHand(asked(tiny_challenge), evaluation)


def asked(challenge, metric="2026-06"):
    truth, tables = str(challenge / "truth.zarr"), str(challenge)
    return announce(truth, tables, metric, stamp_of(truth, tables))


def other_team(name: str) -> Team:
    team = Team.objects.create(name=name, slug=name)
    Membership.objects.create(user=User.objects.of(f"{name}@lab.example"), team=team)
    return team


def shift(by: timedelta) -> None:
    """Move all that is written of leases and pauses, as if the clock had jumped the other way."""
    for model, field in ((Job, "lease_until"), (Task, "lease_until"), (Job, "not_before")):
        for row in model.objects.exclude(**{field: None}):
            model.objects.filter(pk=row.pk).update(**{field: getattr(row, field) + by})


def test_a_submission_gets_one_check_however_often_one_looks(team):
    submission = handed_in(team)
    for _ in range(3):
        queue.derive_jobs(None)
    assert [job.kind for job in submission.jobs.all()] == ["check"]
    assert take_check(worker()).submission == submission
    assert take_check(worker("two")) is None


def test_nothing_is_scored_without_a_truth_and_nothing_lost(team):
    submission = handed_in(team, State.QUEUED)
    queue.derive_jobs(None)
    assert not submission.jobs.exists()
    submission.refresh_from_db()
    assert submission.state == State.QUEUED


def test_the_result_is_what_evaluate_says_to_the_last_digit(team, by_hand, evaluation):
    submission = handed_in(team, State.QUEUED)
    who = worker()
    assert by_hand.score(who, most=4) == 4
    submission.refresh_from_db()
    assert submission.state == State.SCORING
    assert not Result.objects.exists()
    by_hand.score(who)
    submission.refresh_from_db()
    result = Result.objects.get()
    assert submission.state == State.SCORED
    official = extended_record(evaluation)
    assert result.scores["overall"] == official["overall_score"]
    assert result.scores["instance"] == official["overall_instance_score"]
    assert result.scores["semantic"] == official["overall_semantic_score"]
    for name, found in result.scores["classes"].items():
        named = official["label_scores"][name]
        assert found["ratios"] == {key: named[key] for key in found["ratios"]}
        assert found["score"] == evaluation.scores.classes[name].score
        assert found["kind"] == ("instance" if "f1" in found["ratios"] else "semantic")
    assert set(result.scores["classes"]) == set(official["label_scores"])
    assert [(row["crop_id"], row["class_name"]) for row in result.crops["rows"]] == [
        (row.crop_id, row.class_name) for row in evaluation.rows
    ]
    assert result.truth == evaluation.provenance.truth.sha256


def test_it_is_scored_once_though_two_finish_it(team, by_hand):
    submission = handed_in(team, State.QUEUED)
    one, two = worker(), worker()
    by_hand.score(one, most=5)
    by_hand.score(two)
    queue.derive_jobs(by_hand.exam)
    assert by_hand.score(one) == 0
    assert Result.objects.count() == 1
    assert list(submission.transitions.values_list("target", flat=True)) == [State.SCORING, State.SCORED]
    assert OutgoingMail.objects.count() == 1


def test_a_worker_that_dies_after_the_last_row_leaves_the_result_to_the_next(team, by_hand):
    submission = handed_in(team, State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    who = worker()
    for task in take_rows(who, by_hand.exam.key, 100).tasks:
        keep_row(task, who, by_hand.record(task))
    queue.derive_jobs(by_hand.exam)
    submission.refresh_from_db()
    assert submission.state == State.SCORED


def test_the_same_file_of_another_team_shares_the_result(team, by_hand):
    handed_in(team, State.QUEUED)
    by_hand.score(worker())
    other = handed_in(other_team("vesicle"), State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    other.refresh_from_db()
    assert other.state == State.SCORED
    assert Result.objects.count() == 1
    assert not other.jobs.exists()
    assert "vesicle@lab.example" in OutgoingMail.objects.values_list("to", flat=True)


def test_who_wants_no_mail_gets_none(team, person, by_hand):
    person.mail_scores = False
    person.save()
    handed_in(team, State.QUEUED)
    by_hand.score(worker())
    assert not OutgoingMail.objects.exists()


def test_a_lease_belongs_to_one_until_it_runs_out(team, by_hand):
    handed_in(team, State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    dead, alive = worker("same"), worker("same")
    first = take_rows(dead, by_hand.exam.key, 100)
    assert take_rows(alive, by_hand.exam.key, 100) is None
    renew(dead)
    assert take_rows(alive, by_hand.exam.key, 100) is None
    shift(-DAY)
    second = take_rows(alive, by_hand.exam.key, 100)
    assert {task.pk for task in second.tasks} == {task.pk for task in first.tasks}
    task = first.tasks[0]
    assert not keep_row(task, dead, by_hand.record(task))
    assert keep_row(task, alive, by_hand.record(task))
    assert job_of(Submission.objects.get()).events.filter(what="lost").count() == 1


@pytest.mark.parametrize("jump", [DAY, -DAY, timedelta(hours=3)])
def test_a_clock_that_jumps_holds_nothing_up(team, by_hand, jump):
    submission = handed_in(team, State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    dead, alive = worker(), worker()
    take_rows(dead, by_hand.exam.key, 4)
    shift(jump)
    assert by_hand.score(alive) == 9
    submission.refresh_from_db()
    assert submission.state == State.SCORED


def test_what_is_given_back_is_free_at_once_and_counts_as_nothing(team, by_hand):
    handed_in(team, State.QUEUED)
    handed_in(team, sha256="b" * 64)
    queue.derive_jobs(by_hand.exam)
    who = worker()
    take_check(who)
    take_rows(who, by_hand.exam.key, 4)
    give_back(who)
    assert take_check(worker()) is not None
    assert len(take_rows(worker(), by_hand.exam.key, 100).tasks) == 9
    assert not Job.objects.filter(events__what="lost").exists()


def test_three_faults_and_it_has_failed_and_costs_nothing(team, by_hand):
    submission = handed_in(team, State.QUEUED)
    who = worker()
    before = allowance(team).total_left
    for number in range(3):
        queue.derive_jobs(by_hand.exam)
        batch = take_rows(who, by_hand.exam.key, 2)
        keep_row(batch.tasks[0], who, by_hand.record(batch.tasks[0]))
        fault(batch.job, who, f"/data/store is gone, {number}")
        assert take_rows(who, by_hand.exam.key, 2) is None, "it pauses"
        Job.objects.update(not_before=batch.job.created)
    submission.refresh_from_db()
    assert submission.state == State.FAILED
    assert "/data" not in submission.reason
    assert "cost no attempt" in submission.reason
    assert "/data/store is gone, 2" in job_of(submission).reason
    assert allowance(team).total_left == before + 1
    queue.requeue(submission, None, "the store is back")
    assert by_hand.score(who) == 6, "rows that were done are kept"
    submission.refresh_from_db()
    assert submission.state == State.SCORED


def test_a_job_at_which_workers_die_without_end_has_failed(team, by_hand):
    submission = handed_in(team, State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    taken = 0
    while take_rows(worker(), by_hand.exam.key, 1) is not None:
        taken += 1
        shift(-DAY)
    submission.refresh_from_db()
    assert (taken, submission.state) == (MOST_LOST, State.FAILED)


def test_what_is_cancelled_is_not_scored_by_who_was_at_it(team, by_hand, person):
    submission = handed_in(team, State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    who = worker()
    batch = take_rows(who, by_hand.exam.key, 4)
    submission.refresh_from_db()
    queue.cancel(submission, person)
    assert not keep_row(batch.tasks[0], who, by_hand.record(batch.tasks[0]))
    assert by_hand.score(who) == 0
    submission.refresh_from_db()
    assert submission.state == State.CANCELLED
    with pytest.raises(NotInThatState):
        queue.cancel(submission, person)


def test_a_submission_that_went_elsewhere_takes_its_jobs_along(team, by_hand):
    submission = handed_in(team, State.QUEUED)
    queue.derive_jobs(by_hand.exam)
    Submission.objects.update(state=State.CANCELLED)
    assert take_rows(worker(), by_hand.exam.key, 4) is None
    assert job_of(submission).state == Job.State.CANCELLED


@pytest.mark.parametrize("state", State.values)
def test_from_any_state_it_can_begin_again(team, by_hand, organiser, state):
    submission = handed_in(team, State.QUEUED)
    if state in (State.SCORING, State.SCORED):
        by_hand.score(worker(), most=4 if state == State.SCORING else 100)
        if state == State.SCORED:
            by_hand.score(worker())
    Submission.objects.update(state=state)
    queue.requeue(submission, organiser, "again")
    submission.refresh_from_db()
    assert submission.state == (State.QUEUED if state in State.values[1:3] + State.values[6:] else state)
    if state != State.CHECKING:
        assert by_hand.score(worker()) > 0
        submission.refresh_from_db()
        assert submission.state == State.SCORED
    assert Result.objects.count() == (state != State.CHECKING)


def test_a_new_metric_scores_everything_again_while_the_old_result_stays(
    team, by_hand, tiny_challenge, evaluation
):
    old, waiting = handed_in(team, State.QUEUED), handed_in(team, State.QUEUED, sha256="b" * 64)
    by_hand.score(worker())
    queue.derive_jobs(by_hand.exam)
    newer = ByHand(asked(tiny_challenge, "2026-07"), evaluation)
    queue.derive_jobs(newer.exam)
    assert set(Job.objects.filter(submission=waiting).values_list("metric", "state")) == {
        ("2026-06", "cancelled"),
        ("2026-07", "queued"),
    }
    assert take_rows(worker(), newer.exam.key, 1).job.submission == waiting, "new ones come first"
    give_back(Worker.objects.latest("started"))
    newer.score(worker())
    newer.score(worker())
    assert set(Result.objects.values_list("sha256", "metric")) == {
        ("a" * 64, "2026-06"), ("a" * 64, "2026-07"), ("b" * 64, "2026-07"),
    }  # fmt: skip
    old.refresh_from_db()
    assert list(old.transitions.values_list("target", flat=True)) == [State.SCORING, State.SCORED]


def test_all_is_scored_anew_when_an_organiser_says_so(team, by_hand):
    handed_in(team, State.QUEUED)
    by_hand.score(worker())
    Result.objects.update(scores={"overall": 0.5})
    assert queue.rescore_all("test") == 1
    assert by_hand.score(worker()) == 9
    assert Result.objects.get().scores["classes"]


def test_place_and_pace(team, by_hand):
    first, second = (handed_in(team, State.QUEUED, sha256=letter * 64) for letter in "ab")
    by_hand.score(worker(), most=4)
    for submission in (first, second):
        submission.refresh_from_db()
    assert (progress_of(first).done, progress_of(first).total) == (4, 9)
    assert progress_of(second).place_in_queue == 1
    assert progress_of(second).estimate_seconds is None
    by_hand.score(worker())
    Job.objects.filter(state=Job.State.DONE).update(started=job_of(first).finished - timedelta(seconds=18))
    assert progress_of(second).estimate_seconds == 20
    first.refresh_from_db()
    assert progress_of(first).place_in_queue is None
    third = handed_in(team, State.QUEUED, sha256="c" * 64)
    assert progress_of(third).place_in_queue == 2
    assert progress_of(third).estimate_seconds == 40
