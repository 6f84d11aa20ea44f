from __future__ import annotations

import json
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from organelle.errors import ChunkError, FileMissing, FormatError, GridMismatch, OutputExists
from organelle.geometry import Box, Grid
from organelle.volumes import Volume, create_volume, open_volume, write_volume

GRID = Grid((8.0, 4.0, 4.0), (10.0, -3.0, 0.5), (30, 40, 25))
HOLE = Box((16, 0, 0), (14, 16, 16))
CODECS = {
    "zstd": {"id": "zstd", "level": 3},
    "zstd with checksum": {"id": "zstd", "level": 3, "checksum": True},
    "zstd without": {"id": "zstd", "level": 3, "checksum": False},
    "blosc": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "gzip": {"id": "gzip", "level": 1},
    "zlib": {"id": "zlib", "level": 1},
    "raw": None,
}
DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8", "?", ">u2"]


def drawn(shape: tuple[int, ...] = GRID.shape, dtype: str = "u1") -> np.ndarray:
    values = np.random.default_rng(5).integers(0, 100, shape)
    return (values > 50 if dtype == "?" else values).astype(dtype)


def store(path: Path, array: np.ndarray, codec: str = "zstd", separator: str = "/", version: int = 2) -> Path:
    """An array as others write it: metadata by hand, so that keys are exactly as wanted."""
    if version == 3:
        place = zarr.create_array(str(path), shape=array.shape, chunks=(16, 16, 16), dtype=array.dtype)
        place[:] = array
        return path
    config = CODECS[codec]
    path.mkdir(parents=True)
    record = {
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": [16, 16, 16],
        "dtype": array.dtype.str,
        "fill_value": 0,
        "order": "C",
        "filters": None,
        "compressor": config,
        "dimension_separator": separator,
    }
    (path / ".zarray").write_text(json.dumps(record))
    padded = np.zeros([-(-n // 16) * 16 for n in array.shape], dtype=array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    encoder = numcodecs.get_codec(config) if config else None
    for index in np.ndindex(*(n // 16 for n in padded.shape)):
        chunk = padded[tuple(slice(i * 16, i * 16 + 16) for i in index)].tobytes()
        file = path / separator.join(map(str, index))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(encoder.encode(chunk)) if encoder else chunk)
    return path


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("separator", ["/", "."])
def test_all_codecs_and_separators_of_the_challenge_are_read(
    tmp_path: Path, codec: str, separator: str
) -> None:
    array = drawn(dtype="u2")
    volume = open_volume(store(tmp_path / "a", array, codec, separator), GRID)
    np.testing.assert_array_equal(volume.read(), array)
    assert volume.chunks == (16, 16, 16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("version", [2, 3])
def test_all_types_are_read_in_native_byte_order(tmp_path: Path, dtype: str, version: int) -> None:
    array = drawn(dtype=dtype)
    found = open_volume(store(tmp_path / "a", array, version=version), GRID)
    np.testing.assert_array_equal(found.read(), array)
    assert found.dtype == found.read().dtype == np.dtype(dtype).newbyteorder("=")
    assert found.read().flags.c_contiguous


boxes = st.builds(Box, st.tuples(*[st.integers(-20, 45)] * 3), st.tuples(*[st.integers(0, 30)] * 3))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boxes)
def test_any_box_reads_as_the_plain_slice_and_fill_outside(stored: Volume, box: Box) -> None:
    padded = np.pad(with_hole(), 60, constant_values=7)
    np.testing.assert_array_equal(stored.read(box, fill=7), padded[box.slices((-60, -60, -60))])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boxes)
def test_presence_is_that_of_the_chunks_files(stored: Volume, box: Box) -> None:
    there = np.ones(GRID.shape, dtype=bool)
    there[HOLE.slices()] = False
    expected = np.pad(there, 60)[box.slices((-60, -60, -60))]
    np.testing.assert_array_equal(stored.present(box), expected)
    assert stored.is_complete(box) == (box.is_empty or bool(expected.all()))
    assert stored.is_blank(box) == (not expected.any())


@pytest.fixture
def stored(tmp_path: Path) -> Volume:
    """The drawn array, without the chunk 1.0.0."""
    path = store(tmp_path / "stored", drawn(), separator=".")
    (path / "1.0.0").unlink()
    return open_volume(path, GRID)


def with_hole() -> np.ndarray:
    array = drawn()
    array[HOLE.slices()] = 0
    return array


def test_a_missing_chunk_reads_as_zero_and_is_told_apart(tmp_path: Path) -> None:
    path = store(tmp_path / "a", drawn() + np.uint8(1), separator="/")
    (path / "0" / "1" / "0").unlink()
    volume = open_volume(path, GRID)
    black = volume.read() == 0
    assert black.sum() == 16**3
    np.testing.assert_array_equal(volume.present(), ~black)


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "zstd with checksum"])
@pytest.mark.parametrize("keep", [0, 5, 0.5])
def test_a_truncated_chunk_names_its_file(tmp_path: Path, codec: str, keep: float) -> None:
    path = store(tmp_path / "a", drawn(), codec)
    chunk = path / "1" / "2" / "0"
    data = chunk.read_bytes()
    chunk.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    volume = open_volume(path, GRID)
    with pytest.raises(ChunkError, match=r"a/1/2/0 is truncated or corrupt.*fetch or write it again"):
        volume.read()
    np.testing.assert_array_equal(volume.read(Box((0, 0, 0), (16, 40, 25))), drawn()[:16])


@pytest.mark.parametrize("kept", [40, -1])
def test_a_truncated_chunk_that_blosc_could_not_compress_is_noticed(tmp_path: Path, kept: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 16), np.uint8)
    path = store(tmp_path / "a", noise, "blosc")
    volume = open_volume(path, Grid((8, 4, 4), (0, 0, 0), noise.shape))
    np.testing.assert_array_equal(volume.read(), noise)
    (chunk,) = volume.files(volume.grid.box)
    chunk.write_bytes(chunk.read_bytes()[:kept])
    with pytest.raises(ChunkError, match=r"is truncated or corrupt .*its header says"):
        volume.read()


