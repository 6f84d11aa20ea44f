"""A fetch that is killed ten times, at points drawn over its run, ends the same.

Its server answers one request in five with 503, a reset, half a body, or one that comes too slowly to wait
for.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from organelle.catalog import Catalog, Crop, Dataset, em_path, label_path
from organelle.classes import Kind
from organelle.fetch import Retry, open_source, plan_fetch, transfer
from organelle.geometry import Box, Grid
from organelle.volumes import write_labels, write_multiscale

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fetch"))
from bucket_servers import FAULTS, serve
from drawn_bucket import tree

pytestmark = pytest.mark.soak

CODE = """
import pickle, sys
from organelle.fetch import transfer
transfer(pickle.loads(open(sys.argv[1], "rb").read()), sys.argv[2])
"""


def test_ten_kills_and_a_failing_server_change_nothing(tmp_path: Path) -> None:
    em = Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), (96, 96, 96))
    crop = Crop(1, "d1", em.subgrid(Box((0, 0, 0), (80, 80, 80))), ("mito",))
    catalog = Catalog("drawn", {"d1": Dataset("d1")}, {1: crop}, {})
    rng = np.random.default_rng(11)
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    voxels = rng.integers(1, 255, em.shape, dtype=np.uint8)
    write_multiscale(em_path(bucket, "d1"), voxels, em, kind=Kind.IMAGE, levels=2, chunks=(8, 8, 8))
    labels = rng.integers(0, 2, crop.grid.shape, dtype=np.uint8)
    write_labels(label_path(bucket, crop, "mito"), labels, crop.grid, "mito", levels=2)
    with serve(bucket, odds=0.2, pause_s=0.01) as server:
        server.slow_s = 1.0
        source = open_source(server.url, workers=4, timeout_s=0.4, retry=Retry(12, 0.01, 0.05, rng))
        plan = plan_fetch(source, catalog, [1])
        (tmp_path / "plan").write_bytes(pickle.dumps(plan))
        counts = []
        for kill in range(10):
            command = [sys.executable, "-c", CODE, str(tmp_path / "plan"), str(data)]
            until = server.requests + int(rng.integers(1, len(plan.objects) // 9))
            with subprocess.Popen(command) as process:
                while server.requests < until and process.poll() is None:
                    time.sleep(0.001)
                process.kill()
            counts.append(len(list(data.rglob("s0/*/*/*"))))
            here = {k: v for k, v in tree(data).items() if "/.fetch-" not in k}
            assert all(v == (bucket / k).read_bytes() for k, v in here.items()), f"after kill {kill}"
        assert counts[0] < counts[-1]
        assert set(server.faults) == set(FAULTS)
        transfer(plan, data)
    assert tree(data) == {o.key: (bucket / o.key).read_bytes() for o in plan.objects}
    assert not list(data.rglob(".fetch-*"))
