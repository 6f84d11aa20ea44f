from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from organelle.classes import Kind
from organelle.errors import SettingsError
from organelle.geometry import Grid
from organelle.volumes import write_labels, write_multiscale, write_volume
from organelle.volumes.inspect import inspect_image
from organelle.volumes.inspect_display import inspection_record, inspection_text
from organelle.volumes.inspect_records import Inspection, Severity

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import serve, serve_s3

GRID = Grid((8, 8, 8), (104, 204, 304), (40, 48, 56))
ARRAY = np.random.default_rng(3).integers(1, 255, GRID.shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inspect") / "em"
    write_multiscale(path, ARRAY, GRID, kind=Kind.IMAGE, levels=3, chunks=(16, 16, 16))
    return path


@pytest.fixture
def image(written: Path, tmp_path: Path) -> Path:
    """A copy of the image, which one may break."""
    return Path(shutil.copytree(written, tmp_path / "em", copy_function=shutil.copyfile))


def look(path: Path | str, sampled: int = 0) -> Inspection:
    found = inspect_image(path, sampled_chunks=sampled)
    json.dumps(inspection_record(found), allow_nan=False)
    assert inspection_text(found)
    return found


def codes(found: Inspection, *severities: Severity) -> set[str]:
    return {p.code for p in found.problems if p.severity in (severities or tuple(Severity))}


def change(file: Path, edit: Callable[[Any], None]) -> None:
    record = json.loads(file.read_text())
    edit(record)
    file.write_text(json.dumps(record))


def test_a_sound_image_is_described_and_has_no_problem(image: Path) -> None:
    found = look(image, sampled=100)
    assert found.is_usable
    assert found.problems == ()
    assert (found.what, found.ngff_version) == ("image", "0.4")
    assert found.axes == ("z [nanometer]", "y [nanometer]", "x [nanometer]")
    assert [level.name for level in found.levels] == ["s0", "s1", "s2"]
    first, second, _ = found.levels
    assert (first.shape, first.dtype, first.chunks) == (GRID.shape, "uint8", (16, 16, 16))
    assert (first.voxel_size_nm, first.origin_nm) == (GRID.voxel_size_nm, GRID.origin_nm)
    assert (first.codecs, first.separator, first.fill_value) == (("blosc (zstd)",), "/", 0)
    assert second.origin_nm == (108, 208, 308)
    stored = [p for p in (image / "s0").rglob("*") if p.is_file() and not p.name.startswith(".")]
    assert first.count is not None
    assert (first.count.stored, first.count.total) == (len(stored), 3 * 3 * 4)
    assert first.count.bytes == sum(p.stat().st_size for p in stored)
    assert first.sample is not None
    assert (first.sample.low, first.sample.high, first.sample.voxels) == (
        ARRAY.min(),
        ARRAY.max(),
        ARRAY.size,
    )
    assert first.sample.mean == pytest.approx(ARRAY.mean())
    assert {use.role for use in found.uses if use.is_possible} >= {"EM"}


def test_labels_say_what_their_values_mean(tmp_path: Path) -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:4], labels[4:8] = 1, 255
    write_labels(tmp_path / "er", labels, GRID, "er", chunks=(16, 16, 16))
    found = look(tmp_path / "er")
    assert found.encoding is not None
    assert (found.encoding.class_name, found.encoding.kind, found.encoding.unknown) == (
        "er",
        Kind.SEMANTIC,
        255,
    )
    possible = {use.role: use.is_possible for use in found.uses}
    assert (possible["EM"], possible["labels"]) == (False, True)
    assert found.levels[0].count is not None
    assert (found.levels[0].count.stored, found.levels[0].count.total) == (12, 36)
    assert codes(found) == {"chunks-absent"}


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_zarr_v3_is_read_with_and_without_shards(tmp_path: Path, shards: tuple[int, int, int] | None) -> None:
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [8, 8, 8]}]}
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [scale]}]}
    group = zarr.create_group(tmp_path / "v3", zarr_format=3, attributes={"ome": ome})
    group.create_array("0", data=ARRAY, chunks=(16, 16, 16), shards=shards)
    found = look(tmp_path / "v3", sampled=2)
    level = found.levels[0]
    assert found.is_usable
    assert (found.ngff_version, level.zarr_format, level.shards, level.chunks) == (
        "0.5",
        3,
        shards,
        (16, 16, 16),
    )
    assert level.count is not None
    assert (level.count.stored, level.count.total) == ((8, 8) if shards else (36, 36))
    assert level.sample is not None
    assert codes(found) == ({"sharded"} if shards else set())


