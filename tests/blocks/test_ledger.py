"""The ledger of a job: what is done is kept, what is damaged is told, what is another job's is refused."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from organelle.blocks import FailedBlock, Ledger, Tally
from organelle.blocks.leases_holder import Holder
from organelle.errors import FileMissing, LedgerError, LedgerGone, SettingsError

MADE_OF = {"checkpoint": "abc", "blend": {"kind": "gauss", "sigma": 0.125}, "classes": ["mito", "er"]}


def opened(folder: Path, **others: object) -> Ledger:
    return Ledger.open(folder / "x.ledger", **{"count": 10, "made_of": MADE_OF, **others})


def settle(ledger: Ledger, count: int) -> None:
    with Holder(ledger) as holder:
        for block in holder.take(count):
            assert holder.begin(block)
            holder.finish(block)


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_is_done_stays_done(tmp_path: Path) -> None:
    settle(opened(tmp_path), 4)
    again = opened(tmp_path)
    assert again.tally() == Tally(waiting=6, leased=0, done=4, failed=0)
    assert again.done() == [0, 1, 2, 3]
    with Holder(again) as holder:
        assert holder.take(99) == [4, 5, 6, 7, 8, 9]


def test_a_job_without_blocks_is_done(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=0)
    assert ledger.tally() == Tally(0, 0, 0, 0)
    with Holder(ledger) as holder:
        assert holder.wait(5) == []


def test_a_ledger_travels_by_pickle(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    settle(pickle.loads(pickle.dumps(ledger)), 1)
    assert ledger.done() == [0]
    assert Ledger.at(ledger.folder) == ledger


def test_a_ledger_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = opened(Path("here"))
    (tmp_path / "link").symlink_to("here")
    monkeypatch.chdir("/")
    settle(ledger, 1)
    with ledger.states.locked(), pytest.raises(TimeoutError), stopped_after(0.2):
        Ledger.at(tmp_path / "link" / "x.ledger")  # the same file: it waits for this thread's lock
    assert Ledger.at(tmp_path / "link" / "x.ledger").done() == [0]


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"made_of": {**MADE_OF, "checkpoint": "xyz"}}, "checkpoint was abc and is xyz now"),
        (
            {"made_of": {**MADE_OF, "blend": {"kind": "gauss", "sigma": 1.0}}},
            "blend.sigma was 0.125 and is 1.0",
        ),
        ({"made_of": {"checkpoint": "abc"}}, "blend was .* and is not there now; classes was"),
        ({"made_of": {**MADE_OF, "new": None}}, "new was not there and is null now"),
        ({"count": 11}, "count was 10 and is 11 now"),
    ],
)
def test_another_job_is_refused_and_the_key_is_named(tmp_path: Path, others: dict, told: str) -> None:
    settle(opened(tmp_path), 2)
    with pytest.raises(LedgerError, match=told):
        opened(tmp_path, **others)
    assert opened(tmp_path).done() == [0, 1]


def test_tuples_are_lists_and_the_order_of_keys_is_no_matter(tmp_path: Path) -> None:
    opened(tmp_path)
    turned = {key: MADE_OF[key] for key in reversed(MADE_OF)} | {"classes": ("mito", "er")}
    assert opened(tmp_path, made_of=turned).count == 10


@pytest.mark.parametrize("cut", [0, 1, 63, 64, 70])
def test_states_that_were_cut_off_are_not_trusted(tmp_path: Path, cut: int) -> None:
    ledger = opened(tmp_path)
    os.truncate(ledger.states.path, cut)
    with pytest.raises(LedgerError, match=r"states is damaged.*remove the folder"):
        opened(tmp_path)
    with pytest.raises(LedgerError, match="damaged"), Holder(ledger) as holder:
        holder.take(10)


def test_a_state_that_none_has_is_told_with_its_block(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    with ledger.states.locked() as states:
        states.write(7, 200)
    with pytest.raises(LedgerError, match="the state of block 7 is 200"):
        opened(tmp_path)


def test_a_job_file_that_was_changed_is_told(tmp_path: Path) -> None:
    job = opened(tmp_path).folder / "job.json"
    job.write_text(job.read_text().replace("abc", "xyz"))
    with pytest.raises(LedgerError, match="its header is not that of this job"):
        opened(tmp_path, made_of={**MADE_OF, "checkpoint": "xyz"})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": "organelle ledger 1"}', '{"count": "many"}'])
def test_a_job_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (opened(tmp_path).folder / "job.json").write_text(text)
    with pytest.raises(LedgerError, match=r"job.json.*remove"):
        opened(tmp_path)


def test_a_ledger_of_a_later_version_is_told(tmp_path: Path) -> None:
    job = opened(tmp_path).folder / "job.json"
    job.write_text(json.dumps(json.loads(job.read_text()) | {"form": "organelle ledger 9"}))
    with pytest.raises(LedgerError, match="another version"):
        opened(tmp_path)


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.ledger").mkdir()
    (tmp_path / "x.ledger" / "thesis.txt").write_text("the only copy")
    with pytest.raises(LedgerError, match="something else stands there"):
        opened(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["x.ledger", "thesis.txt"]
    with pytest.raises(FileMissing, match="no ledger at"):
        Ledger.at(tmp_path / "x.ledger")
    with pytest.raises(SettingsError, match="is an address"):
        Ledger.open("s3://bucket/x.ledger", count=1, made_of={})


def test_a_removed_ledger_is_told_to_those_who_use_it(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.states.path.unlink()
    with pytest.raises(LedgerGone, match="is gone"):
        ledger.tally()
    with pytest.raises(LedgerGone), Holder(ledger) as holder:
        holder.wait(1)


def test_a_block_that_fails_three_times_is_given_up_with_its_last_reason(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=2)
    with Holder(ledger, "block {}".format) as holder:
        assert holder.take(2) == [0, 1]
        holder.finish(0)
        for number in (1, 2, 3):
            holder.fail(1, f"reason {number}")
            assert holder.wait(2) == ([1] if number < 3 else [])
    assert ledger.tally() == Tally(0, 0, 1, 1)
    assert ledger.failed() == [FailedBlock(1, "block 1", "reason 3")]
    assert str(ledger.failed()[0]) == "block 1: reason 3"


def test_blocks_that_failed_come_last(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=6)
    with Holder(ledger) as holder:
        assert holder.take(3) == [0, 1, 2]
        holder.fail(1, "a bad minute")
    with Holder(ledger) as late:  # another worker, that starts at the front
        assert late.take(99) == [0, 2, 3, 4, 5]
        with Holder(ledger) as other:
            assert other.take(99) == [1]


def test_failed_blocks_can_be_given_all_their_tries_again(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=1, tries=1)
    with Holder(ledger) as holder:
        holder.take(1)
        holder.fail(0, "no network")
        assert ledger.tally().failed == 1
        assert ledger.retry_failed() == 1
        assert holder.take(1) == [0]
        holder.finish(0)
    assert ledger.failed() == []
    assert ledger.tally().done == 1


def test_reasons_survive_a_line_that_was_cut_off(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=2, tries=1)
    with Holder(ledger) as holder:
        holder.take(2)
        holder.fail(0, "first")
        with (ledger.folder / "failures.jsonl").open("ab") as file:
            file.write(b'{"block": 1, "na')
        holder.fail(1, "second\nline")
    assert [block.reason for block in ledger.failed()] == ["first", "second\nline"]
    (ledger.folder / "failures.jsonl").unlink()
    assert [block.reason for block in ledger.failed()] == ["its reason was lost"] * 2


def test_threads_of_one_process_never_get_the_same_block(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=300)
    taken: list[int] = []

    def work() -> None:
        with Holder(ledger) as holder:
            while blocks := holder.take(3):
                for block in blocks:
                    holder.finish(block)
                taken.extend(blocks)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(300))


OPEN_AND_WORK = """
import sys
from organelle.blocks import Ledger
from organelle.blocks.leases_holder import Holder
ledger = Ledger.open(sys.argv[1], count=2000, made_of={})
with Holder(ledger) as holder:
    while blocks := holder.take(7):
        for block in blocks:
            holder.begin(block)
            holder.finish(block)
            print(block)
