"""Leases: whose worker is dead gives its blocks back, and whoever is only taken for dead does no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from work_fill import Fill

from organelle.blocks import Done, Ledger, work_through
from organelle.blocks.leases import Lease, Process, Watch, head_line, lease_text, read_leases
from organelle.blocks.leases_holder import Holder
from organelle.errors import FormatError

HERE = Path(__file__).parent
ALONE = """
import sys
from pathlib import Path
from work_fill import Fill
from organelle.blocks import Ledger, work_through
folder, seconds, planes = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
work = Fill(folder, shape=(planes, 16, 16), seconds=seconds)
print(work_through(work, Ledger.at(folder / "fill.ledger")))
"""


def ledger_of(work: Fill, **others: float) -> Ledger:
    return Ledger.open(work.folder / "fill.ledger", count=work.count, made_of=work.made_of, **others)


def alone(work: Fill, seconds: float) -> subprocess.Popen[str]:
    """Another process, as a job of an array, at work on the same ledger."""
    command = [sys.executable, "-c", ALONE, str(work.folder), str(seconds), str(work.shape[0])]
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(HERE)}, stdout=subprocess.PIPE, text=True
    )


def wait_for_note(work: Fill, phase: str, pid: int) -> int:
    """The block at which the process noted that phase."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for note in work.notes():
            if note[0] == phase and note[2] == str(pid):
                return int(note[1])
        time.sleep(0.01)
    raise AssertionError(f"process {pid} never came to {phase}")


def silent(ledger: Ledger, blocks: list[int], current: int | None) -> Path:
    """The lease of a worker of another host that has died."""
    path = ledger.folder / Process("elsewhere", "beef", 4321, "99").file_name("x")
    with ledger.states.locked() as states:
        path.write_bytes(lease_text(5, current, blocks))
        for block in blocks:
            states.write(block, 0x20)
    return path


def test_a_killed_process_gives_its_blocks_back_at_once(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path)
    ledger = ledger_of(work)  # with a patience of minutes, which nobody must wait for
    with alone(work, 0.2) as other:
        killed_at = wait_for_note(work, "computing", other.pid)
        other.kill()
    began = time.monotonic()
    assert work_through(work, ledger) == Done(16, 0, ())
    assert time.monotonic() - began < 10
    assert [note[1] for note in work.notes()].count(str(killed_at)) == 2 + 4


@pytest.mark.parametrize("meanwhile", ["done", "at it"])
def test_a_paused_worker_that_goes_on_after_it_was_taken_for_dead_does_no_harm(
    tmp_path: Path, meanwhile: str
) -> None:
    few = (16, 16, 16)  # 8 blocks
    undisturbed = Fill.drawn(tmp_path / "undisturbed", shape=few)
    work_through(undisturbed, ledger_of(undisturbed))
    work = Fill.drawn(tmp_path / "disturbed", shape=few)
    ledger = ledger_of(work, patience=0.5)
    with alone(work, 0.3) as paused:
        block = wait_for_note(work, "computing", paused.pid)
        os.kill(paused.pid, signal.SIGSTOP)
        if meanwhile == "done":
            assert work_through(work, ledger) == Done(8, 0, ())
            os.kill(paused.pid, signal.SIGCONT)
        else:
            with alone(work, 0.05) as heir:
                end = time.monotonic() + 60
                while ["reading", str(block), str(heir.pid)] not in work.notes() and time.monotonic() < end:
                    time.sleep(0.01)
                os.kill(paused.pid, signal.SIGCONT)
                told, _ = heir.communicate(timeout=60)
            assert heir.returncode == 0, told
        told, _ = paused.communicate(timeout=60)
    assert paused.returncode == 0, told
    both = {note[2] for note in work.notes() if note[:2] == ["written", str(block)]}
    assert len(both) == 2, "the block was not done by both"
    assert work.files() == undisturbed.files()
    assert ledger.tally().done == 8
    assert ledger.leases() == []


def test_who_lost_its_lease_neither_goes_on_nor_counts_failures(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "x.ledger", count=4, made_of={}, tries=1)
    with Holder(ledger) as late, Holder(ledger) as heir:
        assert late.take(4) == [0, 1, 2, 3]
        assert late.begin(0)
        ledger.take_back(ledger.leases()[0], None)
        assert heir.take(4) == [0, 1, 2, 3]
        assert not late.begin(1)
        late.fail(0, "too late to say so")
        late.give_back()
        assert ledger.tally().leased == 4
        late.finish(0)  # its results are there
        heir.fail(1, "bad")
        heir.fail(0, "bad here, but done there")
    assert ledger.done() == [0]
    assert [block.index for block in ledger.failed()] == [1]
    assert ledger.tally().waiting == 2


def test_what_is_done_stays_done_when_its_worker_dies(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "x.ledger", count=3, made_of={})
    path = silent(ledger, [0, 1, 2], 1)
    with Holder(ledger) as other:
        other.finish(1)
    ledger.take_back(read_leases(ledger.folder)[0], "gone")
    assert not path.exists()
    assert ledger.done() == [1]
    assert (ledger.tally().waiting, ledger.failed()) == (2, [])


