"""A dataset drawn in a folder, and checkpoints of small networks with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_networks import EM_GRID, spec_of

from organelle.catalog import Catalog, Crop, Dataset, em_path
from organelle.classes import Kind
from organelle.geometry import Box, Grid
from organelle.models import Checkpoint, build_network, save_checkpoint
from organelle.volumes import write_multiscale


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def grey() -> np.ndarray:
    return np.random.default_rng(5).integers(1, 255, EM_GRID.shape, dtype=np.uint8)


@pytest.fixture
def data(tmp_path: Path, grey: np.ndarray) -> Path:
    path = em_path(tmp_path / "data", "liver")
    write_multiscale(path, grey, EM_GRID, kind=Kind.IMAGE, levels=2, chunks=(16, 16, 16))
    return tmp_path / "data"


@pytest.fixture
def catalog() -> Catalog:
    """Crop 1 on the EM's own lattice, crop 2 twice as fine, crop 3 in another dataset."""
    crops = [
        Crop(1, "liver", EM_GRID.subgrid(Box((4, 5, 6), (20, 21, 22))), ("mito",), is_test=True),
        Crop(2, "liver", Grid((4, 4, 4), (182, 282, 382), (19, 20, 21)), ("mito",), is_test=True),
        Crop(3, "kidney", EM_GRID, ("mito",), is_test=True),
    ]
    datasets = {name: Dataset(name) for name in ("liver", "kidney")}
    return Catalog("drawn", datasets, {}, {crop.id: crop for crop in crops})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a checkpoint: `checkpoint(seed=1, classes=[...], ...)`."""

    def write(seed: int = 0, **changes: object) -> Path:
        spec = spec_of(**changes)
        torch.manual_seed(seed)
        network = build_network(spec)
        path = tmp_path / f"seed{seed}-{abs(hash(str(changes)))}.pt"
        return save_checkpoint(path, Checkpoint(spec, 0, network.state_dict()), overwrite=True)

    return write