"""


def test_processes_that_start_at_once_share_one_ledger(tmp_path: Path) -> None:
    place = str(tmp_path / "x.ledger")
    crew = [
        subprocess.Popen([sys.executable, "-c", OPEN_AND_WORK, place], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    shares = [[int(line) for line in one.communicate(timeout=60)[0].split()] for one in crew]
    assert [one.returncode for one in crew] == [0, 0, 0]
    assert sorted(block for share in shares for block in share) == list(range(2000))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["job.json", "states", "x.ledger"]


def test_a_lock_that_is_never_given_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = opened(tmp_path)
    hold = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print(1, flush=True); time.sleep(60)"
    )
    monkeypatch.setattr("organelle.blocks.ledger_states.LOCK_SECONDS", 0.2)
    with subprocess.Popen([sys.executable, "-c", hold, ledger.states.path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LedgerError, match=r"has been locked for 0.2 s"):
            settle(ledger, 1)
        other.send_signal(signal.SIGKILL)
    settle(ledger, 1)


def test_ten_million_blocks_take_little_of_the_disk(tmp_path: Path) -> None:
    ledger = opened(tmp_path, count=10_000_000)
    assert sum(path.stat().st_blocks for path in ledger.folder.iterdir()) * 512 < 100_000
    assert ledger.tally() == Tally(10_000_000, 0, 0, 0)
    with ledger.states.locked() as states:
        assert states.waiting(9_999_998, 5) == [9_999_998, 9_999_999]
        states.write(9_999_999, ord("D"))
        assert states.waiting(9_999_999, 2) == [0, 1]
