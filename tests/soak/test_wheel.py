"""The wheel holds all that is needed: installed in an empty place, it walks the whole path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.soak


def run(*command: str | Path, where: Path) -> str:
    """What `command` prints; on a failure the test ends with everything that it said."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CSC_"))}
    done = subprocess.run(
        command,
        cwd=where,
        env=outside,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, REPOSITORY, where=folder)
    (built,) = folder.glob("organelle-*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment, outside the repository, that holds the wheel."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", folder / "venv", where=folder)
    programs = folder / "venv" / "bin"
    constraints = REPOSITORY / "constraints.txt"
    run(programs / "pip", "install", "--quiet", "-c", constraints, f"{wheel}[all]", where=folder)
    return programs


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"organelle", f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    source = REPOSITORY / "src"
    tracked = run("git", "ls-files", "organelle", where=source).split()
    assert set(tracked) <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_walks_the_whole_path(elsewhere: Path, tmp_path: Path) -> None:
    place = run(elsewhere / "python", "-c", "import organelle; print(organelle.__file__)", where=tmp_path)
    assert Path(place.strip()).is_relative_to(elsewhere.parent), "the repository was imported, not the wheel"
    run(elsewhere / "csc", "demo", "--quick", "--work", "tour", where=tmp_path)
    summary = json.loads((tmp_path / "tour" / "summary.json").read_text())
    assert summary["rows"]
    assert list(tmp_path.iterdir()) == [tmp_path / "tour"], "something was written outside of the work folder"
