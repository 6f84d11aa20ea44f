"""Several processes that need the same ONNX file at once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from organelle.models import Checkpoint, ModelSpec, build_network, save_checkpoint

OPEN = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from organelle.models import load_checkpoint
from organelle.predict import PredictSettings
from organelle.predict.opening import open_forward

folder = Path(sys.argv[1])
path = folder / "network.ckpt"
(folder / sys.argv[2]).touch()
until = time.monotonic() + 120
while len(list(folder.glob("ready-*"))) < 3 and time.monotonic() < until:
    time.sleep(0.01)
settings = PredictSettings(backend="onnxruntime", threads=1)
forward = open_forward([path], load_checkpoint(path).spec, settings, cache=folder / "onnx")
em = np.random.default_rng(0).standard_normal((1, 16, 16, 16), np.float32)
print(hashlib.sha256(forward(em).tobytes()).hexdigest())
"""


@pytest.mark.soak
def test_processes_that_write_the_same_file_at_once_leave_one_that_all_can_use(tmp_path: Path) -> None:
    spec = ModelSpec.model_validate(
        {
            "network": "unet_3d",
            "options": {"features": [8, 8, 8, 8, 8, 8], "groups": 4},
            "classes": ["mito"],
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [16, 16, 16],
            "normalisation": {"mean": 128, "std": 60},
        }
    )
    torch.manual_seed(0)
    path = save_checkpoint(tmp_path / "network.ckpt", Checkpoint(spec, 0, build_network(spec).state_dict()))
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    started = [
        subprocess.Popen([*command, f"ready-{n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    told = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], told
    assert len({out for out, _ in told}) == 1
    (file,) = (tmp_path / "onnx").iterdir()
    assert file.name == f"{hashlib.sha256(path.read_bytes()).hexdigest()}-16x16x16.onnx"