def test_a_single_array_needs_a_voxel_size(tmp_path: Path) -> None:
    write_volume(tmp_path / "placed", ARRAY, GRID, chunks=(16, 16, 16))
    placed = look(tmp_path / "placed")
    assert placed.is_usable
    assert placed.levels[0].voxel_size_nm == (8, 8, 8)
    assert placed.levels[0].separator == "."
    assert placed.levels[0].count is not None
    assert placed.levels[0].count.is_exact
    zarr.create_array(tmp_path / "bare", data=ARRAY)
    assert codes(look(tmp_path / "bare")) == {"cannot-open"}


def test_a_group_tells_what_is_inside(tmp_path: Path) -> None:
    for name in ("er", "nuc"):
        write_multiscale(tmp_path / "d.zarr" / "crop1" / name, ARRAY, GRID, kind=Kind.SEMANTIC, levels=2)
    found = look(tmp_path / "d.zarr")
    assert not found.is_usable
    assert codes(found) == {"no-image"}
    assert dict(found.inside) == {
        "crop1/er": "image of 2 levels, NGFF 0.4",
        "crop1/nuc": "image of 2 levels, NGFF 0.4",
    }
    assert dict(look(tmp_path).inside).keys() == {"d.zarr/crop1/er", "d.zarr/crop1/nuc"}


def translate_as_corners(record: Any) -> None:
    for level in record["multiscales"][0]["datasets"][1:]:
        level["coordinateTransformations"][1]["translation"] = list(GRID.origin_nm)


def scale_level_wrongly(record: Any) -> None:
    record["multiscales"][0]["datasets"][1]["coordinateTransformations"][0]["scale"] = [24.0, 24.0, 24.0]


def scale_oddly(record: Any) -> None:
    record["multiscales"][0]["datasets"][1]["coordinateTransformations"][0]["scale"] = [15.0, 15.0, 15.0]


def forget_units(record: Any) -> None:
    for axis in record["multiscales"][0]["axes"]:
        del axis["unit"]


def turn_axes(record: Any) -> None:
    record["multiscales"][0]["axes"].reverse()


def name_no_axes(record: Any) -> None:
    del record["multiscales"][0]["axes"]


def use_inches(record: Any) -> None:
    record["multiscales"][0]["axes"][0]["unit"] = "inch"


def make_anisotropic(record: Any) -> None:
    for level in record["multiscales"][0]["datasets"]:
        level["coordinateTransformations"][0]["scale"][0] *= 3
        level["coordinateTransformations"][1]["translation"][0] *= 3


