"""A real worker on a database in a file, killed and ended; the soak tests do it at every point."""

from __future__ import annotations

import signal

import pytest
from working_portal import WorkingPortal


@pytest.fixture
def portal(tmp_path, tiny_challenge):
    return WorkingPortal(tmp_path, tiny_challenge)


def require_scored_once(portal: WorkingPortal, submissions: int) -> None:
    assert portal.states() == {"scored": submissions}, portal.log()[-3000:]
    assert portal.ask("SELECT count(*) FROM scoring_result") == [(submissions,)]
    scored = "SELECT count(*) FROM submissions_transition WHERE target = 'scored' GROUP BY submission_id"
    assert portal.ask(scored) == [(1,)] * submissions
    assert portal.ask("SELECT DISTINCT state FROM scoring_task") == [("done",)]
    assert portal.ask("SELECT count(*) FROM news_outgoingmail") == [(submissions,)]


def done(portal: WorkingPortal) -> int:
    return portal.ask("SELECT count(*) FROM scoring_task WHERE state = 'done'")[0][0]


def test_a_worker_that_is_killed_between_two_rows_is_replaced_and_sigterm_ends_the_next(portal):
    portal.begin(1)
    with portal.worker() as process:
        portal.wait_for(lambda: done(portal) >= 2)
        process.send_signal(signal.SIGKILL)
    with portal.worker() as process:
        portal.wait_until_over()
        process.terminate()
        assert process.wait(timeout=20) == 0
    require_scored_once(portal, 1)
    assert portal.ask("SELECT count(stopped), count(*) FROM scoring_worker") == [(1, 2)]
