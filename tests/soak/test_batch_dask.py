"""A batch on a real Dask cluster, in which workers and whoever asked are killed: results as without."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluate"))

from small_challenge import GRIDS, Challenge, cubes

from organelle.catalog import write_tables

pytestmark = pytest.mark.soak

BIN = Path(sys.executable).parent
SOURCE = Path(__file__).resolve().parents[2] / "src"
IDS = [f"team-{i}" for i in range(6)]
PATIENCE = 120
STARTED = re.compile(r" started crop\d+/\w+ process (\d+)")


def wait_for(what: Callable[[], object], told: str) -> object:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"in vain, for {PATIENCE} s: {told}")


@pytest.fixture
def challenge(tmp_path: Path) -> Challenge:
    return draw(tmp_path)


def draw(root: Path) -> Challenge:
    """Six submissions, each with another error, and one that nobody can read."""
    made = Challenge(root).fill()
    write_tables(made.catalog, root / "tables")
    lines = ["data_path,evaluation_id"]
    for i, name in enumerate(IDS):
        shutil.copytree(made.submission, root / "in" / f"{name}.zarr")
        labels = cubes(GRIDS[11].shape)
        labels[labels <= i] = 0
        shutil.rmtree(root / "in" / f"{name}.zarr" / "crop11" / "mito")
        array = Challenge(root / f"changed{i}").hand_in(11, "mito", labels.astype(np.uint16))
        shutil.copytree(array, root / "in" / f"{name}.zarr" / "crop11" / "mito")
        lines.append(f"in/{name}.zarr,{name}")
    (root / "in" / "bad.zip").write_bytes(b"PK nonsense")
    (root / "table.csv").write_text("\n".join([*lines, "in/bad.zip,bad"]) + "\n")
    return made


def batch(challenge: Challenge, out: str, *options: str) -> list[str]:
    root = challenge.root
    places = ["--csv-path", "table.csv", "--truth-path", "truth.zarr", "--catalog", "tables"]
    made = ["--output-path", out, "--work", str(root / f"work-{out}")]
    return [str(BIN / "csc"), "batch-eval", *places, *made, *options]


def run(challenge: Challenge, out: str, *options: str, status: int = 1) -> str:
    done = subprocess.run(
        batch(challenge, out, *options), cwd=challenge.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def statuses(challenge: Challenge, out: str) -> dict[str, str]:
    with (challenge.root / out / "table_summary.csv").open() as file:
        return {line["evaluation_id"]: line["status"] for line in csv.DictReader(file)}


def results(challenge: Challenge, out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (challenge.root / out).glob("eval_*.results")}


def busy_children(challenge: Challenge, out: str) -> list[psutil.Process]:
    """Processes that score a row at this moment."""
    logs = challenge.root.glob(f"work-{out}/evaluate/*/log.txt")
    pids = {int(pid) for log in logs for pid in STARTED.findall(log.read_text())}
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def process(folder: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Dask, ended with all its children at the end."""
    with (folder / f"{command[0]}.log").open("ab") as log:
        one = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            cwd=folder,
            stdout=log,
            stderr=log,
            env=os.environ | environment,
        )
    try:
        yield one
    finally:
        children = psutil.Process(one.pid).children(recursive=True) if one.poll() is None else []
        for family in (one, *children):
            try:
                family.kill()
            except psutil.NoSuchProcess:
                continue
        one.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    file = folder / "scheduler.json"
    with process(folder, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)):
        wait_for(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler")
        yield json.loads(file.read_text())["address"]


@contextmanager
def workers(folder: Path, address: str, number: int = 1, **environment: str) -> Iterator[None]:
    """Workers that are at the scheduler, each with a nurse that starts it again when it dies."""
    (folder / "worker.log").unlink(missing_ok=True)
    fixed = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / "dask"))
    with process(folder, "worker", address, *fixed, "--nworkers", str(number), **environment):
        wait_for(
            lambda: (folder / "worker.log").read_text().count("Registered to") == number,
            "workers to register",
        )
        yield


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers."""
    with scheduler(tmp_path) as address, workers(tmp_path, address, 2):
        yield address


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of this machine without a cluster, for the same submissions elsewhere."""
    challenge = draw(tmp_path_factory.mktemp("alone"))
    said = run(challenge, "alone", "--workers", "1")
    assert len(results(challenge, "alone")) == 2 * len(IDS), said
    return results(challenge, "alone")


def test_a_cluster_finds_what_one_machine_finds(challenge: Challenge, alone: dict, cluster: str) -> None:
    said = run(challenge, "there", "--scheduler", cluster)
    assert "7 submissions: 6 scored, 0 kept, 1 failed" in said
    assert results(challenge, "there") == alone
    assert statuses(challenge, "there") == dict.fromkeys(IDS, "scored") | {"bad": "failed"}


def test_killed_workers_change_nothing(challenge: Challenge, alone: dict, cluster: str) -> None:
    killed = set()
    with subprocess.Popen(
        batch(challenge, "there", "--scheduler", cluster), cwd=challenge.root, stdout=subprocess.DEVNULL
    ) as client:
        for number in range(2):
            wait_for(
                lambda least=number: (
                    len(results(challenge, "there")) >= 2 * least and busy_children(challenge, "there")
                ),
                "a worker at work",
            )
            worker = busy_children(challenge, "there")[0].parent()
            assert client.poll() is None
            os.kill(worker.pid, signal.SIGKILL)
            killed.add(worker.pid)
            time.sleep(1)
    assert client.returncode == 1  # for the file that nobody can read
    assert len(killed) == 2
    print(f"killed {len(killed)} workers while they scored")
    assert results(challenge, "there") == alone
    assert statuses(challenge, "there") == dict.fromkeys(IDS, "scored") | {"bad": "failed"}


