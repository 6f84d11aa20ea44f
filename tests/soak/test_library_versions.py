"""The official answers hold from the lowest to the newest allowed versions of what can move a number."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fresh_environment import REPOSITORY, install, run
from packaging.requirements import Requirement
from packaging.version import Version

from organelle.evaluate.scoring import LIBRARIES

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

INSTALLED = """
import json, sys
from importlib.metadata import distributions
print(json.dumps({found.name.lower(): found.version for found in distributions()}))
"""

pytestmark = [pytest.mark.soak, pytest.mark.longest]


def movers(edge: str) -> Iterator[Requirement]:
    """The bounds of the libraries that can move a number.

    How new numpy may be is decided by numba, which follows it with a delay, so only its lowest is asked for.
    """
    lines = PROJECT["optional-dependencies"]["score"] + (PROJECT["dependencies"] if edge == "lowest" else [])
    yield from (r for r in map(Requirement, lines) if r.name in LIBRARIES)


def published(name: str) -> Iterator[Version]:
    """The releases of a library that have a wheel for this Python and machine."""
    said = run(
        *(sys.executable, "-m", "pip", "index", "versions", "--only-binary", ":all:", name),
        where=REPOSITORY,
    )
    found = re.search(r"^Available versions: (.+)$", said, re.MULTILINE)
    assert found, f"pip knows no wheel of {name}:\n{said}"
    yield from map(Version, found[1].split(", "))


def versions_at(edge: str) -> dict[str, str]:
    """The version of each library at one end of its bounds."""
    choose = {"lowest": min, "newest": max}[edge]
    return {r.name: str(choose(r.specifier.filter(published(r.name)))) for r in movers(edge)}


def test_the_bounds_name_every_library_that_can_move_a_number() -> None:
    assert {r.name for r in movers("lowest")} == set(LIBRARIES)


@pytest.mark.parametrize("edge", ["lowest", "newest"])
def test_the_official_answers_hold_at_the_edge(shared: Path, tmp_path: Path, edge: str) -> None:
    if not (shared / "golden").is_dir():
        pytest.skip(f"the official answers are not here: no folder {shared / 'golden'}")
    wanted = versions_at(edge)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items()))
    programs = install(tmp_path, f"{REPOSITORY}[score]", "pytest", "hypothesis", constraints=constraints)

    installed = json.loads(run(programs / "python", "-c", INSTALLED, where=tmp_path))
    print({name: installed[name] for name in LIBRARIES})  # `pytest -rP` shows what was tried
    assert {name: installed[name] for name in wanted} == wanted
    assert "torch" not in installed

    run(
        *(programs / "python", "-m", "pytest", "-c", REPOSITORY / "pyproject.toml", "-p", "no:cacheprovider"),
        *(REPOSITORY / "tests" / "golden", "--junitxml", "tests.xml"),
        where=tmp_path,
    )
    assert list(not_run(tmp_path / "tests.xml")) == []


def not_run(report: Path) -> Iterator[str]:
    """All tests that were skipped, and that there was none at all."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    if not cases:
        yield "all"
    yield from (case.get("name", "") for case in cases if case.find("skipped") is not None)
