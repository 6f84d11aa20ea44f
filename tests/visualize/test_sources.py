"""Whatever form volumes have and wherever they lie, the viewer gets arrays that it can decode."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from drawn_challenge import CATALOG, CROP, EM_GRID, write_drawn

from organelle.catalog import Catalog, em_folder, label_path, prediction_path, processed_path
from organelle.classes import Kind
from organelle.errors import FileMissing, SubmissionError
from organelle.geometry import Grid
from organelle.submission import ZarrZip
from organelle.visualize import Choice, ImageKind, Scene, contact_sheet, serve, visualize
from organelle.visualize.levels import DECODED_CODECS, DECODED_TYPES, DecodedLevel, StoredLevel, chunk_counts
from organelle.volumes import write_multiscale, write_volume

CODECS = {"zstd": numcodecs.Zstd, "gzip": numcodecs.GZip, "zlib": numcodecs.Zlib, "blosc": numcodecs.Blosc}
SMALL = Grid((8.0, 4.0, 4.0), (0.0, 2.0, 2.0), (11, 13, 17))


def decode(scene: Scene, key: str, level: str = "s0") -> np.ndarray:
    """An array from what the scene gives out, with no more than what the viewer knows of zarr v2."""
    spec = scene._level(key, level).zarray
    assert spec["zarr_format"] == 2
    assert spec["dtype"] in DECODED_TYPES
    assert spec["dimension_separator"] == "/"
    assert spec["filters"] is None
    assert isinstance(spec["fill_value"], int | float)
    compressor = spec["compressor"]
    assert (compressor or {}).get("id") in DECODED_CODECS
    codec = CODECS[compressor["id"]]() if compressor else None
    shape, chunks = spec["shape"], spec["chunks"]
    padded = [n * c for n, c in zip(chunk_counts(spec), chunks, strict=True)]
    whole = np.full(padded, spec["fill_value"], spec["dtype"])
    for index in np.ndindex(*chunk_counts(spec)):
        data = scene.stored(key, level, "/".join(map(str, index)))
        if data is not None:
            voxels = np.frombuffer(codec.decode(data) if codec else data, spec["dtype"])
            place = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))
            whole[place] = voxels.reshape(chunks, order=spec["order"])
    return whole[tuple(slice(0, n) for n in shape)]


def em_scene(data: Path) -> Scene:
    return visualize(CATALOG, Choice(datasets=["drawn"], kinds=(ImageKind.EM,)), data=data, work=data)


def store_em(data: Path, array: np.ndarray, **options) -> None:
    """EM of one level written by zarr itself."""
    folder = em_folder(data, "drawn")
    write_multiscale(folder, np.zeros(array.shape, np.uint8), EM_GRID, kind=Kind.IMAGE)
    level = folder / "s0"
    for file in sorted(level.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    made = zarr.create_array(level, shape=array.shape, dtype=array.dtype, **options)
    made[...] = array


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ({"zarr_format": 2, "compressors": numcodecs.Zstd(checksum=True)}, StoredLevel),
        ({"zarr_format": 2, "compressors": numcodecs.Blosc("zstd", shuffle=2)}, StoredLevel),
        ({"zarr_format": 2, "compressors": numcodecs.GZip()}, StoredLevel),
        ({"zarr_format": 2, "compressors": None}, StoredLevel),
        ({"zarr_format": 2, "compressors": None, "order": "F"}, StoredLevel),
        ({"zarr_format": 2, "compressors": numcodecs.LZ4()}, DecodedLevel),
        ({"zarr_format": 2, "compressors": None, "filters": [numcodecs.Delta("u1")]}, DecodedLevel),
        ({"zarr_format": 3}, DecodedLevel),
        ({"zarr_format": 3, "shards": (40, 40, 40)}, DecodedLevel),
    ],
)
def test_every_way_to_store_em(tmp_path, options, form):
    grey = np.random.default_rng(0).integers(1, 255, EM_GRID.shape, dtype=np.uint8)
    store_em(tmp_path, grey, chunks=(20, 20, 20), **options)
    scene = em_scene(tmp_path)
    assert isinstance(scene._level("em/drawn", "s0"), form)
    assert np.array_equal(decode(scene, "em/drawn"), grey)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "float64", "int64"])
@pytest.mark.parametrize("class_name", ["mito", "er"])
def test_every_type_of_labels_keeps_its_values(tmp_path, dtype, class_name):
    labels = np.random.default_rng(0).integers(0, 2, SMALL.shape).astype(dtype)
    write_volume(
        processed_path(tmp_path, CROP, class_name), labels.astype(np.dtype(dtype).newbyteorder("=")), SMALL
    )
    scene = visualize(CATALOG, data=tmp_path, work=tmp_path)
    key = f"processed/crop7/{class_name}"
    assert np.array_equal(decode(scene, key), labels)
    assert np.dtype(scene._level(key, "s0").zarray["dtype"]).kind in "iu"


def test_probabilities_stay_fractions(tmp_path):
    share = np.random.default_rng(0).random(SMALL.shape)
    write_multiscale(prediction_path(tmp_path, CROP, "er"), share, SMALL, kind=Kind.IMAGE)
    scene = visualize(CATALOG, data=tmp_path, work=tmp_path)
    assert np.array_equal(decode(scene, "prediction/crop7/er"), share.astype(np.float32))


def test_a_group_lists_only_the_levels_that_are_here(tmp_path):
    """They keep their places: the second level begins half a fine voxel later."""
    data = write_drawn(tmp_path / "data")
    shutil.rmtree(em_folder(data, "drawn") / "s0")
    attributes = json.loads(em_scene(data).stored("em/drawn", None, ".zattrs"))
    (level,) = attributes["multiscales"][0]["datasets"]
    steps = {step["type"]: step[step["type"]] for step in level["coordinateTransformations"]}
    assert steps == {"scale": [8.0] * 3, "translation": [64.0, 164.0, 264.0]}


def test_a_single_array_is_a_group_of_one_level(tmp_path):
    write_volume(processed_path(tmp_path, CROP, "mito"), np.ones(SMALL.shape, np.uint8), SMALL)
    scene = visualize(CATALOG, data=tmp_path, work=tmp_path)
    attributes = json.loads(scene.stored("processed/crop7/mito", None, ".zattrs"))
    (level,) = attributes["multiscales"][0]["datasets"]
    assert level["coordinateTransformations"][1]["translation"] == list(SMALL.origin_nm)


@pytest.mark.parametrize("deflated", [False, True])
def test_a_submission_is_read_in_its_zip(tmp_path, catalog: Catalog, deflated):
    crop = next(iter(catalog.test_crops.values()))
    ids = np.random.default_rng(0).integers(0, 900, crop.grid.shape).astype(np.uint16)
    ids[:16, :16, :16] = 0
    with ZarrZip(tmp_path / "submission.zip", chunk_voxels=16) as archive:
        archive.write_group("")
        archive.write_group(f"{crop.name}/")
        archive.write_labels(f"{crop.name}/mito", crop.grid, ids)
    if deflated:
        deflate(tmp_path / "submission.zip")
    scene = visualize(catalog, Choice(crops="test"), data=tmp_path, work=tmp_path)
    key = f"submission/{crop.name}/mito"
    assert list(scene.images) == [key]
    assert np.array_equal(decode(scene, key), ids)
    assert scene.stored(key, "s0", "0/0/0") is None
    assert "mito submission" in {
        layer["name"] for layer in scene.state(crop.name, "http://localhost")["layers"]
    }
    assert contact_sheet(scene, crop).shape[2] == 3


def deflate(archive: Path) -> None:
    """Write the zip anew as ordinary programs do."""
    with zipfile.ZipFile(archive) as source:
        files = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, data)


def test_a_submission_that_is_none_is_told(tmp_path, catalog):
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 not really")
    with pytest.raises(SubmissionError, match=r"broken\.zip"):
        visualize(catalog, data=tmp_path, work=tmp_path, submission_path=tmp_path / "broken.zip")
    with pytest.raises(FileMissing):
        visualize(catalog, data=tmp_path, work=tmp_path, submission_path=tmp_path / "none.zip")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The drawn challenge on a web server: its address, its folder, and what was asked of it."""
    data, asked = write_drawn(tmp_path / "far"), []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(data)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", data, asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_remote_stores_are_shown_through_this_machine(far, tmp_path):
    address, data, asked = far
    scene = visualize(CATALOG, data=address, work=tmp_path)
    here = visualize(CATALOG, data=data, work=tmp_path)
    assert set(scene.images) == set(here.images)
    with (
        serve(scene) as server,
        urllib.request.urlopen(f"{server.url}data/em/drawn/s0/0/0/0", timeout=20) as answer,
    ):
        assert answer.read() == here.stored("em/drawn", "s0", "0/0/0")
    assert any(path.endswith("em/fibsem-uint8/s0/0/0/0") for path in asked)
    assert np.array_equal(decode(scene, "truth/crop7/mito"), decode(here, "truth/crop7/mito"))
    assert np.array_equal(contact_sheet(scene, CROP), contact_sheet(here, CROP))


def test_a_broken_image_is_left_out_and_told(tmp_path):
    data = write_drawn(tmp_path / "data")
    (label_path(data, CROP, "mito") / ".zattrs").write_text("{")
    scene = visualize(CATALOG, data=data, work=tmp_path)
    names = {layer["name"] for layer in scene.state("crop7", "http://localhost")["layers"]}
    assert {"EM", "er truth", "cell truth"} <= names
    assert "mito truth" not in names
    assert "not valid JSON" in scene.problems["truth/crop7/mito"]
