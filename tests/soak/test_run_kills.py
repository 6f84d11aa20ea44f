"""A run killed in each of its stages, by the same command taken up again, ends with the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from organelle.files import sha256

pytestmark = [pytest.mark.soak, pytest.mark.longest]

EXPERIMENT = """
name = "small"
[data]
train = [11, 12]
validate = [14]
[model]
network = "unet_3d"
classes = ["mito", "pm", "cyto"]
voxel_size_nm = [8, 8, 8]
patch_shape = [16, 16, 16]
options = {{ features = [4, 4, 4, 4, 4, 4], groups = 2 }}
[sampling]
batch_size = 2
workers = 0
[train]
steps = 12
checkpoint_every = 3
validate_every = 4
precision = "float32"
[process]
threshold = {threshold}
"""

Stop = Callable[[Path], bool]
MADE = ("predictions", "processed", "submission.zip", "submission.lineage.json", "held-out")


def start(
    challenge: Path, source: Path, folder: Path, *more: str, threshold: float = 0.5
) -> subprocess.Popen[bytes]:
    """The command in a folder of its own, which receives data and work; it fetches from `source`."""
    folder.mkdir(exist_ok=True)
    (folder / "small.toml").write_text(EXPERIMENT.format(threshold=threshold))
    command = [Path(sys.executable).with_name("csc"), "run", "small.toml", "--catalog", challenge, *more]
    command += ["--source", source, "--data", "data", "--work", "work"]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )


def found(pattern: str) -> Stop:
    """When something of this name is there."""
    return lambda folder: any(folder.glob(pattern))


STOPS: dict[str, Stop] = {
    "fetching": found("data/**/.z*"),
    "training": found("work/runs/small/steps.csv"),
    "writing a checkpoint": found("work/runs/small/.*.ckpt.*.part"),
    "predicting": found("work/jobs/predict-*/predictions/*.zarr/*/*"),
    "processing": found("work/processed/*.zarr/*/.*.part"),
    "packing": found("work/.submission.zip*"),
    "making truth": found("work/held-out/small/.challenge.*.part"),
    "scoring": found("work/evaluate/*/crop14"),
}


def kill_at(process: subprocess.Popen[bytes], folder: Path, stop: Stop) -> bool:
    """Wait for the point and kill; whether it came before the end."""
    deadline = time.monotonic() + 900
    while process.poll() is None and time.monotonic() < deadline:
        if stop(folder):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return process.returncode == -signal.SIGKILL
        time.sleep(0.0005)
    process.wait()
    return False


def hashes(place: Path) -> dict[Path, str]:
    """Of all files, but for what killed writers left under hidden names."""
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(place): sha256(path) for path in files if ".part" not in str(path)}


def assert_same(one: Path, other: Path) -> None:
    for name in MADE:
        assert hashes(one / "work" / name) == hashes(other / "work" / name), name


def test_a_kill_in_every_stage_changes_no_byte(tiny_challenge: Path, tmp_path: Path) -> None:
    bucket, whole, killed = tiny_challenge / "bucket", tmp_path / "whole", tmp_path / "killed"
    assert start(tiny_challenge, bucket, whole).wait(timeout=900) == 0
    landed = [
        name for name, stop in STOPS.items() if kill_at(start(tiny_challenge, bucket, killed), killed, stop)
    ]
    print(f"killed while {', '.join(landed)}")
    assert len(landed) >= 6, "most runs were over before they could be killed"
    assert start(tiny_challenge, bucket, killed).wait(timeout=900) == 0
    assert_same(whole, killed)


def test_kills_while_outputs_are_replaced_change_no_byte(tiny_challenge: Path, tmp_path: Path) -> None:
    bucket, whole, killed = tiny_challenge / "bucket", tmp_path / "whole", tmp_path / "killed"
    assert start(tiny_challenge, bucket, whole).wait(timeout=900) == 0
    shutil.copytree(whole, killed)
    assert start(tiny_challenge, bucket, whole, "--overwrite", threshold=0.4).wait(timeout=900) == 0
    landed = []
    for name in ("processing", "packing", "scoring"):
        again = start(tiny_challenge, bucket, killed, "--overwrite", threshold=0.4)
        landed += [name] if kill_at(again, killed, STOPS[name]) else []
    print(f"killed while {', '.join(landed)}")
    assert len(landed) >= 2
    assert start(tiny_challenge, bucket, killed, "--overwrite", threshold=0.4).wait(timeout=900) == 0
    assert_same(whole, killed)
