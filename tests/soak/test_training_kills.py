"""Training killed at ten points ends with the tensors of a run that was left alone; its memory stays flat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from organelle.models import load_checkpoint

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
options = {{ features = [4, 4, 4, 4, 4, 4], groups = 2, dropout = 0.1 }}
[sampling]
batch_size = 2
workers = 2
elastic = 0.3
sections = 0.3
[train]
steps = {steps}
checkpoint_every = {checkpoint_every}
validate_every = {validate_every}
keep_best = 2
precision = "float32"
"""

Stop = Callable[[Path, subprocess.Popen[bytes]], bool]


def start(
    challenge: Path, work: Path, steps: int, checkpoint_every: int, validate_every: int
) -> subprocess.Popen[bytes]:
    config = work / "small.toml"
    work.mkdir(exist_ok=True)
    config.write_text(
        EXPERIMENT.format(steps=steps, checkpoint_every=checkpoint_every, validate_every=validate_every)
    )
    csc = Path(sys.executable).with_name("csc")
    command = [csc, "train", config, "--catalog", challenge, "--data", challenge / "bucket", "--work", work]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)


def step_of(run: Path) -> int:
    """The last step that was noted."""
    try:
        return int((run / "steps.csv").read_text().splitlines()[-1].split(",")[0])
    except (OSError, ValueError, IndexError):
        return 0


def after(steps: int) -> Stop:
    """When so many more steps are noted than at first."""
    begun: list[int] = []

    def stop(run: Path, process: subprocess.Popen[bytes]) -> bool:
        begun.append(step_of(run))
        return begun[-1] >= begun[0] + steps

    return stop


def writing(run: Path, process: subprocess.Popen[bytes]) -> bool:
    """While a checkpoint is being written."""
    return any(run.glob(".*.ckpt.*.part")) or any(run.glob("best/.*.part"))


def validating(run: Path, process: subprocess.Popen[bytes]) -> bool:
    """While held-out crops are judged: the step is noted, its validation is not."""
    step = step_of(run)
    rows = run / "validation.csv"
    judged = {line.split(",")[0] for line in rows.read_text().splitlines()} if rows.is_file() else set()
    return step > 0 and step % 4 == 0 and str(step) not in judged


def loading(run: Path, process: subprocess.Popen[bytes]) -> bool:
    """Before the first step, with the run's folder there."""
    return (run / "run.json").is_file()


def state(path: Path) -> dict[str, object]:
    checkpoint = load_checkpoint(path)
    tensors = {f"{p}.{n}": v for p in ("model", "ema") for n, v in (getattr(checkpoint, p) or {}).items()}
    moments = {f"{i}.{n}": v for i, s in checkpoint.optimiser["state"].items() for n, v in s.items()}
    return {"step": checkpoint.step, "state": dict(checkpoint.state), **tensors, **moments}


def assert_same(one: Path, other: Path) -> None:
    a, b = state(one), state(other)
    assert a.keys() == b.keys()
    for name, value in a.items():
        same = torch.equal(value, b[name]) if isinstance(value, torch.Tensor) else value == b[name]
        assert same, name


def test_ten_kills_change_no_tensor(tiny_challenge: Path, tmp_path: Path) -> None:
    sizes = {"steps": 40, "checkpoint_every": 3, "validate_every": 4}
    undisturbed = start(tiny_challenge, tmp_path / "whole", **sizes)
    assert undisturbed.wait(timeout=600) == 0
    rng, run = np.random.default_rng(11), tmp_path / "killed" / "runs" / "small"
    stops: list[Stop] = [loading, writing, validating, writing, validating, writing]
    stops += [after(int(n)) for n in rng.integers(1, 6, 4)]
    killed = 0
    for chosen in rng.permutation(len(stops)):
        process = start(tiny_challenge, tmp_path / "killed", **sizes)
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline and not stops[chosen](run, process):
            time.sleep(0.0005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 8, "most runs were over before they could be killed"
    assert start(tiny_challenge, tmp_path / "killed", **sizes).wait(timeout=600) == 0
    whole = tmp_path / "whole" / "runs" / "small"
    for name in ("last.ckpt", "best.ckpt"):
        assert_same(whole / name, run / name)
    kept = sorted(p.name for p in (whole / "best").iterdir())
    assert kept == sorted(p.name for p in (run / "best").iterdir() if not p.name.startswith("."))
    for name in kept:
        assert_same(whole / "best" / name, run / "best" / name)
    for name in ("steps.csv", "validation.csv"):
        assert (whole / name).read_text() == (run / name).read_text()


def test_memory_stays_flat_over_two_thousand_steps(tiny_challenge: Path, tmp_path: Path) -> None:
    process = start(tiny_challenge, tmp_path / "long", steps=2000, checkpoint_every=200, validate_every=500)
    watched, run = psutil.Process(process.pid), tmp_path / "long" / "runs" / "small"
    seen: list[tuple[int, int]] = []
    while process.poll() is None:
        try:
            seen.append((step_of(run), watched.memory_info().rss))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.2)
    assert process.wait() == 0
    early = [rss for step, rss in seen if 500 < step <= 1000]
    late = [rss for step, rss in seen if step > 1500]
    print(f"resident memory: {np.median(early) / 2**20:.0f} MiB, then {np.median(late) / 2**20:.0f} MiB")
    assert np.median(late) < 1.03 * np.median(early) + 8 * 2**20
