"""A place answers alike wherever it is: each test asks a folder, a web server and an S3 bucket."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from organelle.errors import FileMissing, SettingsError, TransferError
from organelle.stores import (
    Place,
    Remote,
    as_place,
    beginning,
    forget_remote,
    open_source,
    part,
    which_exist,
)
from organelle.stores.places import require_here, require_readable

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import close_bucket, serve, serve_s3

DATA = bytes(range(256))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group that holds an array, as zarr lays them out, and a name with a blank."""
    root = tmp_path_factory.mktemp("root") / "data"
    (root / "image.zarr" / "s 0").mkdir(parents=True)
    (root / "image.zarr" / ".zgroup").write_text("{}")
    (root / "image.zarr" / "s 0" / ".zarray").write_text("{}")
    (root / "image.zarr" / "s 0" / "0").write_bytes(DATA)
    return root


@pytest.fixture(scope="module")
def endpoint(folder: Path) -> Iterator[str]:
    with serve_s3(folder.parent, "bucket") as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "http", "s3"])
def data(request: pytest.FixtureRequest, folder: Path, endpoint: str) -> Iterator[Place]:
    forget_remote()
    if request.param == "http":
        with serve(folder.parent) as server:
            yield as_place(f"{server.url}/data")
    elif request.param == "s3":
        yield as_place(f"s3://bucket/data?endpoint={endpoint}")
    else:
        yield as_place(str(folder))


def test_a_place_answers_as_a_path_does(data: Place) -> None:
    chunk = data / "image.zarr" / "s 0" / "0"
    assert chunk.is_file()
    assert chunk.exists()
    assert chunk.read_bytes() == DATA
    assert (chunk.name, chunk.parent.name, chunk.parent.parent.name) == ("0", "s 0", "image.zarr")
    assert chunk.parent.parent.suffix == ".zarr"
    assert (data / "image.zarr").is_dir()
    assert not (data / "image.zarr" / "s 1").exists()
    assert not (data / "image.zarr" / "s 0" / "1").is_file()
    with pytest.raises(FileNotFoundError if isinstance(data, Path) else FileMissing):
        (data / "image.zarr" / "s 0" / "1").read_bytes()


def test_parts_of_objects(data: Place) -> None:
    chunk = data / "image.zarr" / "s 0" / "0"
    assert beginning(chunk, 4) == (256, DATA[:4])
    assert part(chunk, 10, 5) == DATA[10:15]
    assert part(chunk, -6, 6) == DATA[-6:]
    assert part(chunk, -6, 2) == DATA[-6:-4]
    absent = chunk.parent / "1"
    assert (beginning(absent, 4), part(absent, 0, 3), part(absent, -3, 3)) == (None, None, None)


def test_many_are_asked_at_once(data: Place) -> None:
    names = [".zarray", "0", *map(str, range(1, 30))]
    found = which_exist([data / "image.zarr" / "s 0" / name for name in names])
    assert found == [True, True, *[False] * 29]
    assert which_exist([]) == []


def test_what_lies_in_a_folder_where_the_store_can_tell(data: Place) -> None:
    inside = [p.name for p in (data / "image.zarr").iterdir()]
    cannot_list = isinstance(data, Remote) and not data.source.lists
    assert sorted(inside) == ([] if cannot_list else [".zgroup", "s 0"])


def test_a_place_written_down_is_the_same_place(data: Place) -> None:
    chunk = data / "image.zarr" / "s 0" / "0"
    assert as_place(str(chunk)).read_bytes() == DATA
    assert pickle.loads(pickle.dumps(chunk)) == chunk
    assert as_place(chunk) == chunk


def test_an_object_is_read_once(folder: Path) -> None:
    with serve(folder, pause_s=0.001) as server:
        chunk = as_place(f"{server.url}/image.zarr/s%200/0")
        for _ in range(3):
            assert chunk.read_bytes() == DATA
            assert which_exist([chunk]) == [True]
        assert server.requests == 1
        forget_remote()
        chunk.read_bytes()
        assert server.requests == 2


def test_a_closed_bucket_and_a_wrong_name_are_told_apart(folder: Path) -> None:
    with serve_s3(folder, "closed") as endpoint:
        with pytest.raises(TransferError, match="no such bucket"):
            as_place(f"s3://another/x?endpoint={endpoint}").read_bytes()
        close_bucket(endpoint, "closed")
        forget_remote()
        with pytest.raises(TransferError, match="does not allow"):
            as_place(f"s3://closed/image.zarr/.zgroup?endpoint={endpoint}").read_bytes()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://server/data", "begins with s3://, http://"),
        ("s3://", "names no bucket or server"),
        ("s3://bucket/x?profile=me", "profile is no part of an address"),
        ("https://server.example/data?token=1", "token is no part"),
        ("s3://bucket/x?endpoint=localhost:9000", "no URL of a server; write http://localhost:9000"),
        ("s3://bucket/x?endpoint=", "no URL of a server"),
        ("s3://bucket/x?endpoint=http://localhost:b", "cannot be interpreted|could not be cast"),
        ("s3://two words/x", "names no bucket or server"),
        ("http://localhost:99999/", "range 0-65535"),
        ("http://[::1/", "Invalid IPv6"),
        ("http:// localhost/", "names no bucket or server"),
    ],
)
def test_addresses_that_cannot_be_read(address: str, words: str) -> None:
    """The client below would panic at some of them, or ask a server that nobody meant."""
    for opened in (as_place, open_source):
        with pytest.raises(SettingsError, match=words):
            opened(address)


def test_a_source_names_its_server_like_a_place() -> None:
    source = open_source("S3://bucket/a b/c/?endpoint=http://localhost:9000&region=eu-west-1")
    assert source.url == "s3://bucket/a b/c"
    assert (source.endpoint, source.region) == ("http://localhost:9000", "eu-west-1")
    assert (
        open_source("s3://b?endpoint=http://localhost:1", endpoint="http://localhost:2").endpoint[-1] == "2"
    )
    assert open_source("HTTP://[::1]:8000/x").url == "http://[::1]:8000/x"
    assert not open_source("HTTP://[::1]:8000/x").lists
    with pytest.raises(SettingsError, match="no URL of a server"):
        open_source("s3://bucket", endpoint="localhost:9000")


def test_here_and_elsewhere(tmp_path: Path) -> None:
    assert as_place("file:///a%20b/c") == Path("/a b/c")
    assert require_here(tmp_path) == tmp_path
    with pytest.raises(SettingsError, match="needs a folder of this machine"):
        require_here(as_place("s3://bucket/x"))
    assert require_readable("s3://bucket/x", "data folder") == as_place("s3://bucket/x")
    with pytest.raises(FileMissing, match="data folder: expected a folder"):
        require_readable(tmp_path / "no", "data folder")
    assert str(as_place("s3://bucket/a/b?endpoint=http://host.example:1&region=eu-west-1")) == (
        "s3://bucket/a/b?endpoint=http://host.example:1&region=eu-west-1"
    )
    assert str(as_place("s3://bucket/")) == "s3://bucket"
