from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_bucket import CROPS, EM, Csc

from organelle.catalog import em_path, label_path
from organelle.classes import Kind
from organelle.cli import main
from organelle.volumes import write_labels, write_multiscale


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    for name in ("CSC_CATALOG", "CSC_DATA", "CSC_WORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return run


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket of one dataset: EM with three levels in chunks of 16, labels of two crops. Only to be read."""
    place = tmp_path_factory.mktemp("drawn") / "bucket"
    rng = np.random.default_rng(4)
    em = rng.integers(1, 255, EM.shape, dtype=np.uint8)
    write_multiscale(em_path(place, "d1"), em, EM, kind=Kind.IMAGE, levels=3, chunks=(16, 16, 16))
    for number in (1, 2):
        for name in CROPS[number].classes:
            labels = rng.integers(0, 2, CROPS[number].grid.shape, dtype=np.uint8)
            path = label_path(place, CROPS[number], name)
            write_labels(path, labels, CROPS[number].grid, name, levels=2)
    return place


@pytest.fixture
def bucket(drawn: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(drawn, tmp_path / "bucket"))
