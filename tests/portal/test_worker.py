"""A real worker on a database in a file, killed and ended; the soak tests do it at every point."""

from __future__ import annotations

import signal

import pytest
from two_crops import SECOND, TRUTH, make_two_crops
from working_portal import WorkingPortal

PARTED = "SELECT DISTINCT private_crops FROM scoring_result"


@pytest.fixture
def portal(tmp_path, tiny_challenge, empty_tables):
    return WorkingPortal(tmp_path, tiny_challenge, tables=empty_tables)


def require_scored_once(portal: WorkingPortal, submissions: int) -> None:
    assert portal.states() == {"scored": submissions}, portal.log()[-3000:]
    assert portal.ask("SELECT count(*) FROM scoring_result") == [(submissions,)]
    scored = "SELECT count(*) FROM submissions_transition WHERE target = 'scored' GROUP BY submission_id"
    assert portal.ask(scored) == [(1,)] * submissions
    assert portal.ask("SELECT DISTINCT state FROM scoring_task") == [("done",)]
    assert portal.ask("SELECT count(*) FROM news_outgoingmail") == [(submissions,)]


def done(portal: WorkingPortal) -> int:
    return portal.ask("SELECT count(*) FROM scoring_task WHERE state = 'done'")[0][0]


def doing(portal: WorkingPortal, name: str) -> str:
    return portal.ask(f"SELECT doing FROM scoring_worker WHERE name = '{name}'")[0][0]


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


def test_two_workers_of_one_name_are_two(portal):
    portal.lease_seconds = 600  # nobody takes what another one has leased, whatever it is called
    portal.begin(2)
    with portal.worker("same"), portal.worker("same"):
        portal.wait_for(lambda: portal.ask("SELECT count(*) FROM scoring_worker") == [(2,)])
        portal.wait_until_over()
    require_scored_once(portal, 2)
    assert not portal.ask("SELECT 1 FROM scoring_jobevent WHERE what IN ('lost', 'fault')")


def test_crops_that_become_private_while_files_are_scored_are_so_in_all_results(
    tiny_challenge, tmp_path, empty_tables
):
    challenge = make_two_crops(tiny_challenge, tmp_path / "two")
    (challenge / TRUTH).rename(challenge / "truth.zarr")
    portal = WorkingPortal(tmp_path, challenge, tables=empty_tables).begin(2)
    with portal.worker("before"):
        portal.wait_for(lambda: done(portal) >= 1)
        with portal.worker("after", CSC_PORTAL_PRIVATE_CROPS=f"[{SECOND}]"):
            portal.wait_for(lambda: "private crops" in doing(portal, "before"))
            portal.wait_until_over()
            portal.wait_for(lambda: portal.ask(PARTED) == [(str(SECOND),)])
    require_scored_once(portal, 2)
    assert portal.ask("SELECT count(*) FROM scoring_result WHERE final = '{}'") == [(0,)]