def make_negative(record: Any) -> None:
    record["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][1] = -8


def make_infinite(record: Any) -> None:
    record["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][1] = 10**400


def make_metres(record: Any) -> None:
    for level in record["multiscales"][0]["datasets"]:
        for step, key in zip(level["coordinateTransformations"], ("scale", "translation"), strict=True):
            step[key] = [n * 1e-3 for n in step[key]]


def list_another(record: Any) -> None:
    more = {"path": "s9", "coordinateTransformations": [{"type": "scale", "scale": [64.0, 64.0, 64.0]}]}
    record["multiscales"][0]["datasets"].append(more)


def climb_out(record: Any) -> None:
    record["multiscales"][0]["datasets"][0]["path"] = "../elsewhere"


def list_nothing(record: Any) -> None:
    record["multiscales"][0]["datasets"] = []


def make_nonsense(record: Any) -> None:
    record["multiscales"] = [[1, 2], "three"]


def add_strange_encoding(record: Any) -> None:
    record["cellmap"] = {"annotation": {"class_name": "mito", "annotation_type": {"type": "guessed"}}}


@pytest.mark.parametrize(
    ("edit", "code", "usable"),
    [
        (translate_as_corners, "level-place", True),
        (scale_level_wrongly, "level-shape", True),
        (scale_oddly, "level-scale", True),
        (forget_units, "unit-missing", True),
        (turn_axes, "axes-order", False),
        (name_no_axes, "axes-missing", False),
        (use_inches, "unit-unknown", False),
        (make_anisotropic, "anisotropic", True),
        (make_negative, "voxel-size", False),
        (make_infinite, "metadata-incomplete", False),
        (make_metres, "voxel-size", True),
        (list_another, "levels-absent", True),
        (climb_out, "level-path", False),
        (list_nothing, "no-levels", False),
        (make_nonsense, "axes-missing", False),
        (add_strange_encoding, "encoding", False),
    ],
)
def test_each_fault_of_an_image_is_named(
    image: Path, edit: Callable[[Any], None], code: str, usable: bool
) -> None:
    change(image / ".zattrs", edit)
    found = look(image)
    assert code in codes(found)
    assert found.is_usable is usable


def array_change(**changes: Any) -> Callable[[Any], None]:
    return lambda record: record.update(changes)


@pytest.mark.parametrize(
    ("edit", "code", "usable"),
    [
        (array_change(fill_value=7), "fill-value", True),
        (array_change(dtype="<c8"), "dtype", False),
        (array_change(dtype=[["a", "<u1"], ["b", "<f4"]]), "dtype", False),
        (array_change(shape=[40, 48]), "array-chunks", False),
        (array_change(shape=[40, 48], chunks=[16, 16]), "not-3d", False),
        (array_change(shape=[40, -48, 56]), "array-shape", False),
        (array_change(shape="large"), "array-shape", False),
        (array_change(chunks=[0, 16, 16]), "array-chunks", False),
        (array_change(shape=[10**9] * 3), "level-shape", True),
        (array_change(shape=[2**62] * 3), "array-shape", False),
        (array_change(chunks=[4096] * 3), "large-chunks", True),
        (array_change(shape=[0, 48, 56]), "empty-shape", False),
        (array_change(dimension_separator="."), "nothing-stored", True),
        (array_change(compressor={"id": "unheard-of"}), "cannot-open", False),
    ],
)
def test_each_fault_of_an_array_is_named(
    image: Path, edit: Callable[[Any], None], code: str, usable: bool
) -> None:
    change(image / "s0" / ".zarray", edit)
    found = look(image)
    assert code in codes(found)
    assert found.is_usable is usable


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"", b'{"a": NaN'])
@pytest.mark.parametrize("name", [".zattrs", ".zgroup", "s0/.zarray", "s1/.zattrs", "zarr.json"])
def test_no_broken_metadata_raises(image: Path, name: str, content: bytes) -> None:
    (image / name).write_bytes(content)
    found = look(image)
    assert not found.is_usable
    assert codes(found, Severity.ERROR)


def test_all_faults_are_told_together(image: Path) -> None:
    change(image / ".zattrs", forget_units)
    change(image / ".zattrs", translate_as_corners)
    change(image / "s0" / ".zarray", array_change(fill_value=3))
    (image / "s0" / "0" / "0" / "0.part").write_bytes(b"left over")
    (image / "s2" / ".zarray").unlink()
    assert codes(look(image)) == {
        "unit-missing",
        "level-place",
        "fill-value",
        "strange-files",
        "levels-absent",
    }


def test_truncated_chunks_are_found_in_the_sample(image: Path) -> None:
    for chunk in (image / "s0").glob("*/*/*"):
        chunk.write_bytes(chunk.read_bytes()[:100])
    found = look(image, sampled=2)
    assert not found.is_usable
    assert codes(found, Severity.ERROR) == {"chunk-broken"}
    assert sum(p.code == "chunk-broken" for p in found.problems) == 2
    assert any("s0/" in p.what and "truncated" in p.what for p in found.problems)


def test_a_chunk_made_to_burst_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("organelle.volumes.inspect_sample.MEMORY", 2**28)
    array = zarr.create_array(
        tmp_path / "bomb", shape=(16, 16, 16), chunks=(16, 16, 16), dtype="u1", zarr_format=2,
        compressors={"id": "gzip", "level": 1}, attributes={"voxel_size": [8, 8, 8]},
    )  # fmt: skip
    array[:] = 1
    (chunk,) = (p for p in (tmp_path / "bomb").rglob("0*") if p.is_file())
    chunk.write_bytes(b"".join([gzip.compress(bytes(2**24), 1)] * 25))  # 0.4 GB of zeros
    found = look(tmp_path / "bomb", sampled=1)
    assert codes(found, Severity.ERROR) == {"chunk-broken"}


