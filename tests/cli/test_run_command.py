"""`csc run` as it is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CSC = Path(sys.executable).with_name("csc")

EXPERIMENT = """
name = "small"
[data]
train = [11]
validate = [14]
[model]
network = "unet_3d"
classes = ["mito"]
voxel_size_nm = [8, 8, 8]
patch_shape = [16, 16, 16]
"""


def typed(folder: Path, challenge: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """What `csc run small.toml` answers; on a screen of 80 letters."""
    (folder / "small.toml").write_text(EXPERIMENT)
    places = ["--catalog", str(challenge), "--data", str(challenge / "bucket"), "--work", "work"]
    command = [str(CSC), "run", "small.toml", *places, *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_dry_run_prints_the_stages_and_makes_nothing(tiny_challenge: Path, tmp_path: Path) -> None:
    answer = typed(tmp_path, tiny_challenge, "--dry-run")
    assert answer.returncode == 0, answer.stderr
    for words in ("fetch            done", "train small      to do", "evaluate small   to do"):
        assert words in answer.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_mistyped_stage_is_an_error_in_words(tiny_challenge: Path, tmp_path: Path) -> None:
    answer = typed(tmp_path, tiny_challenge, "--from", "proces")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: 'proces' is no stage; nearest: process")