def test_the_place_comes_from_any_of_the_known_attributes(tmp_path: Path) -> None:
    path = store(tmp_path / "a", drawn())
    for attributes in (
        {"voxel_size": [8, 4, 4], "translation": [10, -3, 0.5]},
        {"resolution": [8.0, 4.0, 4.0], "offset": [10, -3, 0.5]},
        {"scale": [8, 4, 4], "translation": [10, -3, 0.5], "offset": [1, 1, 1]},
    ):
        (path / ".zattrs").write_text(json.dumps(attributes))
        assert open_volume(path).grid == GRID
    (path / ".zattrs").write_text(json.dumps({"voxel_size": [8, 4, 4]}))
    assert open_volume(path).grid.origin_nm == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "attributes", [{"voxel_size": [8, 4]}, {"voxel_size": [0, 1, 1]}, {"voxel_size": "big"}]
)
def test_an_unusable_voxel_size_is_an_error(tmp_path: Path, attributes: dict[str, object]) -> None:
    path = store(tmp_path / "a", drawn())
    (path / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(FormatError, match="voxel size"):
        open_volume(path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    array = drawn(dtype="u4")
    volume = write_volume(tmp_path / "t.zarr" / "crop1" / "mito", array, GRID, attributes={"made": "here"})
    again = open_volume(volume.path)
    np.testing.assert_array_equal(again.read(), array)
    assert again.grid == GRID
    assert again.attributes["made"] == "here"
    assert again.attributes["shape"] == [30, 40, 25]
    assert (tmp_path / "t.zarr" / ".zgroup").is_file()
    assert (tmp_path / "t.zarr" / "crop1" / ".zgroup").is_file()
    assert not (tmp_path / ".zgroup").exists()
    assert sorted(p.name for p in (tmp_path / "t.zarr" / "crop1").iterdir()) == [".zgroup", "mito"]


def test_blocks_are_written_where_they_belong_and_empty_ones_are_not_stored(tmp_path: Path) -> None:
    volume = create_volume(tmp_path / "a", GRID, "u1", chunks=(16, 16, 16))
    assert not volume.present().any()
    for box in GRID.box.tiles((16, 16, 16)):
        if box.start != (16, 16, 16):
            volume.write(box, drawn()[box.slices()])
    missing = ~volume.present()
    assert missing.sum() == 14 * 16 * 9
    expected = np.where(missing, 0, drawn())
    np.testing.assert_array_equal(volume.read(), expected)
    volume.write(Box((0, 0, 0), (16, 16, 16)), np.zeros((16, 16, 16), dtype=np.uint8))
    assert not (volume.path / "0.0.0").exists()


def test_values_that_do_not_fit_are_refused_and_never_wrapped(tmp_path: Path) -> None:
    volume = create_volume(tmp_path / "a", GRID, "u1")
    box = Box((0, 0, 0), (1, 1, 2))
    volume.write(box, np.array([[[3, 255]]], dtype=np.int64))
    assert volume.read(box).tolist() == [[[3, 255]]]
    for bad in (
        np.array([[[256, 0]]]),
        np.array([[[-1, 0]]]),
        np.array([[[0.5, 1.0]]]),
        np.array([[[np.nan, 1]]]),
    ):
        with pytest.raises(FormatError, match="do not fit"):
            volume.write(box, bad)
    with pytest.raises(GridMismatch, match="cannot write"):
        volume.write(Box((0, 0, 24), (1, 1, 2)), np.zeros((1, 1, 2), dtype=np.uint8))
    with pytest.raises(GridMismatch, match="cannot write"):
        volume.write(box, np.zeros((1, 1, 3), dtype=np.uint8))


def test_an_existing_volume_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write_volume(tmp_path / "a", drawn(), GRID)
    with pytest.raises(OutputExists):
        write_volume(tmp_path / "a", drawn() * 0, GRID)
    with pytest.raises(OutputExists):
        create_volume(tmp_path / "a", GRID, "u1")
    np.testing.assert_array_equal(open_volume(tmp_path / "a").read(), drawn())
    replaced = write_volume(tmp_path / "a", drawn() * 0, GRID, overwrite=True)
    assert not replaced.read().any()
    with pytest.raises(GridMismatch, match="its grid"):
        write_volume(tmp_path / "b", drawn()[1:], GRID)
    assert not (tmp_path / "b").exists()


def test_a_volume_travels_to_other_processes(tmp_path: Path) -> None:
    volume = create_volume(tmp_path / "a", GRID, "u1", chunks=(16, 16, 16))
    boxes = list(GRID.box.tiles((16, 16, 16)))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(write_block, [pickle.dumps(volume)] * len(boxes), boxes))
    np.testing.assert_array_equal(volume.read(), drawn())


def write_block(volume: bytes, box: Box) -> None:
    pickle.loads(volume).write(box, drawn()[box.slices()])


def test_shards_tell_which_of_their_chunks_exist(tmp_path: Path) -> None:
    array = drawn(dtype="u2")
    array[16:, :16, :16] = 0
    made = zarr.create_array(
        str(tmp_path / "a"),
        shape=array.shape,
        chunks=(8, 8, 8),
        shards=(16, 16, 16),
        dtype="u2",
        fill_value=0,
    )
    made[:] = array
    array[:8, 8:16, 8:16] = 0
    made[:8, 8:16, 8:16] = 0
    volume = open_volume(tmp_path / "a", GRID)
    np.testing.assert_array_equal(volume.read(), array)
    expected = np.ones(GRID.shape, dtype=bool)
    expected[16:, :16, :16] = False
    expected[:8, 8:16, 8:16] = False
    np.testing.assert_array_equal(volume.present(), expected)
    np.testing.assert_array_equal(volume.present(Box((5, 5, 5), (20, 9, 9))), expected[5:25, 5:14, 5:14])
    assert len(volume.files(GRID.box)) == 2 * 3 * 2
    shard = volume.files(Box((0, 0, 0), (1, 1, 1)))[0]
    shard.write_bytes(shard.read_bytes()[:10])
    with pytest.raises(ChunkError, match=r"c/0/0/0 is truncated"):
        volume.present()
    with pytest.raises(ChunkError, match=r"c/0/0/0 is truncated"):
        volume.read()


def test_what_is_not_there_or_not_an_array_is_explained(tmp_path: Path) -> None:
    path = store(tmp_path / "mito", drawn())
    with pytest.raises(FileMissing, match=r"nothing is stored at .*mitoo; nearest: mito"):
        open_volume(tmp_path / "mitoo")
    (tmp_path / "text").write_text("")
    with pytest.raises(FormatError, match="is not zarr: it is a file"):
        open_volume(tmp_path / "text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="is not zarr: it is an empty folder"):
        open_volume(tmp_path / "empty")
    with pytest.raises(FormatError, match="is not zarr: it is a folder that holds"):
        open_volume(tmp_path)
    (tmp_path / "n5").mkdir()
    (tmp_path / "n5" / "attributes.json").write_text("{}")
    with pytest.raises(FormatError, match="looks like N5"):
        open_volume(tmp_path / "n5")
    with pytest.raises(FormatError, match="does not say its voxel size"):
        open_volume(path)
    with pytest.raises(GridMismatch, match=r"has \(30, 40, 25\) voxels"):
        open_volume(path, Grid((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 2, 3)))


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [30, 40]},
        {"dtype": "|O"},
        {"dtype": "nonsense"},
        {"chunks": [0, 16, 16]},
        {"compressor": {"id": "no such codec"}},
        {"zarr_format": 7},
        {"shape": None},
    ],
)
def test_broken_metadata_is_a_clear_error(tmp_path: Path, change: dict[str, object]) -> None:
    path = store(tmp_path / "a", drawn())
    record = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**record, **change}))
    with pytest.raises(FormatError, match="a"):
        open_volume(path, GRID).read()


def test_metadata_that_is_not_json_is_a_clear_error(tmp_path: Path) -> None:
    path = store(tmp_path / "a", drawn())
    (path / ".zattrs").write_text("{")
    with pytest.raises(FormatError, match=r"\.zattrs is not valid JSON"):
        open_volume(path)
    (path / ".zattrs").write_text("[1]")
    with pytest.raises(FormatError, match="expected a JSON object"):
        open_volume(path)


def test_the_room_loads_neither_torch_nor_zarr_nor_scipy() -> None:
    code = "import sys, organelle.volumes; print([m for m in ('torch', 'zarr', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
