"""The wheel holds all that is needed: installed in an empty place, it walks the whole path.

There the tutorial does what it says: every `csc` that it tells one to type is typed, in order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fresh_environment import REPOSITORY, install, run

CONSTRAINTS = REPOSITORY / "constraints.txt"
PAGES = sorted((REPOSITORY / "docs" / "tutorial").glob("[2-8]-*.md"))
BLOCK = re.compile(r"^```(console|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\$ ([A-Z_]+=\S* )*csc ")
"""A line to type; others, such as a viewer that waits to be looked at, are left to people."""
FILE_NAME = re.compile(r"# (\S+\.toml)\n")

pytestmark = [pytest.mark.soak, pytest.mark.longest]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, REPOSITORY, where=folder)
    (built,) = folder.glob("organelle-*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outside of the repository, with all extras."""
    return install(tmp_path_factory.mktemp("elsewhere"), f"{wheel}[all]", constraints=CONSTRAINTS)


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outside of the repository, without any extra."""
    return install(tmp_path_factory.mktemp("core"), str(wheel), constraints=CONSTRAINTS)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"organelle", f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    source = REPOSITORY / "src"
    tracked = run("git", "ls-files", "organelle", where=source).split()
    assert set(tracked) <= set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def quick_tour(elsewhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `csc demo --quick --work demo` was typed."""
    folder = tmp_path_factory.mktemp("typed")
    run(elsewhere / "csc", "demo", "--quick", "--work", "demo", where=folder)
    return folder


def test_the_wheel_walks_the_whole_path(elsewhere: Path, quick_tour: Path, tmp_path: Path) -> None:
    place = run(elsewhere / "python", "-c", "import organelle; print(organelle.__file__)", where=tmp_path)
    assert Path(place.strip()).is_relative_to(elsewhere.parent), "the repository was imported, not the wheel"
    summary = json.loads((quick_tour / "demo" / "summary.json").read_text())
    assert summary["rows"]
    assert list(quick_tour.iterdir()) == [quick_tour / "demo"], (
        "something was written outside of the work folder"
    )


def type_in(line: str, where: Path, programs: Path) -> None:
    """Type what follows the `$` in the shell that page 1 has prepared; it must end well."""
    prepared = {"CSC_CATALOG": "demo/challenge", "CSC_DATA": "demo/challenge/bucket", "CSC_WORK": "first"}
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=where,
        env=os.environ | prepared | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"$ {line}\n{done.stdout}")
    assert done.returncode == 0, line


def test_the_tutorial_can_be_followed(elsewhere: Path, quick_tour: Path) -> None:
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text()):
            if language == "toml":
                name = FILE_NAME.match(block)
                assert name, f"{page.name}: a TOML block begins with the name of its file"
                (quick_tour / name[1]).write_text(block)
            else:
                for line in block.replace("\\\n", " ").splitlines():
                    if COMMAND.match(line):
                        type_in(line[2:], quick_tour, elsewhere)
    assert (quick_tour / "first" / "submission.zip").is_file()


def test_every_page_of_the_tutorial_has_something_to_type() -> None:
    assert len(PAGES) == 7
    for page in PAGES:
        lines = "\n".join(block for _, block in BLOCK.findall(page.read_text())).splitlines()
        assert any(COMMAND.match(line) for line in lines), page.name


def test_without_extras_the_core_works_and_the_rest_says_what_to_install(
    core: Path, shared: Path, tmp_path: Path
) -> None:
    (tmp_path / "first.toml").write_text(
        'name = "first"\n[model]\nnetwork = "unet_3d"\nclasses = ["cell"]\n'
        "voxel_size_nm = [10, 10, 10]\npatch_shape = [32, 32, 32]\n"
    )
    csc, sample = core / "csc", shared / "sample"
    challenge = ("--catalog", sample)
    run(csc, "get-counts", "--classes", "mito", where=tmp_path)
    fetched = ("--source", sample / "bucket", "--dest", "data")
    run(csc, "fetch-data", *challenge, *fetched, "--crops", "902", where=tmp_path)
    submission = shared / "golden" / "submission" / "submission.zip"
    missing = {
        "score": ("evaluate", "-s", submission, "-t", sample / "truth.zarr", *challenge),
        "train": ("train", "first.toml", *challenge),
    }
    for extra, command in missing.items():
        said = run(csc, *command, where=tmp_path, status=1)
        assert f"pip install 'organelle[{extra}]'" in said
        assert "Traceback" not in said
