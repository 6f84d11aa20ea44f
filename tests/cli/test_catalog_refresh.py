"""`csc catalog refresh` in a home of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from organelle.catalog import load_catalog, write_tables
from organelle.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fetch"))
from bucket_servers import serve_s3


@dataclass(frozen=True)
class Answer:
    """What a line ended with."""

    returncode: int
    stdout: str
    stderr: str


Csc = Callable[..., Answer]


@pytest.fixture
def csc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc` with the words of a line, in a folder and with a data folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CSC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))

    def run(line: str, **more: str) -> Answer:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["csc", *line.split()])
            for name, value in more.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        told = capsys.readouterr()
        return Answer(int(ended.value.code or 0), told.out, told.err)

    return run


def test_newer_tables_are_compared_kept_used_and_forgotten(csc: Csc, tmp_path: Path) -> None:
    table = write_tables(load_catalog(), tmp_path / "newer") / "train_crops.csv"
    table.write_text(table.read_text() + "9001,jrc_hela-2,4 4 4,0 0 0,50 50 50,mito\n")
    tried = csc("catalog refresh newer --dry-run")
    assert "added: 1 crop: 9001" in tried.stdout
    assert tried.stdout.splitlines()[-1] == "nothing was kept"
    assert not (tmp_path / "share").exists()
    asked_for = csc("catalog refresh newer", CSC_CATALOG="refreshed")  # though there is none yet
    assert asked_for.stdout.splitlines()[-1].endswith("--catalog refreshed uses it")
    assert "nothing differs" in csc("catalog refresh newer --dry-run --catalog refreshed").stdout
    assert "newer on 20" in csc("catalog refresh").stdout
    line = "catalog crops --crop 9001 --csv"
    assert csc(f"{line} --catalog refreshed").stdout == csc(line, CSC_CATALOG="refreshed").stdout != ""
    assert "crop 9001 is not in the catalog" in csc(line).stderr
    assert csc("catalog refresh --forget").stdout.startswith("removed ")
    gone = csc(f"{line} --catalog refreshed")
    assert gone.returncode == 1
    assert "no refreshed catalog is kept" in gone.stderr


def test_what_cannot_be_refreshed_is_one_error_in_words(csc: Csc, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for line, told in {
        "catalog refresh nowhere": "expected a folder at nowhere",
        "catalog refresh bare": "bare has no train_crops.csv",
        "catalog refresh ftp://localhost/x": "not ftp://",
        "catalog refresh http://localhost:9/train_crops.csv": "is one table; name the folder or address",
        "catalog refresh http://localhost:9/x?token=1": "token is no part of an address that can be read",
        "catalog refresh s3://drawn/x?endpoint=ftp://localhost": "is no URL of a server",
        "catalog refresh bare --forget": "--forget removes what is kept; type it alone",
    }.items():
        ended = csc(line)
        assert ended.returncode == 1, line
        assert told in ended.stderr, line
        assert "Traceback" not in ended.stderr
    assert not (tmp_path / "share").exists()
    assert csc("catalog refresh --forget").stdout == "no refreshed tables are kept\n"


def test_refreshed_datasets_are_in_the_public_bucket_too(csc: Csc, tmp_path: Path) -> None:
    tables = tmp_path / "newer"
    tables.mkdir()
    (tables / "train_crops.csv").write_text(
        "crop,dataset,voxel_size_nm,translation_nm,shape,classes\n9001,jrc_new,4 4 4,0 0 0,50 50 50,mito\n"
    )
    line = "make-datasplit --validate-ratio 0 --use-s3 -q --csv-path a.csv --catalog"
    assert "does not hold jrc_new" in csc(f"{line} newer").stderr
    csc("catalog refresh newer")
    assert csc(f"{line} refreshed").returncode == 0
    assert "s3://janelia-cosem-datasets/jrc_new/jrc_new.zarr" in (tmp_path / "a.csv").read_text()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_bucket_is_named_with_its_server_in_two_ways(csc: Csc, tmp_path: Path) -> None:
    write_tables(load_catalog(), tmp_path / "bucket" / "newer")
    with serve_s3(tmp_path / "bucket", "drawn") as endpoint:
        for line in (f"s3://drawn/newer?endpoint={endpoint}", f"s3://drawn/newer --endpoint {endpoint}"):
            assert "nothing differs" in csc(f"catalog refresh --dry-run {line}").stdout
