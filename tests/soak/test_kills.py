"""An evaluation that is killed again and again, parent and children, ends with the same result to the byte.

The points are drawn: a phase and how many times it is to be seen before the kill. Where each kill landed is
read from the log of the run, and printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from organelle.catalog import Catalog, Crop, Dataset, write_tables
from organelle.evaluate import simulate
from organelle.geometry import Grid
from organelle.volumes import write_volume

pytestmark = pytest.mark.soak

CSC = Path(sys.executable).with_name("csc")
KILLS = int(os.environ.get("CSC_KILLS", "10"))
MOST_KILLS = 40 + KILLS
CLASSES = ("cell", "er", "mito", "ves")
CROPS = 4
EDGE = 144
PATIENCE = 300
WANTED = {(who, where) for who in ("parent", "child") for where in ("reading", "scoring")} | {
    ("parent", "writing")
}


@dataclass(frozen=True)
class Place:
    """Files of one small challenge."""

    root: Path

    def command(self, work: Path, result: Path) -> list[str]:
        inputs = {"--catalog": "tables", "--truth-path": "truth.zarr", "--submission-path": "simulated.zip"}
        paths = [text for option, name in inputs.items() for text in (option, str(self.root / name))]
        return [str(CSC), "evaluate", *paths, "--work", str(work), "--result-file", str(result), "-w", "2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """Sixteen rows of balls, and a submission with errors."""
    root = tmp_path_factory.mktemp("kills")
    rng = np.random.default_rng(0)
    grids = {n: Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), (EDGE,) * 3) for n in range(1, CROPS + 1)}
    crops = {n: Crop(n, "fly", grid, CLASSES, is_test=True) for n, grid in grids.items()}
    catalog = Catalog("kills", {"fly": Dataset("fly")}, {}, crops)
    write_tables(catalog, root / "tables")
    for n, grid in grids.items():
        for name in CLASSES:
            labels = balls(rng)
            labels = (labels > 0).astype(np.uint8) if name == "er" else labels
            write_volume(root / "truth.zarr" / f"crop{n}" / name, labels, grid)
    simulate(root / "truth.zarr", catalog, root / "simulated.zip")
    return Place(root)


def balls(rng: np.random.Generator) -> np.ndarray:
    labels = np.zeros((EDGE,) * 3, np.uint16)
    offsets = np.stack(np.indices((17, 17, 17)), -1).reshape(-1, 3) - 8
    corners = np.stack(np.meshgrid(*[np.arange(10, EDGE - 10, 20)] * 3, indexing="ij"), -1).reshape(-1, 3)
    for number, centre in enumerate(corners, 1):
        inside = offsets[(offsets**2).sum(1) <= rng.integers(4, 9) ** 2]
        labels[tuple((centre + inside).T)] = number
    return labels


def test_kills_change_nothing(place, tmp_path):
    rng = np.random.default_rng(20)
    plain = tmp_path / "plain.json"
    subprocess.run(place.command(tmp_path / "plain", plain), check=True, capture_output=True)
    landed: Counter[tuple[str, str]] = Counter()
    rounds = 0
    while sum(landed.values()) < KILLS or not landed.keys() >= WANTED:
        assert sum(landed.values()) < MOST_KILLS, f"kills never landed in {WANTED - landed.keys()}"
        rounds += 1
        landed += one_round(place, tmp_path / f"round {rounds}", rng, landed)
        for name in ("plain.json", "plain_extended.json"):
            again = tmp_path / f"round {rounds}" / name.replace("plain", "result")
            assert again.read_bytes() == (tmp_path / name).read_bytes()
    print(f"\n{sum(landed.values())} kills in {rounds} runs: {dict(sorted(landed.items()))}")


def one_round(place: Place, folder: Path, rng: np.random.Generator, so_far: Counter) -> Counter:
    """Run one evaluation to its end through as many kills as it takes: up to eight drawn ones."""
    landed: Counter[tuple[str, str]] = Counter()
    result = folder / "result.json"
    draws = 8
    while not result.exists():
        command = place.command(folder / "work", result)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
            while draws and run.poll() is None:
                draws -= 1
                missing = sorted(WANTED - (so_far + landed).keys())
                who, where = missing[0] if missing else sorted(WANTED)[rng.integers(len(WANTED))]
                found = kill_one(run, folder, who, where, int(rng.integers(1, 6)))
                landed.update([found] if found else [])
            _, words = run.communicate(timeout=PATIENCE)
        assert run.returncode in (0, -signal.SIGKILL), words.decode()
    return landed


def kill_one(run: subprocess.Popen, folder: Path, who: str, where: str, times: int) -> tuple[str, str] | None:
    """Kill parent or child when `where` has been seen so many times more; returns where it landed."""
    start = len(log_lines(folder))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and run.poll() is None:
        seen = [line for line in log_lines(folder)[start:] if f" {where} " in line]
        if len(seen) >= times or (where == "writing" and seen):
            break
    else:
        return None
    if who == "parent":
        run.kill()
        run.wait()
        return "parent", phase_of_parent(log_lines(folder))
    pid = int(seen[-1].split(" process ")[1].split()[0])
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    while time.monotonic() < end and run.poll() is None:
        lines = log_lines(folder)
        died = [i for i, line in enumerate(lines) if " died " in line and f"process {pid} " in line]
        if died:
            before = [line for line in lines[: died[0]] if line.endswith(f"process {pid}")]
            return "child", before[-1].split()[2]
    return None


def log_lines(folder: Path) -> list[str]:
    """All complete lines of the log."""
    logs = list((folder / "work" / "evaluate").glob("*/log.txt"))
    return logs[0].read_text().rpartition("\n")[0].splitlines() if logs else []


def phase_of_parent(lines: list[str]) -> str:
    """What the run was at: writing, else the last phase that any child told."""
    words = [line.split()[2] for line in lines]
    if words[-1] == "writing":
        return "writing"
    phases = [word for word in words if word in ("reading", "scoring")]
    return phases[-1]
