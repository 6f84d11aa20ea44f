"""Compiled loops where nothing can be kept for the next time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import organelle

CODE = """
import numpy as np
from organelle.metrics import overlap_table
table = overlap_table(np.ones((2, 2, 2), np.uint8), np.ones((2, 2, 2), np.uint8), 1)
print(int(table.voxels[0]))
"""


@pytest.mark.soak
def test_loops_are_compiled_without_a_home_in_an_installation_that_cannot_be_written(tmp_path: Path) -> None:
    package = tmp_path / "organelle"
    shutil.copytree(Path(organelle.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "metrics" / "__pycache__").write_text("a file stands where compiled code would be kept")
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), os.devnull)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **nowhere}
    command = [sys.executable, "-P", "-c", CODE]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.strip() == "8", run.stderr
