"""A region processed by workers that are killed while they read, compute and write: the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blocks"))

from process_traced import CATALOG, REGION, settings, traced
from test_block_workers import PATIENCE, PHASES, cluster, environment
from test_predict_kills import KILLS, Patient, files

from organelle.catalog import prediction_path
from organelle.classes import Kind
from organelle.geometry import Grid
from organelle.process import process
from organelle.volumes import write_multiscale

pytestmark = pytest.mark.soak

HERE = Path(__file__).resolve().parent
SHAPE = (48, 100, 140)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prediction of blobs that touch, and what one worker makes of it."""
    folder = tmp_path_factory.mktemp("prepared")
    noise = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=SHAPE), 4)
    values = np.clip(120 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
    grid = Grid((8, 8, 8), (12, 4, 20), SHAPE)
    record = {"checkpoint_sha256": "a" * 64, "probability_scale": 255}
    place = prediction_path(folder, REGION, "mito")
    write_multiscale(place, values, grid, kind=Kind.IMAGE, attributes={"organelle": record})
    how = {"work": folder, "settings": settings(alone=True), "regions": [REGION], "classes": ["mito"]}
    (found,) = process(CATALOG, None, output=folder / "undisturbed", **how).results
    assert found.objects > 20
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    (tmp_path / "predictions").symlink_to(prepared / "predictions")
    return tmp_path


def start(folder: Path, workers: int, *scheduler: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "process_traced.py"), str(folder), str(workers), *scheduler]
    variables = environment()
    variables["PYTHONPATH"] += f":{HERE}"
    return subprocess.Popen(command, env=variables, start_new_session=True)


def require_the_same(folder: Path, prepared: Path, killer: Patient) -> None:
    print(f"\n{killer.landed.total()} kills landed in: {dict(sorted(killer.landed.items()))}")
    assert files(folder / "work") == files(prepared / "undisturbed")
    assert killer.landed.total() >= KILLS
    assert {*PHASES} <= killer.landed.keys()


def test_local_workers(folder: Path, prepared: Path) -> None:
    killer = Patient(traced(folder))
    with start(folder, 3) as parent:
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


def test_a_dask_cluster(folder: Path, prepared: Path) -> None:
    for module in ("predict_traced.py", "process_traced.py"):  # workers import what lies beside their cluster
        (folder / module).symlink_to(HERE / module)
    killer = Patient(traced(folder))
    with cluster(folder) as address, start(folder, 1, address) as client:
        killer.run(lambda: client.poll() is None)
        assert client.wait(PATIENCE) == 0
    require_the_same(folder, prepared, killer)
