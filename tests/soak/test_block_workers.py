"""Workers that share a ledger are killed every few seconds while they read, compute or write: same bytes.

Which phase a kill landed in is read from the log that the work keeps, and printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blocks"))

from work_fill import Fill

from organelle.blocks import Ledger, work_through

pytestmark = pytest.mark.soak

BLOCKS = Path(__file__).resolve().parents[1] / "blocks"
SHAPE = (64, 64, 64)
"""512 blocks."""
PHASE_SECONDS = 0.03
PATIENCE = 240
BETWEEN_KILLS = 30
PHASES = ("reading", "computing", "writing")

SCRIPT = "fill.py"
FILL = """
import sys
from pathlib import Path
from work_fill import Fill
from organelle.blocks import Ledger, work_through
folder, seconds, workers, scheduler = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if __name__ == "__main__":
    work = Fill(folder, shape=(64, 64, 64), seconds=seconds, kills=(100,), raises=(300,))
    ledger = Ledger.open(folder / "fill.ledger", count=work.count, made_of=work.made_of)
    done = work_through(work, ledger, workers=workers, scheduler=scheduler or None)
    print(done.before + done.now, *[block.index for block in done.failed])
"""
CLUSTER = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=4, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
LONG_TIMEOUT = {"DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1h"}
"""A LocalCluster gives a worker up for good that is away, again, some seconds after it was lost."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one process that nobody disturbs, with the two bad blocks left out."""
    work = Fill.drawn(tmp_path_factory.mktemp("undisturbed"), shape=SHAPE)
    for index in sorted({*range(work.count)} - {100, 300}):
        work.run(index)
    return work.files()


@pytest.fixture
def work(tmp_path: Path) -> Fill:
    (tmp_path / SCRIPT).write_text(FILL)  # once: whoever starts while it is written would find it empty
    return Fill.drawn(tmp_path, shape=SHAPE)


def start(work: Fill, workers: int = 1, scheduler: str = "") -> subprocess.Popen[str]:
    arguments = [str(work.folder / SCRIPT), str(work.folder), str(PHASE_SECONDS), str(workers), scheduler]
    with (work.folder / "words.log").open("ab") as words:
        return subprocess.Popen(
            [sys.executable, *arguments], env=environment(), stdout=subprocess.PIPE, stderr=words, text=True
        )


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(BLOCKS), "OMP_NUM_THREADS": "1"}


class Killer:
    """Kills, every so many seconds, a process that is at a drawn phase of a block.

    Between two kills some blocks are written, however slowly workers start: else none ever would be.
    """

    def __init__(self, work: Fill, seconds: float = 1.0) -> None:
        self.work, self.seconds = work, seconds
        self.rng = np.random.default_rng(0)
        self.landed: Counter[str] = Counter()

    def run(self, go_on: Callable[[], bool]) -> None:
        while go_on():
            time.sleep(self.seconds)
            written = self.written()
            while go_on() and self.written() < written + BETWEEN_KILLS:
                time.sleep(0.01)
            if (pid := self.find(PHASES[self.rng.integers(3)], go_on)) is None:
                return
            os.kill(pid, signal.SIGKILL)
            self.wait_for_end(pid)
            self.landed[self.last(pid)] += 1

    def written(self) -> int:
        return sum(note[0] == "written" for note in self.work.notes())

    def find(self, phase: str, go_on: Callable[[], bool]) -> int | None:
        """A living process whose last note is `phase`."""
        while go_on():
            at = {note[2]: note[0] for note in self.work.notes()[-50:] if len(note) == 3}
            for pid in (int(pid) for pid, where in at.items() if where == phase):
                if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    return pid
            time.sleep(0.005)
        return None

    def wait_for_end(self, pid: int) -> None:
        end = time.monotonic() + PATIENCE
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end
            time.sleep(0.005)

    def last(self, pid: int) -> str:
        """Where that process was when it ended."""
        return [note[0] for note in self.work.notes() if note[2:] == [str(pid)]][-1]


