"""Packing killed at ten points ends with the bytes of a pack that nothing disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from organelle.catalog import Catalog, Crop, processed_path
from organelle.classes import kind_of
from organelle.geometry import Grid
from organelle.pack import read_lineage
from organelle.volumes import write_multiscale

pytestmark = pytest.mark.soak

CLASSES = ("mito", "er", "ves", "pm", "cell", "nuc")
EDGE = 160
ROWS = 5 * len(CLASSES)
KILLS = 10


def challenge() -> Catalog:
    """Five crops of six classes each."""
    grids = {n: Grid((4.0,) * 3, (800.0 * n, 0.0, 0.0), (EDGE, EDGE - n, EDGE)) for n in range(1, 6)}
    crops = {n: Crop(n, f"set{n % 2}", grid, CLASSES, is_test=True) for n, grid in grids.items()}
    return Catalog("drawn", {}, {}, crops)


def draw(work: Path) -> None:
    """All rows but those of `nuc`: noise, which takes long to compress."""
    rng = np.random.default_rng(5)
    for crop, name in challenge().rows():
        if name != "nuc":
            labels = rng.integers(0, 60_000, crop.grid.shape, dtype=np.uint16)
            path = processed_path(work, crop, name)
            write_multiscale(path, labels, crop.grid, kind=kind_of(name), chunks=(EDGE,) * 3)


PROGRAM = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from test_pack_kills import challenge
    from organelle.pack import PackSettings, pack
    report = pack(challenge(), sys.argv[2], sys.argv[3], workers=int(sys.argv[4]),
                  settings=PackSettings(chunk_voxels=64, compression_level=int(sys.argv[5])))
    print(report.taken_up, file=open(sys.argv[3] + ".told", "w"))
"""


def start(work: Path, out: Path, workers: int, level: int = 9) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(Path(__file__).parent)]
    places = [str(work), str(out), str(workers), str(level)]
    return subprocess.Popen([*command, *places], env=os.environ | {"OMP_NUM_THREADS": "1"})


def undisturbed(work: Path, out: Path, workers: int) -> bytes:
    out.parent.mkdir()
    assert start(work, out, workers).wait(timeout=300) == 0
    return out.read_bytes()


def finished(folder: Path) -> int:
    """Rows in the body and beside it."""
    journal = folder / "rows.jsonl"
    lines = len(journal.read_text().splitlines()) if journal.is_file() else 0
    return lines + len(list(folder.glob("*.json")))


def where(folder: Path) -> str:
    """What the unfinished pack is doing, as far as its folder shows."""
    if not folder.is_dir():
        return "reading the plan" if not folder.with_name("out.zip").exists() else "done"
    if finished(folder) >= ROWS:
        return "closing the zip"
    return "writing a row" if any(folder.glob("*.part")) else "moving a row"


@pytest.mark.parametrize("workers", [1, 2])
def test_ten_kills_change_no_byte(tmp_path: Path, workers: int) -> None:
    draw(tmp_path / "work")
    expected = undisturbed(tmp_path / "work", tmp_path / "whole" / "out.zip", workers)
    rng, out = np.random.default_rng(workers), tmp_path / "killed" / "out.zip"
    out.parent.mkdir()
    folder, places, progress = out.parent / ".out.zip.packing", [], []
    for turn in range(KILLS):
        process = start(tmp_path / "work", out, workers)
        goal = min(ROWS - 1, 1 + int(ROWS * turn / KILLS))
        deadline = time.monotonic() + 120
        while process.poll() is None and finished(folder) < goal and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        places.append(where(folder))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(children, timeout=10)  # they end with their parent
        assert not out.exists()
        progress.append(finished(folder))
    assert len(places) == KILLS
    assert places.count("writing a row") >= 3, places
    assert progress == sorted(progress), "a kill has lost rows that were finished"

    last = start(tmp_path / "work", out, workers)
    assert last.wait(timeout=300) == 0
    assert int((out.parent / "out.zip.told").read_text()) >= ROWS - 5
    assert out.read_bytes() == expected
    assert read_lineage(out)["submission"] == read_lineage(tmp_path / "whole" / "out.zip")["submission"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["out.lineage.json", "out.zip", "out.zip.told"]


PEAK = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from test_pack_kills import one_crop
    from organelle.pack import pack
    pack(one_crop(int(sys.argv[2])), sys.argv[3], sys.argv[3] + "/out.zip")
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def one_crop(edge: int) -> Catalog:
    crop = Crop(1, "one", Grid((4.0,) * 3, (0.0,) * 3, (edge,) * 3), ("mito",), is_test=True)
    return Catalog("large", {}, {}, {1: crop})


def peak_of(edge: int, work: Path) -> int:
    """The most memory that packing a crop of `edge` cubed takes, in kB."""
    crop = one_crop(edge).crop(1)
    labels = np.zeros(crop.grid.shape, np.uint16)
    labels[::2, ::3] = np.arange(edge) // 8 + 1
    write_multiscale(processed_path(work, crop, "mito"), labels, crop.grid, kind=kind_of("mito"))
    command = [sys.executable, "-c", textwrap.dedent(PEAK), str(Path(__file__).parent), str(edge), str(work)]
    settings = os.environ | {"MALLOC_ARENA_MAX": "2"}  # as child processes are started
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=settings).stdout)


def test_memory_does_not_grow_with_the_crop(tmp_path: Path) -> None:
    """A crop eight times as large takes hardly more: blocks are of one size."""
    small, large = (peak_of(edge, tmp_path / str(edge)) for edge in (320, 640))
    assert large < min(1.4 * small, 400_000), (small, large)
