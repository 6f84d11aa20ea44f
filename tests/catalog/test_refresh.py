"""Newer tables come whole and right, or not at all, and what they change is told."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from organelle.catalog import Catalog, Crop, Dataset, write_tables
from organelle.catalog.changes import catalog_changes, change_lines
from organelle.catalog.refresh import (
    forget_refreshed,
    load_refreshed,
    refresh_catalog,
    refreshed_folder,
    refreshed_origin,
)
from organelle.errors import CatalogError, FileMissing, OrganelleError, SettingsError, TransferError
from organelle.files import sha256
from organelle.geometry import Grid
from organelle.stores import Retry, Source, open_source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fetch"))
from bucket_servers import QuietHandler, Server, close_bucket, serve, serve_s3

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


def crop(number: int, shape: int = 10, classes: str = "mito er", *, test: bool = False) -> Crop:
    grid = Grid((8.0,) * 3, (500.0 * number, 0.0, 0.0), (shape,) * 3)
    return Crop(number, "d1", grid, tuple(classes.split()), test)


def catalog(*crops: Crop, **organisms: str) -> Catalog:
    sides = ({c.id: c for c in crops if c.is_test is test} for test in (False, True))
    return Catalog("drawn", {n: Dataset(n, o) for n, o in (organisms or {"d1": "mouse"}).items()}, *sides)


OLD = catalog(crop(1), crop(2), crop(3), crop(9, test=True))
NEW = catalog(
    crop(2, 12), crop(3, classes="er nuc"), crop(4), crop(5), crop(9, test=True), d1="rat", d2="fly"
)


def source(address: str | Path, **more: str) -> Source:
    return open_source(address, retry=Retry(3, 0.01, 0.02, np.random.default_rng(3)), **more)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return write_tables(NEW, tmp_path / "newer")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A data folder in which the older tables are kept."""
    refresh_catalog(source(write_tables(OLD, tmp_path / "older")), OLD, folder=tmp_path / "kept")
    return tmp_path / "kept"


def test_differences_name_what_came_went_and_changed() -> None:
    assert list(change_lines(catalog_changes(OLD, NEW))) == [
        "added: 1 dataset: d2",
        "added: 2 crops: 4, 5",
        "removed: 1 crop: 1",
        "changed: dataset d1: organism mouse -> rat",
        "changed: crop 2: shape 10 10 10 -> 12 12 12",
        "changed: crop 3: classes +nuc -mito",
    ]
    moved = catalog_changes(catalog(crop(1)), catalog(crop(1, test=True)))
    assert [c.details for c in moved] == [("split train -> test",)]
    assert catalog_changes(OLD, replace(OLD, name="other")) == ()
    many = catalog_changes(catalog(*map(crop, range(60))), catalog(*(crop(n, 11) for n in range(60))))
    assert list(change_lines(many))[-1] == "changed: 20 more"


def test_tables_are_kept_whole_with_where_they_came_from(tables: Path, kept: Path) -> None:
    with serve(tables) as server:
        found = refresh_catalog(source(server.url), OLD, folder=kept)
        assert found.changes == catalog_changes(OLD, NEW)
        assert found.folder == kept
        assert load_refreshed(kept) == replace(NEW, name="kept")
        origin = refreshed_origin(kept)
        assert origin is not None
        assert (origin.source, origin.date[:2]) == (server.url, "20")
        assert origin.sha256 == {t.name: sha256(t) for t in tables.iterdir()}
    assert sorted(p.name for p in kept.iterdir()) == sorted(["origin.json", *origin.sha256])
    assert list(kept.parent.glob(".*")) == []


def test_a_bucket_serves_as_well_and_says_when_it_is_closed(tables: Path, tmp_path: Path, kept: Path) -> None:
    with serve_s3(tables.parent, "drawn") as endpoint:
        bucket = source("s3://drawn/newer", endpoint=endpoint)
        assert refresh_catalog(bucket, OLD, folder=tmp_path / "s3").catalog.datasets == NEW.datasets
        close_bucket(endpoint, "drawn")
        with pytest.raises(TransferError, match=r"s3://drawn/newer does not allow to read datasets\.csv"):
            refresh_catalog(bucket, OLD, folder=kept)
    assert load_refreshed(kept).train_crops == OLD.train_crops


def test_a_dry_run_keeps_nothing(tables: Path, tmp_path: Path) -> None:
    found = refresh_catalog(source(tables), OLD, folder=tmp_path / "kept", dry_run=True)
    assert found.changes
    assert found.folder is None
    assert not (tmp_path / "kept").exists()