def test_values_that_are_no_picture_are_told(tmp_path: Path) -> None:
    grid = Grid((8, 8, 8), (0, 0, 0), (16, 16, 16))
    holes = np.linspace(0, 1, 16**3, dtype=np.float32).reshape(grid.shape)
    holes[:4] = np.nan
    write_multiscale(tmp_path / "holes", holes, grid, kind=Kind.IMAGE)
    write_multiscale(tmp_path / "flat", np.full(grid.shape, 9, np.uint8), grid, kind=Kind.IMAGE)
    write_multiscale(tmp_path / "blank", np.zeros(grid.shape, np.uint8), grid, kind=Kind.IMAGE)
    write_multiscale(tmp_path / "wide", (holes[4:12] * 60_000).astype(np.uint16),
                     Grid((8, 8, 8), (0, 0, 0), (8, 16, 16)), kind=Kind.IMAGE)  # fmt: skip
    assert codes(look(tmp_path / "holes", sampled=1)) == {"not-finite"}
    assert codes(look(tmp_path / "flat", sampled=1)) == {"constant"}
    assert codes(look(tmp_path / "blank", sampled=1)) == {"nothing-stored"}
    (em,) = (use for use in look(tmp_path / "wide").uses if use.role == "EM")
    assert em.is_possible
    assert "--to-uint8" in em.why


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"II*\0" + bytes(300), "a TIFF file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(300), "an HDF5 file"),
        (bytes(208) + b"MAP " + bytes(100), "an MRC file"),
        (b"PK\x03\x04" + bytes(300), "a zip"),
        (b"", "it is a file"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "volume").write_bytes(content)
    (problem,) = look(tmp_path / "volume").problems
    assert told in problem.what


def test_nothing_and_addresses_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "em").mkdir()
    (problem,) = look(tmp_path / "em2").problems
    assert "nothing is stored there; nearest: em" in problem.what
    (problem,) = look(tmp_path / "em").problems
    assert "without zarr metadata" in problem.what
    (tmp_path / "em" / "1.tif").touch()
    (problem,) = look(tmp_path / "em").problems
    assert "a folder of TIFF files" in problem.what
    assert "csc catalog import" in problem.next
    with pytest.raises(SettingsError, match="an address begins with"):
        inspect_image("ftp://somewhere/else")


def test_counting_ends_and_says_so(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("organelle.volumes.inspect_chunks.MOST_FILES", 10)
    count = look(image).levels[0].count
    assert count is not None
    assert not count.is_exact
    assert 8 <= count.stored <= 10  # metadata files count, too
    assert str(count).startswith("at least ")


@pytest.mark.parametrize(("stage", "kind"), [("prediction", Kind.IMAGE), ("processed", Kind.INSTANCE)])
def test_results_that_are_named_like_a_class_are_no_labels(tmp_path: Path, stage: str, kind: Kind) -> None:
    write_multiscale(tmp_path / "mito", ARRAY, GRID, kind=kind, attributes={"organelle": {"stage": stage}})
    found = look(tmp_path / "mito")
    assert found.encoding is None
    possible = {use.role for use in found.uses if use.is_possible}
    assert ("a prediction" in possible) is (stage == "prediction")
    assert "labels" not in possible
    assert "a processed volume" in possible


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path) as server:
        yield server.url


def test_an_image_behind_a_web_server_is_asked_not_fetched(image: Path, server: str) -> None:
    found = look(f"{server}/em", sampled=2)
    assert found.is_usable
    count = found.levels[0].count
    assert count is not None
    assert (count.stored, count.total) == (36, 36)
    assert found.levels[0].sample is not None
    assert codes(look(f"{server}/elsewhere")) == {"not-zarr"}


def test_a_large_remote_image_is_asked_for_some_chunks(
    image: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("organelle.volumes.inspect_chunks.MOST_ASKED", 12)
    for chunk in (image / "s0" / "0").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    count = look(f"{server}/em").levels[0].count
    assert count is not None
    assert (count.asked, count.stored, count.total) == (12, 8, 36)
    assert str(count) == "8 of 12 that were asked for, of 36"


def test_a_bucket_lists_what_a_group_holds(image: Path, tmp_path: Path) -> None:
    with serve_s3(tmp_path, "bucket") as endpoint:
        found = look(f"s3://bucket?endpoint={endpoint}")
        assert dict(found.inside) == {"em": "image of 3 levels, NGFF 0.4"}
        em = look(f"s3://bucket/em?endpoint={endpoint}", sampled=2)
        assert em.is_usable
        assert em.levels[0].sample is not None
        assert codes(look(f"s3://bucket/none?endpoint={endpoint}")) == {"not-zarr"}
        assert codes(look(f"s3://elsewhere/em?endpoint={endpoint}")) == {"unreachable"}
