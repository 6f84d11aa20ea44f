"""Light things stay light: what `import organelle` loads, and what `csc --help` costs."""

from __future__ import annotations

import json
import pkgutil
import resource
import subprocess
import sys
import tempfile
from math import inf
from pathlib import Path

import pytest

import organelle

HEAVY = (
    "torch",
    "zarr",
    "scipy",
    "skimage",
    "cc3d",
    "numba",
    "matplotlib",
    "monai",
    "tensorboard",
    "ortools",
)
CSC = Path(sys.executable).with_name("csc")


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `statement`."""
    code = (
        f"import sys, json\n{statement}\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


EACH = """
import importlib, json, os, sys
import numpy, pydantic, zarr  # what most rooms need, once; none of it is looked for
sys.pycache_prefix, sys.dont_write_bytecode = sys.argv[1], False  # each file is compiled once
for module in sys.argv[2:]:
    if not (child := os.fork()):
        importlib.import_module(module)
        print(json.dumps([module, sorted({m.split('.')[0] for m in sys.modules})]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f'{module} cannot be imported')
"""


def loaded_by_each(modules: list[str]) -> dict[str, set[str]]:
    """Top-level modules that an interpreter holds after each of `modules`, imported into one of its own."""
    with tempfile.TemporaryDirectory() as compiled:
        command = [sys.executable, "-c", EACH, compiled, *modules]
        run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {module: set(found) for module, found in map(json.loads, run.stdout.splitlines())}


def cpu_seconds(*command: str | Path) -> float:
    """User and system time of one run of `command`, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


LIBRARIES = "import typer.rich_utils"
"""What a command line costs before it is about anything: typer, and rich, with which it draws its help."""


@pytest.fixture(scope="module")
def floor() -> float:
    """CPU seconds of the libraries alone."""
    return min(cpu_seconds(sys.executable, "-c", LIBRARIES) for _ in range(4))


def require_quick(floor: float, *words: str) -> None:
    """At most three times as long as the libraries of the command line take alone."""
    # Other work on the machine only ever adds to a run, so one of several within the bound is enough.
    runs = []
    while len(runs) < 7 and min(runs, default=inf) >= 3 * floor:
        runs.append(cpu_seconds(CSC, *words))
    best = min(runs)
    assert best < 3 * floor, f"csc {' '.join(words)}: {best:.2f} s of CPU time, its libraries {floor:.2f} s"


@pytest.mark.parametrize("module", ["organelle", "organelle.classes", "organelle.catalog"])
def test_the_ground_floor_loads_nothing_heavy(module: str) -> None:
    assert loaded_after(f"import {module}").isdisjoint({*HEAVY, "numpy"})


def test_every_room_opens_without_the_extras() -> None:
    rooms = [f"organelle.{m.name}" for m in pkgutil.iter_modules(organelle.__path__)]
    loaded = loaded_by_each(rooms)
    assert list(loaded) == rooms
    assert {room: found for room in rooms if (found := loaded[room] & ({*HEAVY} - {"zarr"}))} == {}


def test_looking_up_crops_loads_nothing_heavy() -> None:
    loaded = loaded_after("from organelle.catalog import load_catalog\nload_catalog().select('test')")
    assert loaded.isdisjoint(HEAVY)


def test_a_heavy_import_would_be_seen() -> None:
    assert "scipy" in loaded_after("import scipy")
    assert ["scipy" in found for found in loaded_by_each(["scipy", "json"]).values()] == [True, False]


def test_help_loads_nothing_heavy() -> None:
    loaded = loaded_after(
        "from organelle.cli import main\n"
        "sys.argv = ['csc', '--help']\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()"
    )
    assert loaded.isdisjoint({*HEAVY, "numpy"})


def test_help_is_there_at_once(floor: float) -> None:
    require_quick(floor, "--help")


def test_listing_crops_is_quick_and_loads_nothing_heavy(floor: float) -> None:
    command = ["catalog", "crops", "--class", "mito", "--max-voxel-size", "4"]
    require_quick(floor, *command)
    loaded = loaded_after(
        "from organelle.cli import main\n"
        f"sys.argv = ['csc', *{command}]\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()"
    )
    assert loaded.isdisjoint({*HEAVY, "numpy"})
