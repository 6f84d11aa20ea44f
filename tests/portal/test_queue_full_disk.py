"""A disk that is full while files are checked and scored: it is waited for, and costs nobody anything."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from scored_files import State, handed_in

from organelle.portal.folder import PortalFolder
from organelle.portal.scoring import queue
from organelle.portal.scoring.ending import Ending
from organelle.portal.scoring.faults import Full
from organelle.portal.scoring.leases import take_check
from organelle.portal.scoring.models import Job, JobEvent, Worker
from organelle.portal.scoring.rounds import Rounds
from organelle.portal.submissions.limits import allowance


@pytest.fixture
def rounds(db) -> Rounds:
    made = Rounds("one", Ending())
    made.worker.save(force_insert=True)
    return made


def fill_up(disk: PortalFolder) -> None:
    with filler(disk).open("wb") as stream:
        stream.write(bytes(100_000_000))


def filler(disk: PortalFolder) -> Path:
    return disk.root / "filler"


def test_nothing_is_begun_on_a_full_disk_and_organisers_read_why(team, small_disk, rounds):
    one = handed_in(team)
    with suppress(OSError):
        fill_up(small_disk)
    assert not rounds._try()
    assert not Job.objects.exclude(state=Job.State.QUEUED).exists()
    assert "is full" in Worker.objects.get().doing
    one.refresh_from_db()
    assert one.state == State.CHECKING


def test_a_disk_that_fills_up_at_work_is_no_fault_of_the_job(team, small_disk, rounds):
    one = handed_in(team)
    before = allowance(team)
    queue.derive_jobs(None)
    job = take_check(rounds.worker)
    with pytest.raises(Full):
        rounds._do(job, None, lambda: fill_up(small_disk))
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_owner) == (Job.State.QUEUED, 0, "")
    assert not JobEvent.objects.filter(what__in=("fault", "lost")).exists()
    filler(small_disk).unlink()
    assert take_check(rounds.worker) == job
    one.refresh_from_db()
    assert one.state == State.CHECKING
    assert allowance(team) == before