def test_who_asked_is_killed_and_asks_again(challenge: Challenge, alone: dict, cluster: str) -> None:
    with subprocess.Popen(
        batch(challenge, "there", "--scheduler", cluster), cwd=challenge.root, stdout=subprocess.DEVNULL
    ) as client:
        wait_for(
            lambda: len(results(challenge, "there")) >= 2 and busy_children(challenge, "there"), "a result"
        )
        client.kill()
    at_the_kill = results(challenge, "there")
    assert 2 <= len(at_the_kill) < len(alone), "the kill came too late"
    wait_for(
        lambda: len(results(challenge, "there")) > len(at_the_kill), "what was begun, which workers finish"
    )
    wait_for(lambda: not busy_children(challenge, "there"), "quiet workers")
    written = (challenge.root / "there").glob("eval_team-?.results")  # after their extended ones
    before = {path: path.stat().st_mtime_ns for path in written}
    run(challenge, "there", "--scheduler", cluster)
    kept = [name for name, status in statuses(challenge, "there").items() if status == "kept"]
    print(f"{len(at_the_kill) // 2} evaluations finished at the kill, {len(kept)} kept")
    assert {path.stem.removeprefix("eval_") for path in before} <= set(kept)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert results(challenge, "there") == alone


def test_a_batch_on_one_machine_goes_on_after_a_kill(challenge: Challenge, alone: dict) -> None:
    command = batch(challenge, "here", "--workers", "1")
    with subprocess.Popen(command, cwd=challenge.root, stdout=subprocess.DEVNULL) as one:
        wait_for(
            lambda: len(results(challenge, "here")) >= 2 and busy_children(challenge, "here"), "a result"
        )
        one.kill()
    at_the_kill = results(challenge, "here")
    assert 2 <= len(at_the_kill) < len(alone), "the kill came too late"
    run(challenge, "here", "--workers", "1")
    kept = [name for name, status in statuses(challenge, "here").items() if status == "kept"]
    assert len(kept) == len(at_the_kill) // 2
    assert results(challenge, "here") == alone


def test_a_scheduler_that_dies_is_told_and_the_next_one_goes_on(
    challenge: Challenge, alone: dict, tmp_path: Path
) -> None:
    with (
        scheduler(tmp_path) as address,
        workers(tmp_path, address),
        subprocess.Popen(
            batch(challenge, "there", "--scheduler", address),
            cwd=challenge.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        wait_for(lambda: len(results(challenge, "there")) >= 2, "a result")
        for one in psutil.process_iter(["cmdline"]):
            if one.info["cmdline"] and str(tmp_path / "scheduler.json") in one.info["cmdline"]:
                one.kill()
        _, told = client.communicate(timeout=PATIENCE)
        assert client.returncode == 1
        assert told == ""  # in particular no traceback
    there = statuses(challenge, "there")
    assert "failed" in {there[name] for name in IDS}
    (tmp_path / "scheduler.json").unlink()
    with scheduler(tmp_path) as address, workers(tmp_path, address):
        run(challenge, "there", "--scheduler", address)
    assert results(challenge, "there") == alone


def test_workers_with_other_versions_are_refused_before_anything_is_scored(
    challenge: Challenge, tmp_path: Path
) -> None:
    other, none = tmp_path / "other", tmp_path / "none" / "organelle"
    shutil.copytree(SOURCE / "organelle", other / "organelle", ignore=shutil.ignore_patterns("__pycache__"))
    head = other / "organelle" / "__init__.py"
    head.write_text(re.sub(r'__version__ = "[^"]+"', '__version__ = "99.0"', head.read_text()))
    none.mkdir(parents=True)
    (none / "__init__.py").write_text("")
    for place, told in (
        (other, "organelle 99.0 instead of"),
        (none.parent, "cannot say which organelle it has"),
    ):
        with scheduler(tmp_path) as address, workers(tmp_path, address, PYTHONPATH=str(place)):
            said = run(challenge, "there", "--scheduler", address)
        assert told in said
        assert "Traceback" not in said
        assert not results(challenge, "there")
        (tmp_path / "scheduler.json").unlink()


def test_a_worker_that_joins_later_is_asked_too(challenge: Challenge, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(SOURCE / "organelle", other / "organelle", ignore=shutil.ignore_patterns("__pycache__"))
    head = other / "organelle" / "__init__.py"
    head.write_text(re.sub(r'__version__ = "[^"]+"', '__version__ = "99.0"', head.read_text()))
    with (
        scheduler(tmp_path) as address,
        subprocess.Popen(
            batch(challenge, "there", "--scheduler", address),
            cwd=challenge.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        assert client.stderr is not None
        assert "no worker yet" in client.stderr.readline()
        with workers(tmp_path, address, PYTHONPATH=str(other)):
            said, _ = client.communicate(timeout=PATIENCE)
    assert client.returncode == 1
    assert "organelle 99.0 instead of" in said.replace("\n", " ")
    assert not results(challenge, "there")
