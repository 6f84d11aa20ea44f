"""Children that are well, greedy, slow, broken or killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from organelle.children import Allowance, Job, Why, run_jobs

SMALL = Allowance(memory_bytes=256 << 20, cpu_seconds=60, wall_seconds=60)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def job(key: str, what: str, allowance: Allowance = SMALL, **arguments) -> Job:
    return Job(key, {"what": what, **arguments}, allowance)


def outcomes(*jobs: Job, **options):
    return {o.key: o for o in run_jobs("work:do", jobs, **options)}


def test_every_job_has_its_value_whatever_the_number_of_workers():
    jobs = [job(f"job {n}", "double", number=n) for n in range(7)]
    found = [{k: o.value for k, o in outcomes(*jobs, workers=w).items()} for w in (1, 2)]
    assert found[0] == found[1] == {f"job {n}": 2 * n for n in range(7)}


def test_no_jobs_no_children():
    assert outcomes() == {}


def test_what_kills_one_job_leaves_the_others_alone():
    little = Allowance(memory_bytes=100 << 20, cpu_seconds=60, wall_seconds=60)
    brief = Allowance(cpu_seconds=0.1)
    hasty = Allowance(wall_seconds=0.2)
    found = outcomes(
        job("large", "hold", little, mebibytes=300),
        job("pieces", "grow", little, mebibytes=300),
        job("small", "hold", little, mebibytes=20),
        job("busy", "spin", brief, seconds=30),
        job("idle", "sleep", hasty, seconds=30),
        job("segfault", "die", number=int(signal.SIGSEGV)),
        job("abort", "abort_for_memory"),
        job("mute", "forget_why", little),
        job("half", "say_why_between_lines"),
        job("damaged", "complain"),
        job("well", "double", number=4),
        workers=1,
    )
    assert {k: o.failure.why for k, o in found.items() if o.failure} == {
        "large": Why.MEMORY,
        "pieces": Why.MEMORY,
        "busy": Why.CPU,
        "idle": Why.WALL,
        "segfault": Why.CRASH,
        "abort": Why.MEMORY,
        "mute": Why.MEMORY,
        "half": Why.MEMORY,
        "damaged": Why.ERROR,
    }
    assert found["well"].value == 8
    assert found["small"].value == 20 << 20
    assert str(found["damaged"].failure) == "chunk 0.0.0 is damaged"
    assert "0.1 GiB" in str(found["large"].failure)


def test_a_child_that_was_killed_from_outside_is_tried_again(tmp_path):
    events = []
    found = outcomes(job("a", "die_once", mark=str(tmp_path / "mark")), on_event=events.append)
    assert found["a"].value == "alive"
    assert [e.what for e in events] == ["started", "died", "started", "finished"]
    assert events[1].detail == "signal 9"


def test_a_job_whose_every_child_is_killed_is_given_up():
    found = outcomes(job("a", "die", number=int(signal.SIGKILL)))
    assert found["a"].failure.why is Why.KILLED
    assert "4 times" in str(found["a"].failure)


def test_a_fault_of_ours_ends_the_run_with_its_traceback():
    with pytest.raises(RuntimeError, match="KeyError: 'a fault'"):
        outcomes(job("a", "fail"))


def test_a_function_that_is_not_there_is_told():
    with pytest.raises(RuntimeError, match="No module named 'nowhere'"):
        list(run_jobs("nowhere:work", [Job("a", {})]))


def test_phases_are_told_in_order():
    events = []
    outcomes(job("a", "phases"), on_event=events.append)
    assert [e.what for e in events] == ["started", "reading", "scoring", "finished"]
    assert {e.key for e in events} == {"a"}


@pytest.mark.parametrize(("room", "patience", "together"), [(3 << 30, 30, True), (1 << 30, 0.2, False)])
def test_jobs_run_side_by_side_only_if_their_memory_fits(tmp_path, room, patience, together):
    half = Allowance(memory_bytes=512 << 20)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    jobs = [
        job("a", "meet", half, mine=a, other=b, seconds=patience),
        job("b", "meet", half, mine=b, other=a, seconds=patience),
    ]
    found = outcomes(*jobs, workers=2, memory_bytes=room)
    assert all(o.value for o in found.values()) is together


def test_closing_the_generator_ends_all_children():
    events = []
    jobs = [job("quick", "double", number=1), job("long", "sleep", seconds=60)]
    run = run_jobs("work:do", jobs, workers=2, on_event=events.append)
    next(run)
    run.close()
    assert not [e.pid for e in events if psutil.pid_exists(e.pid)]


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a matter of POSIX")
def test_children_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from organelle.children import Job, run_jobs\n"
        "jobs = [Job('a', {'what': 'sleep', 'seconds': 60})]\n"
        "list(run_jobs('work:do', jobs, on_event=lambda e: print(e.pid, flush=True)))\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
