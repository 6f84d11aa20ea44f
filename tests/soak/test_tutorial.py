"""The tutorial does what it says: every `csc` that it tells one to type is typed, in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((DOCS / "tutorial").glob("[2-8]-*.md"))
BLOCK = re.compile(r"^```(console|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\$ ([A-Z_]+=\S* )*csc ")
"""A line to type; others, such as a viewer that waits to be looked at, are left to people."""
FILE_NAME = re.compile(r"# (\S+\.toml)\n")

pytestmark = pytest.mark.soak


def type_in(line: str, where: Path) -> None:
    """Type what follows the `$` in the shell that page 1 has prepared; it must end well."""
    prepared = {"CSC_CATALOG": "demo/challenge", "CSC_DATA": "demo/challenge/bucket", "CSC_WORK": "first"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=where,
        env=os.environ | prepared | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"$ {line}\n{done.stdout}")
    assert done.returncode == 0, line


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    type_in("csc demo --quick --work demo", tmp_path)
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text()):
            if language == "toml":
                name = FILE_NAME.match(block)
                assert name, f"{page.name}: a TOML block begins with the name of its file"
                (tmp_path / name[1]).write_text(block)
            else:
                for line in block.replace("\\\n", " ").splitlines():
                    if COMMAND.match(line):
                        type_in(line[2:], tmp_path)
    assert (tmp_path / "first" / "submission.zip").is_file()


def test_every_page_of_the_tutorial_has_something_to_type() -> None:
    assert len(PAGES) == 7
    for page in PAGES:
        lines = "\n".join(block for _, block in BLOCK.findall(page.read_text())).splitlines()
        assert any(COMMAND.match(line) for line in lines), page.name