def test_a_silent_worker_elsewhere_is_waited_for_and_then_replaced(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path)
    ledger = ledger_of(work, patience=0.4, tries=1)
    silent(ledger, [3, 4], current=4)
    began = time.monotonic()
    done = work_through(work, ledger)
    assert time.monotonic() - began > 0.35
    assert done.now == 15
    assert [str(b) for b in done.failed] == [
        "the chunk at (8, 0, 0): its worker (process 4321 on elsewhere) died or was killed at it"
    ]


def test_a_worker_elsewhere_that_shows_life_keeps_its_blocks(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "x.ledger", count=1, made_of={}, patience=0.1)
    path = silent(ledger, [0], 0)
    watch, end, beat = Watch(ledger.patience), time.monotonic() + 0.4, 0
    while time.monotonic() < end:
        beat += 1
        with path.open("r+b") as file:
            file.write(head_line(beat, 0))
        assert watch.lost(ledger.leases()) == []
        time.sleep(0.02)
    while not watch.lost(ledger.leases()):
        assert time.monotonic() < end + 60
        time.sleep(0.02)


def test_a_watcher_that_hung_takes_nobody_for_dead() -> None:
    lease = Lease(Path("x"), Process("elsewhere", "", 1, ""), b"beat", None, (0,))
    watch = Watch(0.1)
    assert watch.lost([lease]) == []
    time.sleep(0.15)
    assert watch.lost([lease]) == []
    assert watch.lost([replace(lease, beat=b"other")]) == []


def test_a_long_block_is_no_reason_to_lose_its_lease(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "x.ledger", count=1, made_of={}, patience=0.4)
    with Holder(ledger) as slow, Holder(ledger) as other:
        slow.take(1)
        slow.begin(0)
        end = time.monotonic() + 0.9
        while time.monotonic() < end:
            other.take_from_the_dead()
            time.sleep(0.05)
        assert slow.begin(0)


def test_blocks_in_no_lease_are_freed(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "x.ledger", count=5, made_of={})
    silent(ledger, [0, 1], None).unlink()
    with Holder(ledger) as holder, Holder(ledger) as other:
        assert other.take(1) == [2]
        assert holder.wait(9) == [3, 4]
        for block in (3, 4):
            holder.finish(block)
        assert holder.wait(9) == [0, 1]
        assert ledger.tally().leased == 3


@pytest.mark.parametrize(
    "text", [b"", b"garbage", lease_text(1, 0, [0, 1])[:30], lease_text(1, 0, [0, 1])[:-3]]
)
def test_a_lease_that_cannot_be_read_holds_nothing(tmp_path: Path, text: bytes) -> None:
    ledger = Ledger.open(tmp_path / "x.ledger", count=2, made_of={}, patience=0.2)
    silent(ledger, [0, 1], 0).write_bytes(text)
    (ledger.folder / "stranger.lease").write_bytes(b"not ours")
    with Holder(ledger) as holder:
        assert holder.wait(2) == [0, 1]
    assert ledger.failed() == []


def test_a_process_is_known_by_its_start_too() -> None:
    own = Process.own()
    assert not own.is_gone()
    assert replace(own, start="1").is_gone()  # the number was given to another process
    assert not replace(own, boot="another", start="1").is_gone()
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert replace(own, pid=child.pid).is_gone()  # only its exit status is left
    assert replace(own, pid=child.pid).is_gone()


def test_what_a_dead_child_held_is_left_to_its_parent_for_a_while(monkeypatch) -> None:
    monkeypatch.setattr("organelle.blocks.leases.PARENT_SECONDS", 0.1)
    watch = Watch(60)
    with subprocess.Popen(["true"]) as child:
        lease = Lease(Path("x"), replace(Process.own(), pid=child.pid), b"beat", None, (0,))
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert watch.lost([lease]) == []
        time.sleep(0.15)
        assert watch.lost([lease]) == [lease]  # a parent that takes no notice keeps nobody waiting
    assert Watch(60).lost([lease]) == [lease]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_what_clusters_send_before_they_kill_gives_leases_back_uncounted(
    tmp_path: Path, number: signal.Signals
) -> None:
    work = Fill.drawn(tmp_path)
    ledger = ledger_of(work, tries=1)
    with alone(work, 0.1) as other:
        wait_for_note(work, "computing", other.pid)
        other.send_signal(number)
        other.wait(30)
    assert other.returncode == 128 + number
    assert ledger.leases() == []
    assert work_through(work, ledger).failed == ()


def test_errors_of_the_family_are_told_without_a_place(tmp_path: Path) -> None:
    from organelle.blocks.workers import reason_of

    assert reason_of(FormatError("bad chunk")) == "bad chunk"
    with pytest.raises(ValueError, match="odd") as caught:
        int("odd")
    assert reason_of(caught.value).startswith("ValueError: invalid literal")
    assert "test_leases.py:" in reason_of(caught.value)
    assert reason_of(MemoryError()) == "not enough memory"
