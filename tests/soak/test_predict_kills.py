"""Prediction whose workers are killed while they read, compute and write: the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blocks"))

from predict_traced import CATALOG, WANTED, traced
from test_block_workers import PATIENCE, PHASES, Killer, cluster, environment

from organelle.catalog import Region, em_path
from organelle.classes import Kind
from organelle.files import whole
from organelle.geometry import Grid
from organelle.models import Checkpoint, ModelSpec, build_network, save_checkpoint
from organelle.predict import PredictSettings, predict
from organelle.volumes import write_multiscale

pytestmark = [pytest.mark.soak, pytest.mark.longest]

HERE = Path(__file__).resolve().parent
SHAPE = (100, 200, 150)
KILLS = int(os.environ.get("CSC_KILLS", "6"))
"""In each test: a third of them while a block is read, computed, written."""


class Patient(Killer):
    """Kills so many times; whoever is in the phase that is wanted waits for it, however fast the machine."""

    def run(self, go_on: Callable[[], bool]) -> None:
        while go_on() and self.landed.total() < KILLS:
            phase = PHASES[self.landed.total() % 3]
            self.want(phase)
            if (pid := self.find(phase, go_on)) is None:
                break
            os.kill(pid, signal.SIGKILL)
            self.wait_for_end(pid)
            self.landed[self.last(pid)] += 1
        self.want("")
        while go_on():
            time.sleep(0.2)

    def want(self, phase: str) -> None:
        with whole(self.work.folder / WANTED, overwrite=True) as partial:
            partial.write_text(phase)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EM of two dozen blocks, a checkpoint, and what an undisturbed prediction makes of them."""
    folder = tmp_path_factory.mktemp("prepared")
    grey = np.random.default_rng(3).integers(1, 255, SHAPE, dtype=np.uint8)
    grid = Grid((8, 8, 8), (4, 4, 4), SHAPE)
    write_multiscale(em_path(folder / "data", "liver"), grey, grid, kind=Kind.IMAGE, chunks=(32, 32, 32))
    spec = ModelSpec.model_validate(
        {
            "network": "unet_3d",
            "options": {"features": [4, 4, 4, 4, 4, 4], "groups": 2},
            "classes": ["mito", "er"],
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [32, 32, 32],
            "normalisation": {"mean": 128, "std": 60},
        }
    )
    torch.manual_seed(0)
    save_checkpoint(folder / "network.ckpt", Checkpoint(spec, 0, build_network(spec).state_dict()))
    predict(
        folder / "network.ckpt",
        CATALOG,
        None,
        data=folder / "data",
        work=folder / "undisturbed",
        regions=[Region("liver")],
        classes=["er", "mito"],
        settings=PredictSettings(memory_gb=1e-6),
    )
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    for name in ("data", "network.ckpt"):
        (tmp_path / name).symlink_to(prepared / name)
    return tmp_path


def start(folder: Path, workers: int, *scheduler: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "predict_traced.py"), str(folder), str(workers), *scheduler]
    variables = environment()
    variables["PYTHONPATH"] += f":{HERE}"
    return subprocess.Popen(command, env=variables, start_new_session=True)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def require_the_same(folder: Path, prepared: Path, killer: Killer) -> None:
    print(f"\n{sum(killer.landed.values())} kills landed in: {dict(sorted(killer.landed.items()))}")
    assert files(folder / "work") == files(prepared / "undisturbed")
    assert sum(killer.landed.values()) >= KILLS
    assert {*PHASES} <= killer.landed.keys()


def test_local_workers(folder: Path, prepared: Path) -> None:
    killer = Patient(traced(folder))
    with start(folder, 4) as parent:
        killer.run(lambda: parent.poll() is None)
        assert parent.wait(PATIENCE) == 0
    require_the_same(folder, prepared, killer)


def test_processes_that_share_the_job(folder: Path, prepared: Path) -> None:
    killer, crew = Patient(traced(folder)), [start(folder, 1) for _ in range(3)]

    def go_on() -> bool:
        for at, one in enumerate(crew):
            if one.poll() not in (None, 0):
                crew[at] = start(folder, 1)
        return any(one.poll() is None for one in crew)

    killer.run(go_on)
    require_the_same(folder, prepared, killer)


def test_a_dask_cluster(folder: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    killer = Patient(traced(folder))
    with cluster(folder) as address, start(folder, 1, address) as client:
        killer.run(lambda: client.poll() is None)
        assert client.wait(PATIENCE) == 0
    require_the_same(folder, prepared, killer)