def test_one_table_of_crops_is_enough_and_an_older_one_of_the_other_kind_goes(
    tables: Path, kept: Path
) -> None:
    (tables / "test_crops.csv").unlink()
    (tables / "datasets.csv").unlink()
    refresh_catalog(source(tables), OLD, folder=kept)
    assert load_refreshed(kept).test_crops == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train_crops.csv", b"<!DOCTYPE html><html>404</html>", "is an HTML or XML page and no CSV table"),
        ("train_crops.csv", b'{"error": 404}\n', "is JSON and no CSV table"),
        ("train_crops.csv", b"crop,dataset,voxel", "ends in the middle of a line"),
        ("train_crops.csv", b"", r"train_crops\.csv, line 1: no column 'crop'"),
        ("train_crops.csv", b"\x00\xff\xfe\n", "is not a CSV table in UTF-8"),
        ("datasets.csv", b"dataset\nd1\n", "has 7 problems"),
    ],
)
def test_what_is_no_table_is_refused_and_the_older_ones_stay(
    tables: Path, kept: Path, name: str, content: bytes, message: str
) -> None:
    (tables / name).write_bytes(content)
    with serve(tables) as server, pytest.raises(OrganelleError, match=message) as told:
        refresh_catalog(source(server.url), OLD, folder=kept)
    assert server.url in str(told.value) or "problems" in str(told.value)
    assert "nothing was kept" in str(told.value) or isinstance(told.value, TransferError)
    assert load_refreshed(kept).train_crops == OLD.train_crops


def test_all_problems_are_told_at_once_by_address_and_line(tables: Path, kept: Path) -> None:
    table = tables / "train_crops.csv"
    table.write_text(table.read_text().replace("12 12 12", "12 12").replace("er nuc", "er nucc"))
    with serve(tables) as server, pytest.raises(CatalogError) as told:
        refresh_catalog(source(server.url), OLD, folder=kept)
    assert f"{server.url}/train_crops.csv, line 2: shape" in str(told.value)
    assert f"{server.url}/train_crops.csv, line 3: 'nucc' is not a class; nearest: nuc" in str(told.value)
    assert load_refreshed(kept).train_crops == OLD.train_crops


def test_a_huge_table_is_refused_before_it_is_read(tables: Path, kept: Path) -> None:
    with (tables / "train_crops.csv").open("r+b") as table:
        table.truncate(2 * 2**30)  # without a block on disk
    with serve(tables) as server, pytest.raises(TransferError, match="has 2,147 MB, and a table has at most"):
        refresh_catalog(source(server.url), OLD, folder=kept)
    assert load_refreshed(kept).train_crops == OLD.train_crops


class LyingHandler(QuietHandler):
    """Announces small objects and sends 2 GB."""

    server: Any

    def do_HEAD(self) -> None:  # noqa: N802
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.send_header("Last-Modified", self.date_time_string(0))
        self.end_headers()

    def do_GET(self) -> None:  # noqa: N802
        self.send_response(200)
        self.send_header("Content-Length", str(2 * 2**30))
        self.send_header("Last-Modified", self.date_time_string(0))
        self.end_headers()
        block = b"x" * 2**20
        for _ in range(2048):
            self.wfile.write(block)
            self.server.sent += len(block)


def test_a_server_that_announces_little_and_sends_much_is_cut_off(kept: Path) -> None:
    with Server(LyingHandler) as server:
        server.sent = 0
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with pytest.raises(TransferError):
            refresh_catalog(source(server.url), OLD, folder=kept)
        server.shutdown()
        assert server.sent < 100 * 2**20
    assert load_refreshed(kept).train_crops == OLD.train_crops


def test_a_server_that_fails_now_and_then_does_no_harm(tables: Path, tmp_path: Path) -> None:
    with serve(tables, odds=0.8) as server:
        patient = open_source(server.url, retry=Retry(60, 0.001, 0.01, np.random.default_rng(3)))
        found = refresh_catalog(patient, OLD, folder=tmp_path / "kept")
        assert sum(server.faults.values()) > 0
    assert found.catalog.train_crops == NEW.train_crops


def test_no_network_and_an_address_without_tables_are_told(tables: Path, kept: Path, tmp_path: Path) -> None:
    with serve(tables) as server:
        gone = source(server.url)
    with pytest.raises(TransferError, match="check the address and the network"):
        refresh_catalog(gone, OLD, folder=kept)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileMissing, match=r"empty has no train_crops\.csv and no test_crops\.csv"):
        refresh_catalog(source(tmp_path / "empty"), OLD, folder=kept)
    assert load_refreshed(kept).train_crops == OLD.train_crops


def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot be kept in .*file/kept .* XDG_DATA_HOME"):
        refresh_catalog(source(tables), OLD, folder=tmp_path / "file" / "kept")


def test_kept_tables_that_were_changed_by_hand_are_not_trusted(kept: Path) -> None:
    table = kept / "train_crops.csv"
    table.write_text(table.read_text().replace("mito er", "mito"))
    with pytest.raises(CatalogError, match="are not those that were fetched from"):
        load_refreshed(kept)
    (kept / "origin.json").write_text(json.dumps({"source": "x"}))
    with pytest.raises(CatalogError, match=r"origin\.json is missing or strange"):
        load_refreshed(kept)


def test_forgetting_removes_them(kept: Path) -> None:
    assert forget_refreshed(kept) == kept
    assert not kept.exists()
    assert forget_refreshed(kept) is None
    with pytest.raises(FileMissing, match='"csc catalog refresh ADDRESS" fetches one'):
        load_refreshed(kept)


def test_they_stand_below_the_data_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert refreshed_folder() == tmp_path / "organelle" / "catalogs" / "refreshed"
