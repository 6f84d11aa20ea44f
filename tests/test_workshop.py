"""The files around the package agree with each other, and speak of the project alone."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import organelle

REPOSITORY = Path(__file__).resolve().parents[1]

HOSTS = {
    "arxiv.org",
    "bio3d.colorado.edu",  # SerialEM and IMOD: the MRC header
    "bucket",  # what the object store is called within deploy/compose.yaml
    "cellmapchallenge.janelia.org",
    "distributed.dask.org",
    "doi.org",
    "github.com",  # the N5 specification
    "jsonfeed.org",  # the version of JSON Feed
    "janelia-cosem-datasets.s3.amazonaws.com",  # only in links that the reader opens
    "neuroglancer-demo.appspot.com",
    "ngff.openmicroscopy.org",
    "semver.org",
    "tus.io",  # resumable uploads
    "www.blosc.org",
    "www.ccpem.ac.uk",  # the MRC2014 specification
    "www.w3.org",  # namespaces of SVG
    "zarr-specs.readthedocs.io",
}
"""Where links in the repository may lead. Nothing is ever fetched from a host that is written down here."""


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every text file in the repository."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        path = REPOSITORY / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode()


def project() -> dict[str, object]:
    """The table `[project]` of pyproject.toml."""
    table: dict[str, object] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return table


def required(name: str) -> str:
    """The name of a requirement, as package indexes write it."""
    return re.split(r"[<>=!~;\[ ]", name)[0].lower().replace("_", "-")


def test_the_version_is_the_same_everywhere() -> None:
    assert f"\n## {organelle.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()
    assert f"\nversion: {organelle.__version__}\n" in (REPOSITORY / "CITATION.cff").read_text()


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), (
        "a pin is NAME==VERSION and nothing else"
    )
    table = project()
    extras = table["optional-dependencies"]
    assert isinstance(extras, dict)
    wanted = {required(r) for rs in (table["dependencies"], *extras.values()) for r in rs}  # type: ignore[attr-defined]
    assert wanted - {"organelle"} <= {required(pin) for pin in pins}


def test_links_lead_to_known_places() -> None:
    for name, text in texts():
        hosts = set(re.findall(r"https?://([\w.-]+)", text))
        named = {h.split(":")[0].rstrip(".") for h in hosts} - {""}  # "https://..." names none
        outside = {h for h in named if h not in {"localhost", "127.0.0.1"} and not h.endswith(".example")}
        assert outside <= HOSTS, f"{name}: {outside - HOSTS}"


def test_no_file_knows_the_machine_that_it_was_written_on() -> None:
    roots = "|".join(("work", "tmp", "root", "home"))
    place = re.compile(rf"(?:^|[\s\"'`(=:])/(?:{roots})/\w", re.MULTILINE)
    found = [f"{name}: {match.group()!r}" for name, text in texts() for match in place.finditer(text)]
    assert found == []


def test_no_file_puts_things_off() -> None:
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")))
    assert [name for name, text in texts() if marks.search(text)] == []


def test_make_names_every_target_in_its_help() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    shown = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make ([a-z]+)", shown, re.MULTILINE)) == targets


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (REPOSITORY / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names)), "pytest collects only the first of two files of one name"
