"""Volumes on a web server and in a bucket read as they do from their folder."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from organelle.classes import Kind
from organelle.errors import ChunkError, FileMissing, FormatError, SettingsError, TransferError
from organelle.geometry import Box, Grid
from organelle.stores import Place, as_place, forget_remote
from organelle.volumes import open_multiscale, open_volume, write_multiscale
from organelle.volumes.chunks import AT_ONCE, tiles_of_chunks

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import serve, serve_s3

GRID = Grid((8.0, 4.0, 4.0), (10.0, -3.0, 0.5), (30, 40, 25))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of two levels without one chunk, and a sharded array of zarr v3 without one."""
    folder = tmp_path_factory.mktemp("volumes") / "root"
    rng = np.random.default_rng(3)
    em = rng.integers(1, 200, GRID.shape, dtype=np.uint8)
    write_multiscale(folder / "image.zarr", em, GRID, kind=Kind.IMAGE, levels=2, chunks=(16, 16, 16))
    (folder / "image.zarr" / "s0" / "1" / "0" / "0").unlink()
    sharded = zarr.create_array(
        folder / "sharded",
        shape=(32, 32, 32),
        chunks=(8, 8, 8),
        shards=(16, 16, 16),
        dtype="uint16",
        attributes={"voxel_size": [8, 8, 8]},
    )
    sharded[:, :, 8:] = rng.integers(1, 60000, (32, 32, 24), dtype=np.uint16)
    return folder


@pytest.fixture(scope="module", params=["http", "http that fails", "s3"])
def served(request: pytest.FixtureRequest, root: Path) -> Iterator[Place]:
    if request.param == "s3":
        with serve_s3(root, "bucket") as endpoint:
            yield as_place(f"s3://bucket?endpoint={endpoint}")
    else:
        with serve(root, odds=0.2 if request.param == "http that fails" else 0.0) as server:
            yield as_place(server.url)


@pytest.fixture
def data(served: Place) -> Place:
    """The same files at another place, of which nothing is remembered."""
    forget_remote()
    return served


def test_any_box_and_its_presence_are_those_of_the_folder(data: Place, root: Path) -> None:
    here, there = open_multiscale(root / "image.zarr"), open_multiscale(data / "image.zarr")
    assert [v.grid for v in there.levels] == [v.grid for v in here.levels]
    assert there.attributes == here.attributes
    rng = np.random.default_rng(1)
    for near, far in zip(here.levels, there.levels, strict=True):
        for _ in range(8):
            start, shape = rng.integers(-5, 35, 3), rng.integers(0, 30, 3)
            box = Box(tuple(map(int, start)), tuple(map(int, shape)))
            np.testing.assert_array_equal(far.read(box, fill=3), near.read(box, fill=3))
            np.testing.assert_array_equal(far.present(box), near.present(box))
            assert far.is_complete(box) == near.is_complete(box)
            assert far.is_blank(box) == near.is_blank(box)


def test_shards_are_read_in_parts(data: Place, root: Path) -> None:
    near, far = open_volume(root / "sharded"), open_volume(data / "sharded")
    np.testing.assert_array_equal(far.read(), near.read())
    np.testing.assert_array_equal(far.present(), near.present())
    assert not far.present().all()


def test_a_remote_volume_can_be_sent_to_another_process(data: Place, root: Path) -> None:
    sent = pickle.loads(pickle.dumps(open_multiscale(data / "image.zarr")))
    np.testing.assert_array_equal(
        sent.levels[0].read(), open_multiscale(root / "image.zarr").levels[0].read()
    )


def test_what_is_not_there_is_named_with_its_address(data: Place) -> None:
    with pytest.raises(FileMissing, match=r"nothing is stored at .*imag\.zarr"):
        open_multiscale(data / "imag.zarr")
    with pytest.raises(SettingsError, match="remote places are only read"):
        open_volume(data / "sharded", writable=True)
    with pytest.raises(SettingsError, match="is remote"):
        open_multiscale(data / "image.zarr").folder  # noqa: B018


def test_a_chunk_that_is_broken_at_its_source_is_named(tmp_path: Path) -> None:
    grid = Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), (32, 32, 32))
    values = np.random.default_rng(0).integers(0, 255, grid.shape, dtype=np.uint8)
    write_multiscale(tmp_path / "a", values, grid, kind=Kind.IMAGE, levels=1, chunks=(16, 16, 16))
    chunk = tmp_path / "a" / "s0" / "1" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    with serve(tmp_path) as server:
        volume = open_multiscale(f"{server.url}/a").levels[0]
        with pytest.raises(ChunkError, match=r"http://.*/a/s0/1/1/0 is truncated or corrupt"):
            volume.read()
        np.testing.assert_array_equal(volume.read(Box((0, 0, 0), (16, 32, 32))), values[:16])


def test_a_page_instead_of_metadata_and_a_server_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".zattrs").write_text("<html>Please log in</html>")
    with serve(tmp_path) as server:
        url = server.url
        with pytest.raises(FormatError, match="zattrs is not valid JSON"):
            open_multiscale(f"{url}/a")
    forget_remote()
    with pytest.raises(TransferError, match=r"gave no whole answer .* check the address and the network"):
        open_multiscale(f"{url}/a")


@pytest.mark.parametrize("shape", [(1, 1, 1), (40, 300, 500), (600, 600, 600), (3, 4000, 9000)])
def test_parts_of_a_large_box_follow_the_chunks_and_fill_it_once(shape: tuple[int, int, int]) -> None:
    box, chunks = Box((5, -70, 13), shape), (64, 64, 64)
    parts = list(tiles_of_chunks(box, chunks, 2))
    assert sum(part.size for part in parts) == box.size
    assert all(box.contains(part) and not part.is_empty for part in parts)
    assert all(part.size * 2 <= AT_ONCE for part in parts)
    seen = [part.snap(chunks) for part in parts]
    assert all(a.intersect(b).is_empty for i, a in enumerate(seen) for b in seen[:i])
