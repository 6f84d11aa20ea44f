"""`csc run` as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from organelle.cli import main

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


@pytest.fixture
def typed(
    tiny_challenge: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """What `csc run small.toml` answers, on a screen of 80 letters: exit status, output, errors."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    places = ["--catalog", str(tiny_challenge), "--data", str(tiny_challenge / "bucket"), "--work", "work"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*more: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", "run", "small.toml", *places, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def test_a_dry_run_prints_the_stages_and_makes_nothing(
    typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    status, out, err = typed("--dry-run")
    assert status == 0, err
    for words in ("fetch            done", "train small      to do", "evaluate small   to do"):
        assert words in out
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_mistyped_stage_is_an_error_in_words(typed: Callable[..., tuple[int, str, str]]) -> None:
    status, _, err = typed("--from", "proces")
    assert status == 1
    assert err.startswith("error: 'proces' is no stage; nearest: process")
