"""`csc pack-results` and `csc submit` through the door."""

from __future__ import annotations

import http.server
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from organelle.catalog import load_catalog, processed_path
from organelle.classes import kind_of
from organelle.cli import main
from organelle.volumes import write_multiscale

Csc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    for name in ("CSC_CATALOG", "CSC_DATA", "CSC_WORK", "CSC_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return run


@pytest.fixture(scope="module")
def runs(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs `one`, of two objects of every instance class, and `two`, of one, in the first test crop."""
    folder = tmp_path_factory.mktemp("runs")
    crop = next(iter(load_catalog(tiny_challenge).test_crops.values()))
    for run, ids in (("one", 2), ("two", 1)):
        for name in crop.classes:
            labels = np.zeros(crop.grid.shape, "uint8")
            for number in range(1, ids + 1):
                labels[2:8, 2:8, 8 * number : 8 * number + 5] = number
            write_multiscale(processed_path(folder / run, crop, name), labels, crop.grid, kind=kind_of(name))
    (folder / "experiment.toml").write_text('[pack]\nchunk_voxels = 32\n[assemble]\nmito = "two"\n')
    return folder


def objects(out: str, class_name: str) -> list[str]:
    """The numbers in the line of the scored view that begins with the first row of a class."""
    return next(line.split() for line in out.splitlines() if f"/{class_name} " in line)


def test_packing_shows_runs_and_the_scored_view(
    tiny_challenge: Path, runs: Path, tmp_path: Path, csc: Csc
) -> None:
    out = tmp_path / "made.zip"
    config = runs / "experiment.toml"
    status, told, _ = csc(
        "pack-results", config, "--catalog", tiny_challenge, "--work", runs / "one", "-o", out
    )
    assert status == 0, told
    assert f"{out}: " in told
    assert "What the scorer will see" in told
    assert objects(told, "nuc")[3] == "2"
    assert objects(told, "mito")[3] == "1"
    assert "--no-scored-view leaves that out" in told
    lineage = json.loads((tmp_path / "made.lineage.json").read_text())
    taken = {row["row"].partition("/")[2]: Path(row["run"]).name for row in lineage["rows"] if row["run"]}
    assert taken.pop("mito") == "two"
    assert set(taken.values()) == {"one"}
    assert lineage["settings"]["chunk_voxels"] == 32


def test_the_view_may_be_left_out_and_workers_change_nothing(
    tiny_challenge: Path, runs: Path, tmp_path: Path, csc: Csc
) -> None:
    places = ("--catalog", tiny_challenge, "--work", runs / "one", "--no-scored-view")
    for name, workers in (("a.zip", "1"), ("b.zip", "2")):
        status, told, _ = csc("pack-results", *places, "-w", workers, "-o", tmp_path / name)
        assert status == 0
        assert "What the scorer will see:" not in told
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    status, _, told = csc("pack-results", *places, "-o", tmp_path / "a.zip")
    assert status == 1
    assert "--overwrite" in told


def test_a_dry_run_names_sources_and_writes_nothing(
    tiny_challenge: Path, runs: Path, tmp_path: Path, csc: Csc
) -> None:
    places = ("-i", runs / "one", "-o", tmp_path / "o.zip", "--catalog", tiny_challenge)
    status, told, _ = csc("pack-results", runs / "experiment.toml", *places, "--dry-run")
    assert status == 0
    assert "two/processed" in told
    assert list(tmp_path.iterdir()) == []


def test_bad_input_to_pack_results(tiny_challenge: Path, runs: Path, tmp_path: Path, csc: Csc) -> None:
    (tmp_path / "bad.toml").write_text('[assemble]\nmitoo = "two"\n')
    status, _, told = csc("pack-results", tmp_path / "bad.toml", "--catalog", tiny_challenge)
    assert status == 1
    assert "nearest: mito" in told
    status, _, told = csc(
        "pack-results", "--catalog", tiny_challenge, "-i", tmp_path, "-o", tmp_path / "o.zip"
    )
    assert status == 1
    assert "written by csc process" in told


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes everything that comes with the right token."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["Authorization"] == "Bearer right"
        body = json.dumps({"id": 7} if known else {"detail": "who are you?"}).encode()
        self.send_response(201 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        state = "scored" if self.headers["Authorization"] == "Bearer right" else "refused"
        score = {"overall": 0.25, "metric": "2026-06"}
        body = json.dumps({"state": state, "over": True, "score": score}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def portal() -> Iterator[str]:
    """The address of a server on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A zip that no validator would pass."""
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("a", b"b")
    return tmp_path / "made.zip"


def test_submit_to_a_portal_with_the_token_of_a_file_or_the_environment(
    made: Path, portal: str, csc: Csc, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("submit", made, "--to", portal, "--no-validate")
    status, _, told = csc(*words)
    assert status == 1
    assert "who are you?" in told
    monkeypatch.setenv("CSC_TOKEN", "right")
    status, told, notes = csc(*words)
    assert status == 0
    assert "as 7" in told
    assert "without a lineage" in notes
    monkeypatch.delenv("CSC_TOKEN")
    (made.parent / "token").write_text("right\n")
    status, told, _ = csc(*words, "--token-file", made.parent / "token", "-O")
    assert (status, "as 7" in told) == (0, True)


def test_submit_watches_until_it_is_over(
    made: Path, portal: str, csc: Csc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSC_TOKEN", "right")
    words = ("submit", made, "--to", portal, "--no-validate", "--watch", "--method", "U-Net", "--private")
    status, told, _ = csc(*words)
    assert status == 0
    assert told.splitlines()[1:] == ["scored", "overall 0.25 (metric 2026-06)"]
    (made.parent / "box").mkdir()
    for more in (("--watch",), ("--method", "U-Net")):
        status, _, told = csc("submit", made, "--to", made.parent / "box", "--no-validate", *more)
        assert (status, "only a portal" in told) == (1, True)
    assert list((made.parent / "box").iterdir()) == []


def test_submit_validates_first(tiny_challenge: Path, made: Path, csc: Csc) -> None:
    (made.parent / "box").mkdir()
    words = ("submit", made, "--to", made.parent / "box", "--catalog", tiny_challenge, "-w", "0")
    status, _, told = csc(*words)
    assert status == 1
    assert "was not handed in" in told
    assert list((made.parent / "box").iterdir()) == []
    assert csc(*words, "--no-validate")[0] == 0
    assert sorted(p.name for p in (made.parent / "box").iterdir()) == ["made.receipt.json", "made.zip"]
