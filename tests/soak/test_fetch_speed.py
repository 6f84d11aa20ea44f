"""A small version of the benchmark of fetch, against nginx: what arrives is equal, and memory stays flat."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from organelle.fetch import open_source, plan_fetch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from fetch import different, draw, measure
from measuring.nginx import find_nginx, serve

pytestmark = [
    pytest.mark.soak,
    pytest.mark.alone,
    pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed"),
]


def test_thousands_of_objects_from_nginx_arrive_equal_in_flat_memory(tmp_path: Path) -> None:
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    catalog = draw(bucket, 0.2)
    with serve(bucket) as url:
        plan = plan_fetch(open_source(url), catalog, "*")
        assert len(plan.objects) > 4000
        run = measure("fetch", plan, data)
    assert different(plan, bucket, data) == 0
    assert run.growth < 1.5
    assert max(run.memory) < 300e6
