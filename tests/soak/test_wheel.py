"""The wheel holds all that is needed: installed in an empty place, it walks the whole path."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from fresh_environment import REPOSITORY, install, run

CONSTRAINTS = REPOSITORY / "constraints.txt"

pytestmark = pytest.mark.soak


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


def test_the_wheel_walks_the_whole_path(elsewhere: Path, tmp_path: Path) -> None:
    place = run(elsewhere / "python", "-c", "import organelle; print(organelle.__file__)", where=tmp_path)
    assert Path(place.strip()).is_relative_to(elsewhere.parent), "the repository was imported, not the wheel"
    run(elsewhere / "csc", "demo", "--quick", "--work", "tour", where=tmp_path)
    summary = json.loads((tmp_path / "tour" / "summary.json").read_text())
    assert summary["rows"]
    assert list(tmp_path.iterdir()) == [tmp_path / "tour"], "something was written outside of the work folder"


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
