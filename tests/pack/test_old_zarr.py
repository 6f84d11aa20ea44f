"""The evaluator's old zarr reads what was packed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from packed_challenge import CHALLENGE, write_most

from old_zarr import old_zarr_python, read_with_old_zarr
from organelle.pack import PackSettings, pack

__all__ = ["old_zarr_python"]


@pytest.mark.soak
def test_zarr_2_18_reads_a_packed_zip(tmp_path: Path, old_zarr_python: Path) -> None:
    expected = write_most(tmp_path)
    pack(CHALLENGE, tmp_path, tmp_path / "out.zip", settings=PackSettings(chunk_voxels=32))

    found = read_with_old_zarr(old_zarr_python, tmp_path / "out.zip", "", *expected)

    assert found[""]["members"] == ["crop7", "crop9"]
    for name, array in expected.items():
        grid = CHALLENGE.crop(int(name[4])).grid
        data = array.astype(found[name]["dtype"])
        assert found[name]["shape"] == list(grid.shape)
        assert found[name]["attributes"]["translation"] == list(grid.origin_nm)
        assert found[name]["sha256"] == hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()
