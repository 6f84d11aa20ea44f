"""`csc catalog inspect` through the door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from organelle.classes import Kind
from organelle.cli import main
from organelle.geometry import Grid
from organelle.volumes import write_multiscale

Csc = Callable[..., tuple[int, str, str]]
GRID = Grid((8, 8, 8), (4, 4, 4), (16, 24, 32))
ARRAY = np.random.default_rng(1).integers(1, 255, GRID.shape, dtype=np.uint8)


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    monkeypatch.delenv("CSC_CATALOG", raising=False)
    return run


def test_inspect_tells_people_and_programs(csc: Csc, tmp_path: Path) -> None:
    write_multiscale(tmp_path / "em", ARRAY, GRID, kind=Kind.IMAGE, levels=2)
    status, out, _ = csc("catalog", "inspect", tmp_path / "em")
    assert status == 0
    assert "s0: 16 x 24 x 32 uint8 of 8 x 8 x 8 nm, first centre at 4, 4, 4 nm" in out
    assert out.endswith("usable\n")
    record = json.loads(csc("catalog", "inspect", tmp_path / "em", "--json", "--sample", "0")[1])
    assert record["usable"] is True
    assert [level["shape"] for level in record["levels"]] == [[16, 24, 32], [8, 12, 16]]


def test_inspect_ends_with_status_1_when_nothing_can_use_it(csc: Csc, tmp_path: Path) -> None:
    status, out, _ = csc("catalog", "inspect", tmp_path / "missing")
    assert status == 1
    assert "[not-zarr]" in out
    assert out.endswith("not usable as it is\n")
