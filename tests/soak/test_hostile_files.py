"""Every attack through the command line, as processes whose memory and time are watched; its twin is sound.

What is not made to take memory or time is scored by the command, and looked at by what `csc validate` calls.
The measured table is printed (`pytest -s`).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from organelle.catalog import load_catalog, write_tables
from organelle.evaluate import evaluate as score
from organelle.submission import validate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "submission"))

from attacks import Attack, all_attacks
from drawn_submissions import CHALLENGE, perfect_files, write_folder, write_zip

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="memory of a family of processes is read from /proc"),
]

MOST_MIB, MOST_SECONDS, POLL_SECONDS = 1024, 10.0, 0.03
MOST_WAITING = 90.0
"""Seconds after which a command counts as hanging, however busy the machine is."""

CSC = Path(sys.executable).parent / "csc"
ATTACKS = all_attacks()
MARKED = [pytest.param(a, id=a.name, marks=[pytest.mark.alone] if a.slow else []) for a in ATTACKS]
ROWS = {"crop7": ("er", "mito"), "crop21": ("pm",)}


@dataclass(frozen=True)
class Run:
    """How a command ended, and what it and its children took."""

    status: int
    out: str
    err: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(*arguments: str | Path, where: Path) -> Run:
    command = [CSC, *map(str, arguments)]
    began, peak, before = time.monotonic(), 0, children_seconds()
    with (where / "out").open("w+") as out, (where / "err").open("w+") as err:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=where, env=environment)
        while process.poll() is None and time.monotonic() - began < MOST_WAITING:
            peak = max(peak, sum(map(resident_bytes, family(process.pid))))
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - began
        process.kill()
        process.wait()
    said = [(where / name).read_text() for name in ("out", "err")]
    return Run(process.returncode, *said, seconds, children_seconds() - before, peak / 2**20)


def children_seconds() -> float:
    """Processor time of all processes that ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family(pid: int) -> Iterator[int]:
    """A process and everything below it, as far as it is still there."""
    yield pid
    try:
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in (int(number) for numbers in children for number in numbers):
        yield from family(child)


def resident_bytes(pid: int) -> int:
    """Memory of a process; pages that it shares with others are shared out among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of tables and truth."""
    folder = tmp_path_factory.mktemp("challenge")
    tables = write_tables(CHALLENGE, folder / "tables")
    (tables / "datasets.csv").unlink()
    (tables / "train_crops.csv").unlink()
    return tables, write_folder(folder / "truth.zarr", perfect_files())


def evaluate(submission: Path, challenge: tuple[Path, Path], where: Path) -> Run:
    tables, truth = challenge
    return run(
        *("evaluate", "-s", submission, "-t", truth, "--catalog", tables, "-r", where / "r.json"),
        *("--workers", "1"),
        where=where,
    )


def rows_of(where: Path) -> dict[str, dict[str, object]]:
    record = json.loads((where / "r_extended.json").read_text())
    return {f"{crop}/{name}": record[crop][name] for crop, names in ROWS.items() for name in names}


@pytest.fixture(scope="module")
def honest(challenge: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The rows of a submission without a fault. It also leaves compiled code behind for the others."""
    where = tmp_path_factory.mktemp("honest")
    done = evaluate(write_zip(where / "a.zip", perfect_files()), challenge, where)
    assert done.status == 0, done.err
    return rows_of(where)


@pytest.mark.parametrize("attack", MARKED)
def test_attack(
    attack: Attack, challenge: tuple[Path, Path], honest: dict[str, object], tmp_path: Path
) -> None:
    path = attack.bad(tmp_path)
    if attack.slow:
        looked = run("validate", path, "--json", "--catalog", challenge[0], where=tmp_path)
        require_small(f"validate {attack.name}", attack.code, looked)
        report = json.loads(looked.out)
        assert looked.status == (0 if report["ok"] else 1)
    else:
        report = validate(path, load_catalog(challenge[0])).to_dict()
    scored = evaluate(path, challenge, tmp_path)
    require_small(f"evaluate {attack.name}", attack.code, scored)

    assert attack.code in {"", *(problem["code"] for problem in report["problems"])}
    if attack.scope == "file":
        assert (report["ok"], scored.status) == (False, 1)
        assert scored.err.startswith("error: ")
        assert path.name in scored.err
        assert not (tmp_path / "r.json").exists()
        return
    assert scored.status == 0, scored.err
    rows = rows_of(tmp_path)
    hit = {"crop7/er"} if attack.scope == "row" else set()
    assert {k: v for k, v in rows.items() if k not in hit} == {
        k: v for k, v in honest.items() if k not in hit
    }


def test_names_from_the_file_are_no_markup_and_no_codes(challenge: tuple[Path, Path], tmp_path: Path) -> None:
    """A level's name holds markup, codes of a terminal and a mark that turns the direction of reading."""
    attack = next(attack for attack in ATTACKS if attack.name == "level with escape codes")
    tables, truth = challenge
    done = run(
        *("evaluate", "-s", attack.bad(tmp_path), "-t", truth, "--catalog", tables),
        *("--report", tmp_path / "r.html"),
        where=tmp_path,
    )
    assert done.status == 0, done.err
    page = (tmp_path / "r.html").read_text()
    assert "&lt;b&gt;" in page
    for text in (page, done.out, done.err):
        assert not any(code in text for code in ("\x1b", "\u202e"))
    assert "[2J<b>" not in page


@pytest.mark.parametrize("attack", MARKED)
def test_twin(attack: Attack, challenge: tuple[Path, Path], tmp_path: Path) -> None:
    """The same file without its fault is sound. No process has to keep it in check."""
    path, catalog = attack.twin(tmp_path), load_catalog(challenge[0])
    looked = validate(path, catalog)
    assert looked.ok, looked.problems
    assert {row.status for row in score(path, challenge[1], catalog, workers=0).rows} == {"scored"}


def require_small(name: str, code: str, done: Run) -> None:
    """What it took is printed, and is little: by the clock, or of the processor on a busy machine."""
    figures = f"{done.status} {done.peak_mib:5.0f} MiB {done.seconds:5.1f} s ({done.cpu_seconds:.1f})"
    print(f"\n{name:54} {code:22} {figures}", end="")
    assert "Traceback" not in done.err, done.err
    assert "\x1b" not in done.err + done.out
    assert done.peak_mib < MOST_MIB
    assert min(done.seconds, done.cpu_seconds) < MOST_SECONDS
    assert done.seconds < MOST_WAITING
