"""Refused, held or queued; what a team reads holds no path of ours."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import pytest
from scored_files import State, handed_in, worker

from organelle.catalog import load_catalog
from organelle.evaluate import open_truth, plan_evaluation, simulate
from organelle.files import sha256
from organelle.portal.challenge.models import AuditEntry
from organelle.portal.scoring import queue
from organelle.portal.scoring.check import HELD, check, decide
from organelle.portal.scoring.faults import KILLED, OurFault
from organelle.portal.scoring.leases import give_back, take_check
from organelle.portal.scoring.models import Job
from organelle.portal.scoring.question import NoQuestion
from organelle.portal.scoring.score import PatientCrew
from organelle.portal.submissions.store import keep, stored_path
from organelle.submission import open_submission

FINE = {"ok": True, "errors": 0, "problems": []}


@pytest.fixture
def limits(settings):
    def set_limits(**values):
        limits = settings.PORTAL.limits.model_copy(update=values)
        settings.PORTAL = settings.PORTAL.model_copy(update={"limits": limits})

    return set_limits


@pytest.fixture
def stored(team, settings, tiny_challenge, portal_folder, tmp_path):
    """Makes a submission of a file, and looks at it in children."""
    settings.PORTAL = settings.PORTAL.model_copy(
        update={"catalog": str(tiny_challenge), "scoring_processes": 1}
    )

    def look(path):
        digest = sha256(path)
        keep(path, digest)
        submission = handed_in(team, sha256=digest)
        who = worker()
        check(taken(who), who)
        submission.refresh_from_db()
        return submission

    return look


def taken(who=None) -> Job:
    queue.derive_jobs(None)
    return take_check(who or worker())


def decided(odd=(), record=FINE) -> None:
    who = worker()
    assert decide(taken(who), who, record, list(odd))


def test_what_is_fine_is_queued_and_costs_an_attempt(team):
    submission = handed_in(team)
    decided()
    submission.refresh_from_db()
    assert (submission.state, submission.report) == (State.QUEUED, FINE)
    assert submission.attempt_at is not None
    assert submission.jobs.get().state == Job.State.DONE


def test_errors_are_all_told_and_cost_nothing(team):
    submission = handed_in(team)
    record = {"ok": False, "errors": 2, "problems": [{"found": "this"}, {"found": "that"}]}
    decided(record=record)
    submission.refresh_from_db()
    assert (submission.state, submission.attempt_at) == (State.REFUSED, None)
    assert submission.report == record
    assert "2 errors" in submission.reason


def test_a_probe_is_held_and_only_organisers_learn_why(team):
    submission = handed_in(team)
    decided(odd=["Every row is background."])
    submission.refresh_from_db()
    assert (submission.state, submission.reason) == (State.HELD, HELD)
    assert submission.jobs.get().reason == "Every row is background."
    assert AuditEntry.objects.get(action="submission.held").detail == {"why": ["Every row is background."]}
    queue.requeue(submission, None, "it is honest")
    submission.refresh_from_db()
    assert submission.state == State.QUEUED


def test_limits_are_looked_at_again_when_it_is_queued(team, limits):
    limits(total=1)
    submission = handed_in(team)
    handed_in(team, State.SCORED, sha256="b" * 64)
    decided()
    submission.refresh_from_db()
    assert submission.state == State.REFUSED
    assert "limit" in submission.reason
    queue.requeue(submission, None, "an organiser may")
    submission.refresh_from_db()
    assert submission.state == State.QUEUED


def test_a_check_beyond_midnight_costs_the_day_on_which_it_was_handed_in(team, limits):
    limits(per_day=1)
    submission = handed_in(team)
    submission.created -= timedelta(days=1)
    submission.save()
    handed_in(team, State.QUEUED, sha256="b" * 64)
    decided()
    submission.refresh_from_db()
    assert (submission.state, submission.attempt_at) == (State.QUEUED, submission.created)


def test_somebody_who_was_too_slow_decides_nothing(team):
    submission = handed_in(team)
    slow = worker()
    job = taken(slow)
    give_back(slow)
    assert taken() is not None
    assert not decide(job, slow, FINE, [])
    submission.refresh_from_db()
    assert submission.state == State.CHECKING


def test_an_honest_file_goes_through(stored, tiny_challenge, tmp_path):
    truth, catalog = tiny_challenge / "truth.zarr", load_catalog(tiny_challenge)
    simulate(truth, catalog, tmp_path / "mine.zip")
    assert stored(tmp_path / "mine.zip").state == State.QUEUED


def test_a_broken_file_is_refused_without_our_paths(stored, tmp_path, portal_folder):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    submission = stored(tmp_path / "bad.zip")
    assert submission.state == State.REFUSED
    assert submission.report["errors"] == 1
    told = str(submission.report) + submission.reason
    assert str(tmp_path) not in told
    assert submission.sha256 not in told
    assert "mine.zip" in told


def test_tables_that_cannot_be_read_are_waited_for(stored, team, settings, tmp_path):
    settings.PORTAL = settings.PORTAL.model_copy(update={"catalog": str(tmp_path / "nowhere")})
    handed_in(team)
    with pytest.raises(NoQuestion, match="nowhere"):
        check(taken(), worker())


def test_a_stored_file_that_is_gone_or_damaged_is_our_fault(stored, team, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    submission = stored(tmp_path / "bad.zip")
    queue.requeue(submission, None)
    path = stored_path(submission)
    path.write_bytes(b"PK\x03\x04 and other bytes")
    with pytest.raises(OurFault, match="damaged"):
        check(taken(), worker())
    shutil.rmtree(path.parent)
    with pytest.raises(OurFault, match="gone"):
        check(submission.jobs.get(), worker())


@pytest.mark.soak
def test_a_row_whose_child_is_killed_each_time_is_our_fault_and_not_missing(tiny_challenge):
    truth, catalog = open_truth(tiny_challenge / "truth.zarr"), load_catalog(tiny_challenge)
    plan = plan_evaluation(truth, catalog)[:1]
    crew = PatientCrew(1, None, lambda event: event.what == "started" and os.kill(event.pid, 9))
    with open_submission(truth.path) as submission, pytest.raises(OurFault, match=KILLED):
        list(crew.score(plan, truth, submission, metric="2026-06"))