def require_the_same(work: Fill, undisturbed: dict[str, bytes], killer: Killer, kills: int) -> None:
    """All is done but the two bad blocks, which are named; every kind of kill happened."""
    print(f"\n{sum(killer.landed.values())} kills landed in: {dict(sorted(killer.landed.items()))}")
    ledger = Ledger.at(work.folder / "fill.ledger")
    assert {block.index for block in ledger.failed()} == {100, 300}
    told = {block.index: block.reason for block in ledger.failed()}
    assert told[300] == "this chunk is bad"
    assert "its worker" in told[100]
    assert ledger.tally().left == 0
    assert ledger.leases() == []
    whole = {name: data for name, data in work.files().items() if ".partial" not in name}
    assert whole == undisturbed
    assert sum(killer.landed.values()) >= kills
    assert {*PHASES} <= killer.landed.keys()


def test_local_workers(work: Fill, undisturbed: dict[str, bytes]) -> None:
    killer = Killer(work)
    with start(work, workers=4) as parent:
        killer.run(lambda: parent.poll() is None)
        told, _ = parent.communicate(timeout=PATIENCE)
    assert told.split() == ["510", "100", "300"]
    require_the_same(work, undisturbed, killer, 8)


def test_workers_started_by_hand_as_in_a_job_array(work: Fill, undisturbed: dict[str, bytes]) -> None:
    killer, crew = Killer(work), [start(work) for _ in range(3)]

    def go_on() -> bool:
        """Whoever died is started again, as the queue of a cluster does."""
        for at, one in enumerate(crew):
            if one.poll() not in (None, 0):
                one.communicate()
                crew[at] = start(work)
        return any(one.poll() is None for one in crew)

    killer.run(go_on)
    told = [one.communicate(timeout=PATIENCE)[0].split() for one in crew]
    assert told == [["510", "100", "300"]] * 3
    require_the_same(work, undisturbed, killer, 8)


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    with (
        (folder / "cluster.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, str(script)],
            env=environment() | LONG_TIMEOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        ) as one,
    ):
        assert one.stdout is not None
        yield one.stdout.readline().strip()
        one.communicate(timeout=60)


def test_a_dask_cluster(work: Fill, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    killer = Killer(work, seconds=4.0)  # workers of Dask start slowly
    with cluster(tmp_path) as address:
        with start(work, scheduler=address) as client:
            killer.run(lambda: client.poll() is None)
            told, _ = client.communicate(timeout=PATIENCE)
        assert told.split() == ["510", "100", "300"]
    require_the_same(work, undisturbed, killer, 4)


def test_a_block_that_hangs_on_a_dask_cluster_ends_its_worker(tmp_path: Path) -> None:
    work = Fill.drawn(tmp_path, sleeps=(3,), spins=(8,))
    ledger = Ledger.open(tmp_path / "fill.ledger", count=work.count, made_of=work.made_of, tries=2)
    with cluster(tmp_path) as address:
        done = work_through(work, ledger, scheduler=address, block_seconds=5.0)
    assert done.now == 14
    assert [block.index for block in done.failed] == [3, 8]
    assert all("it took longer than 5 s" in block.reason for block in done.failed)


def test_a_cluster_that_dies_is_told_and_the_work_goes_on_elsewhere(
    work: Fill, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster(tmp_path) as address, start(work, scheduler=address) as client:
        end = time.monotonic() + PATIENCE
        while len(work.notes()) < 20 and time.monotonic() < end:
            time.sleep(0.05)
        for one in psutil.process_iter(["cmdline"]):
            if str(tmp_path / "cluster.py") in (one.info["cmdline"] or ()):
                one.kill()
        began = time.monotonic()
        client.communicate(timeout=60)
    assert client.returncode == 1
    print(f"\nthe cluster's death was told after {time.monotonic() - began:.0f} s")
    assert "the cluster is gone" in (work.folder / "words.log").read_text().splitlines()[-1]
    with start(work, workers=2) as parent:
        listed, _ = parent.communicate(timeout=PATIENCE)
    assert listed.split() == ["510", "100", "300"]
    assert work.files().items() >= undisturbed.items()


def test_a_parent_that_is_killed_takes_its_workers_along(work: Fill) -> None:
    with start(work, workers=3) as parent:
        end = time.monotonic() + PATIENCE
        while len({note[2] for note in work.notes()}) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
        parent.communicate()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    ledger = Ledger.at(work.folder / "fill.ledger")
    began = time.monotonic()
    before = ledger.tally().done
    done = work_through(Fill(work.folder, shape=SHAPE), ledger, workers=2)
    assert (done.before, done.now, done.failed) == (before, 512 - before, ())
    assert time.monotonic() - began < 60
