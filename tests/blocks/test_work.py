"""Work in blocks: everything is done, once for all, whoever fails or dies on the way."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from work_fill import Fill

import organelle
from organelle.blocks import Done, Ledger, Work, work_through, workers_local
from organelle.blocks.workers_dask import Absence, take_turn
from organelle.errors import FileMissing, SettingsError, WorkError


def ledger_of(work: Work, folder: Path, **others: float) -> Ledger:
    return Ledger.open(folder / "fill.ledger", count=work.count, made_of=work.made_of, **others)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes that one loop without a ledger writes."""
    work = Fill.drawn(tmp_path_factory.mktemp("undisturbed"))
    for index in range(work.count):
        work.run(index)
    files = work.files()
    assert len(files) >= 17
    return files


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_fills_a_volume(
    tmp_path: Path, undisturbed: dict[str, bytes], workers: int
) -> None:
    work = Fill.drawn(tmp_path)
    done = work_through(work, ledger_of(work, tmp_path), workers=workers)
    assert done == Done(now=16, before=0, failed=())
    assert work.files() == undisturbed
    assert work_through(work, ledger_of(work, tmp_path), workers=workers) == Done(0, 16, ())
    assert len(work.notes()) == 16 * 4


def test_a_block_that_always_raises_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path, raises=(5,))
    done = work_through(work, ledger_of(work, tmp_path))
    assert (done.now, done.before) == (15, 0)
    assert [str(block) for block in done.failed] == ["the chunk at (8, 0, 8): this chunk is bad"]
    assert sum(note[:2] == ["computing", "5"] for note in work.notes()) == 3


def test_blocks_that_always_raise_or_kill_their_worker_are_named_and_the_rest_is_done(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path, raises=(5,), kills=(7,))
    done = work_through(work, ledger_of(work, tmp_path, tries=2), workers=2)
    assert (done.now, done.before) == (14, 0)
    assert [block.index for block in done.failed] == [5, 7]
    assert str(done.failed[0]) == "the chunk at (8, 0, 8): this chunk is bad"
    assert "SIGKILL, as a system does that runs out of memory" in done.failed[1].reason
    for index in ("5", "7"):
        assert sum(note[:2] == ["computing", index] for note in work.notes()) == 2


def test_no_more_processes_are_started_than_blocks_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, start = [], workers_local._start
    monkeypatch.setattr(workers_local, "_start", lambda *a: started.append(start(*a)) or started[-1])
    work = Fill.drawn(tmp_path, shape=(8, 8, 8), kills=(0,))
    done = work_through(work, ledger_of(work, tmp_path, tries=1), workers=3)
    assert [block.index for block in done.failed] == [0]
    assert len(started) == 1


def test_a_block_without_memory_is_told_so(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path, hungry=(3,))
    done = work_through(work, ledger_of(work, tmp_path))
    assert [block.reason for block in done.failed] == ["not enough memory (no room for 3 GiB)"]
    assert done.now == 15


@pytest.mark.parametrize(("workers", "tries", "sleeps"), [(1, 1, (5,)), (2, 2, ())])
def test_a_block_that_hangs_ends_its_worker_and_is_named_and_the_rest_is_done(
    tmp_path: Path, undisturbed: dict[str, bytes], workers: int, tries: int, sleeps: tuple[int, ...]
) -> None:
    work = Fill.drawn(tmp_path, sleeps=sleeps, spins=(9,))
    hanging = {**dict.fromkeys(sleeps, "wait ("), 9: "match ("}
    ledger = ledger_of(work, tmp_path, tries=tries)
    done = work_through(work, ledger, workers=workers, block_seconds=1.2)
    assert done.now == 16 - len(hanging)
    assert [block.index for block in done.failed] == list(hanging)
    for block in done.failed:
        assert re.match(r"it took longer than 1.2 s, on which its worker \(process \d+ on ", block.reason)
        assert f"was ended; it was in {hanging[block.index]}" in block.reason
        assert sum(note[:2] == ["computing", str(block.index)] for note in work.notes()) == tries
    assert {path.name for path in ledger.folder.iterdir()} == {"job.json", "states", "failures.jsonl"}
    mended = Fill(tmp_path)
    ledger.retry_failed()
    assert work_through(mended, ledger).failed == ()
    assert work.files() == undisturbed


def test_a_limit_that_is_no_time_is_refused(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path)
    with pytest.raises(SettingsError, match="a block cannot be done within 0 s"):
        work_through(work, ledger_of(work, tmp_path), block_seconds=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_when_block_after_block_fails_it_is_not_the_blocks(tmp_path: Path, workers: int) -> None:
    work = Fill.drawn(tmp_path, shape=(64, 32, 16), raises=tuple(range(64)))
    with pytest.raises(WorkError, match=r"26 blocks failed one after the other.*this chunk is bad"):
        work_through(work, ledger_of(work, tmp_path), workers=workers)
    mended = Fill(tmp_path, shape=work.shape)
    ledger = ledger_of(mended, tmp_path)
    assert ledger.leases() == []
    ledger.retry_failed()
    assert work_through(mended, ledger) == Done(64, 0, ())


def test_a_job_of_few_blocks_that_all_fail_names_them_all(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path, raises=tuple(range(16)))
    done = work_through(work, ledger_of(work, tmp_path))
    assert (done.now, [block.index for block in done.failed]) == (0, list(range(16)))


def test_what_one_run_leaves_the_next_one_does(tmp_path: Path, undisturbed: dict) -> None:
    class Stopped(Fill):
        def run(self, index: int) -> None:
            if index == 6:
                raise KeyboardInterrupt
            super().run(index)

    work = Fill.drawn(tmp_path)
    ledger = ledger_of(work, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        work_through(Stopped(tmp_path), ledger)
    assert ledger.leases() == []
    assert ledger.tally().leased == 0
    assert work_through(work, ledger) == Done(10, 6, ())
    assert work.files() == undisturbed


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("organelle.blocks.workers_dask.CONNECT_SECONDS", 0.5)
    work = Fill.drawn(tmp_path)
    with pytest.raises(SettingsError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        work_through(work, ledger_of(work, tmp_path), scheduler="tcp://127.0.0.1:9")


def test_a_cluster_without_workers_is_told_once_nobody_replaces_them(monkeypatch: pytest.MonkeyPatch) -> None:
    absence = Absence()
    absence.look(0)
    absence.look(0)  # a nanny has just begun to start another one
    monkeypatch.setattr("organelle.blocks.workers_dask.REPLACED_SECONDS", -1.0)
    absence.look(2)
    absence.look(0)
    with pytest.warns(UserWarning, match="the blocks wait for one"):
        absence.look(0)


def test_a_worker_of_a_cluster_that_cannot_take_part_says_why(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path)
    ledger = ledger_of(work, tmp_path)
    with pytest.raises(WorkError, match=r"a worker has organelle .*, and this is 99.0"):
        take_turn(work, ledger, "99.0")
    with pytest.raises(FileMissing, match="on a cluster, every worker must see it under this path"):
        take_turn(work, replace(ledger, folder=tmp_path / "elsewhere"), organelle.__version__)
    take_turn(work, ledger, organelle.__version__)
    assert ledger.tally().done == 16
