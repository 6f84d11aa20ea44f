"""Prediction by several processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_networks import TINY

import organelle.predict.run as run
from organelle.catalog import Catalog, Dataset, Region, em_path
from organelle.classes import Kind
from organelle.errors import WorkError
from organelle.geometry import Grid
from organelle.predict import PredictSettings, predict
from organelle.volumes import write_multiscale

SHAPE = (24, 72, 136)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """EM of two chunks by three, of which workers take blocks."""
    grey = np.random.default_rng(3).integers(1, 255, SHAPE, dtype=np.uint8)
    path = em_path(tmp_path / "wide", "liver")
    write_multiscale(path, grey, Grid((8, 8, 8), (4, 4, 4), SHAPE), kind=Kind.IMAGE, chunks=(32, 32, 32))
    return tmp_path / "wide"


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.soak
def test_local_processes_write_the_same_bytes(wide, checkpoint, tmp_path):
    path, catalog = checkpoint(), Catalog("bare", {"liver": Dataset("liver")}, {}, {})
    how = {"data": wide, "regions": [Region("liver")], "classes": ["er"]}
    small = PredictSettings(memory_gb=1e-6)
    one = predict(path, catalog, None, work=tmp_path / "one", settings=small, **how)
    assert one.plan.blocks == 6
    two = predict(path, catalog, None, work=tmp_path / "two", settings=small, workers=2, **how)
    assert len(two.written) == 1
    assert files(tmp_path / "two") == files(tmp_path / "one")


@pytest.mark.soak
def test_with_a_limit_a_process_of_its_own_writes_the_same_bytes(wide, checkpoint, tmp_path):
    path, catalog = checkpoint(), Catalog("bare", {"liver": Dataset("liver")}, {}, {})
    how = {"data": wide, "regions": [Region("liver")], "classes": ["er"]}
    predict(path, catalog, None, work=tmp_path / "one", **how)
    predict(path, catalog, None, work=tmp_path / "two", block_seconds=120, **how)
    assert files(tmp_path / "two") == files(tmp_path / "one")
    with pytest.raises(WorkError, match=r"(?s)1 of 1 blocks failed.*took longer than 0.01 s"):
        predict(path, catalog, None, work=tmp_path / "three", block_seconds=0.01, **how)


def test_a_job_that_another_process_finishes_first_is_kept(wide, checkpoint, tmp_path, monkeypatch):
    path, catalog = checkpoint(**TINY), Catalog("bare", {"liver": Dataset("liver")}, {}, {})
    how = {"data": wide, "regions": [Region("liver")], "classes": ["er"], "work": tmp_path / "work"}
    work_through = run.work_through

    def overtaken(*arguments, **options):
        monkeypatch.setattr(run, "work_through", work_through)
        quick = predict(path, catalog, None, **how)  # another job of the array
        assert len(quick.written) == 1
        return work_through(*arguments, **options)

    monkeypatch.setattr(run, "work_through", overtaken)
    late = predict(path, catalog, None, **how)
    assert (len(late.written), len(late.kept)) == (0, 1)
    assert not any((tmp_path / "work" / "jobs").iterdir())
