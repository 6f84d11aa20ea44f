"""Arrays are read as zarr itself reads them, from folders and from inside zips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from drawn_submissions import NEAR, array_files, drawn, write_folder, write_with_zarr, write_zip
from numcodecs.blosc import Blosc
from numcodecs.lz4 import LZ4
from numcodecs.zstd import Zstd

from organelle.errors import ChunkError
from organelle.geometry import Box
from organelle.submission import ProblemError, SubmittedArray, open_stored

CODECS = [
    None,
    Blosc(cname="lz4", shuffle=1),
    Blosc(cname="zstd", shuffle=2),
    numcodecs.Zstd(level=3),
    numcodecs.Zstd(level=3, checksum=True),
    numcodecs.GZip(),
    numcodecs.Zlib(),
    LZ4(),
    numcodecs.BZ2(),
]


@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("dtype", ["bool", "uint16", "int64", "float32"])
def test_reads_what_zarr_writes(tmp_path: Path, codec: Any, dtype: str) -> None:
    array = drawn(NEAR, ids=200, dtype=dtype)
    write_with_zarr(tmp_path / "a.zarr", array, chunks=(4, 5, 6), compressors=codec, filters=None)

    stored = open_stored(tmp_path / "a.zarr")

    assert stored.dtype == array.dtype
    np.testing.assert_array_equal(stored.read(), array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("dtype", [">u2", "<u2"])
def test_memory_order_byte_order_and_separator(
    tmp_path: Path, order: str, separator: str, dtype: str
) -> None:
    array = drawn(NEAR, ids=60_000, dtype="uint16")
    keys = {"name": "v2", "separator": separator}
    path = write_with_zarr(
        tmp_path / "a.zarr", array.astype(dtype), chunks=(4, 5, 6), order=order, chunk_key_encoding=keys
    )
    files = {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}

    for place in (
        path,
        write_zip(tmp_path / "a.zip", files),
        write_zip(tmp_path / "b.zip", files, deflate=True),
    ):
        stored = open_stored(place)
        assert stored.read().flags.c_contiguous
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored.read(), array)


def test_boxes_and_chunks_that_are_not_stored(tmp_path: Path) -> None:
    array = drawn(NEAR, ids=9)
    files = array_files("a", array, chunks=(4, 4, 8), fill_value=5)
    del files["a/1.0.1"]
    array[4:8, 0:4, 8:14] = 5
    level = open_stored(write_folder(tmp_path, files) / "a").levels[0]

    np.testing.assert_array_equal(level.read(), array)
    np.testing.assert_array_equal(level.read(Box((3, 2, 5), (4, 6, 7))), array[3:7, 2:8, 5:12])
    np.testing.assert_array_equal(level.read(Box((8, 8, 8), (9, 9, 9))), array[8:, 8:, 8:])
    assert level.read(Box((50, 0, 0), (1, 1, 1))).size == 0
    assert sum(box.size for box, _ in level.chunks()) == array.size - 4 * 4 * 6


def test_metadata_under_its_other_names(tmp_path: Path) -> None:
    first = {"resolution": [8, 8, 8], "scale": [1, 1, 1], "offset": [1, 2, 3.5]}
    level = open_stored(write_folder(tmp_path, array_files("a", drawn(NEAR), first)) / "a").levels[0]
    assert level.voxel_size_nm == (8.0, 8.0, 8.0)
    assert level.translation_nm == (1.0, 2.0, 3.5)
    assert level.grid is not None
    assert level.grid.shape == NEAR.shape

    bare = open_stored(write_folder(tmp_path, array_files("b", drawn(NEAR))) / "b").levels[0]
    assert (bare.voxel_size_nm, bare.translation_nm, bare.grid) == (None, None, None)


def test_consolidated_metadata_is_not_believed(tmp_path: Path) -> None:
    files = array_files("a", drawn(NEAR))
    files["a/.zmetadata"] = json.dumps({"metadata": {".zarray": {"shape": [1, 1, 1]}}}).encode()
    assert open_stored(write_folder(tmp_path, files) / "a").shape == NEAR.shape


def level_files(sizes: dict[str, Any], *, ome: bool) -> dict[str, bytes]:
    files: dict[str, bytes] = {".zgroup": b'{"zarr_format": 2}'}
    for name, size in sizes.items():
        files |= array_files(name, drawn(NEAR), None if ome or size is None else {"voxel_size": size})
    if ome:
        steps = {
            n: [{"type": "scale", "scale": s}, {"type": "translation", "translation": s}]
            for n, s in sizes.items()
        }
        datasets = [{"path": n, "coordinateTransformations": steps[n]} for n in sizes]
        files[".zattrs"] = json.dumps({"multiscales": [{"datasets": datasets}]}).encode()
    return files


def chosen(node: SubmittedArray, target: tuple[float, float, float]) -> str:
    return node.level_for(target).place


def test_ome_level_by_relative_distance_first_on_a_tie(tmp_path: Path) -> None:
    sizes = {"s0": [4, 4, 4], "s1": [8, 8, 8], "s2": [16, 16, 16]}
    node = open_stored(write_folder(tmp_path, level_files(sizes, ome=True)))
    assert (node.form, node.is_multiscale) == ("ome", True)
    assert node.levels[1].translation_nm == (8.0, 8.0, 8.0)
    assert [chosen(node, (v, v, v)) for v in (3, 6, 8, 13)] == ["s0", "s0", "s1", "s2"]


def test_plain_levels_prefer_those_that_are_not_coarser(tmp_path: Path) -> None:
    sizes = {"a": [9, 9, 9], "b": [2, 2, 2], "c": [4, 4, 4], "d": None}
    node = open_stored(write_folder(tmp_path, level_files(sizes, ome=False)))
    assert (node.form, node.is_multiscale) == ("group", True)
    assert [chosen(node, (v, v, v)) for v in (8, 3, 1, 9)] == ["c", "b", "b", "a"]


@pytest.mark.parametrize(
    "multiscales",
    [
        [],
        {},
        3,
        [{}],
        [{"datasets": []}],
        [{"datasets": [{"path": "../a"}]}],
        [{"datasets": [{"path": "s9"}]}],
        None,
    ],
)
def test_levels_that_are_not_there(tmp_path: Path, multiscales: Any) -> None:
    files = level_files({"s0": [4, 4, 4]}, ome=True)
    files[".zattrs"] = json.dumps({"multiscales": multiscales}).encode()
    with pytest.raises(ProblemError, match=r"bad-multiscales|levels|no array"):
        open_stored(write_folder(tmp_path, files))


class TestDamagedChunks:
    """A damaged chunk is an error with its name, and never more memory than the chunk may have."""

    def broken(self, tmp_path: Path, data: bytes, codec: Any = "zstd") -> SubmittedArray:
        compressor = None if codec is None else {"id": codec}
        files = array_files("a", drawn(NEAR), compressor=compressor)
        for name in [n for n in files if n[-1].isdigit()]:
            del files[name]
        files["a/1.0.1"] = data
        return open_stored(write_folder(tmp_path, files) / "a")

    @pytest.mark.parametrize("codec", ["blosc", "zstd", "zlib", "gzip", "lz4", "bz2"])
    @pytest.mark.parametrize("keep", [0, 1, 7, 0.5, 0.99])
    def test_truncated(self, tmp_path: Path, codec: str, keep: float) -> None:
        whole = numcodecs.get_codec({"id": codec}).encode(drawn(NEAR, ids=200).ravel()[:512].copy())
        cut = whole[: int(keep if keep >= 1 else keep * len(whole))]
        with pytest.raises(ChunkError, match=r"array \., chunk 1\.0\.1"):
            self.broken(tmp_path, cut, codec).read()

    @pytest.mark.parametrize("codec", [None, "blosc", "zstd", "zlib", "gzip", "lz4", "bz2"])
    @pytest.mark.parametrize("size", [0, 511, 513, 5_000_000])
    def test_of_another_size(self, tmp_path: Path, codec: str | None, size: int) -> None:
        voxels = np.zeros(size, np.uint8)
        data = voxels.tobytes() if codec is None else numcodecs.get_codec({"id": codec}).encode(voxels)
        with pytest.raises(ChunkError, match=r"1\.0\.1"):
            self.broken(tmp_path, bytes(data), codec).read()

    @pytest.mark.parametrize("codec", ["blosc", "zstd", "zlib", "gzip", "lz4", "bz2"])
    def test_garbage(self, tmp_path: Path, codec: str) -> None:
        with pytest.raises(ChunkError):
            self.broken(tmp_path, bytes(range(200)), codec).read()

    def test_a_zstd_frame_hidden_behind_an_honest_one(self, tmp_path: Path) -> None:
        honest = Zstd(level=1).encode(np.zeros(512, np.uint8))
        assert self.broken(tmp_path / "twin", honest).read().sum() == 0
        with pytest.raises(ChunkError, match="following the zstd frame"):
            self.broken(tmp_path, honest + zstd_run(400)).read()

    def test_a_zstd_frame_that_does_not_tell_its_size(self, tmp_path: Path) -> None:
        assert (self.broken(tmp_path / "twin", zstd_run(1, 512)).read(Box((8, 0, 8), (2, 8, 6))) == 7).all()
        with pytest.raises(ChunkError, match="a zstd frame of"):
            self.broken(tmp_path, zstd_run(400)).read()

    @pytest.mark.parametrize("declared", [0, 511, 513, 1 << 31])
    def test_a_zstd_frame_that_promises_another_size(self, tmp_path: Path, declared: int) -> None:
        with pytest.raises(ChunkError, match=f"a zstd frame of {declared} bytes"):
            self.broken(tmp_path, zstd_run(1, 512, declared)).read()

    def test_a_zstd_frame_that_lies_about_its_size(self, tmp_path: Path) -> None:
        with pytest.raises(ChunkError, match="damaged"):
            self.broken(tmp_path, zstd_run(400, declared=512)).read()


def zstd_run(blocks: int, length: int = 128 << 10, declared: int | None = None) -> bytes:
    """A zstd frame of runs of the value 7, written by hand."""
    frame = b"\x28\xb5\x2f\xfd" + (
        bytes([0x00, 0x38]) if declared is None else bytes([0x80, 0x38]) + declared.to_bytes(4, "little")
    )
    for i in range(blocks):
        frame += (int(i == blocks - 1) | 1 << 1 | length << 3).to_bytes(3, "little") + b"\x07"
    return frame
