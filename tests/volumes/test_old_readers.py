from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from old_zarr import old_zarr_python, read_with_old_zarr
from organelle.classes import Kind
from organelle.geometry import Grid
from organelle.volumes import write_labels, write_multiscale, write_volume

__all__ = ["old_zarr_python"]
GRID = Grid((5.24, 4.0, 4.0), (0.0, 8.0, -4.0), (70, 65, 40))


@pytest.mark.soak
def test_zarr_2_18_reads_what_we_write(tmp_path: Path, old_zarr_python: Path) -> None:
    rng = np.random.default_rng(1)
    store = tmp_path / "d.zarr"
    arrays = {
        "em": rng.integers(0, 255, GRID.shape, dtype=np.uint8),
        "crop1/er": rng.integers(0, 2, GRID.shape, dtype=np.uint8),
        "crop1/mito": rng.integers(0, 9, GRID.shape).astype(np.uint32) * 70_000,
        "crop1/pm": np.zeros(GRID.shape, dtype=np.uint8),
        "crop1/score": rng.random(GRID.shape).astype(np.float32),
    }
    write_multiscale(store / "em", arrays["em"], GRID, kind=Kind.IMAGE, levels=3)
    write_labels(store / "crop1" / "er", arrays["crop1/er"], GRID, "er", levels=2)
    for name in ("crop1/mito", "crop1/pm", "crop1/score"):
        write_volume(store / name, arrays[name], GRID)
    inside = {"em": "em/s0", "crop1/er": "crop1/er/s0"}
    names = [inside.get(name, name) for name in arrays]

    seen = read_with_old_zarr(old_zarr_python, store, "", "em", "em/s2", *names)

    assert seen[""]["members"] == ["crop1", "em"]
    assert seen["em"]["members"] == ["s0", "s1", "s2"]
    assert seen["em"]["attributes"]["multiscales"][0]["version"] == "0.4"
    assert seen["em/s2"]["shape"] == [18, 17, 10]
    for name, array in arrays.items():
        stored = seen[inside.get(name, name)]
        assert stored["shape"] == list(GRID.shape)
        assert stored["dtype"] == str(array.dtype)
        assert stored["sha256"] == hashlib.sha256(array.tobytes()).hexdigest()
    assert seen["crop1/mito"]["attributes"]["voxel_size"] == [5.24, 4.0, 4.0]
    assert seen["crop1/mito"]["attributes"]["translation"] == [0.0, 8.0, -4.0]
    assert seen["crop1/er/s0"]["attributes"]["cellmap"]["annotation"]["class_name"] == "er"
