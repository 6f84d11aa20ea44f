from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from organelle.catalog import em_path, label_path, load_catalog
from organelle.classes import Kind
from organelle.errors import FileMissing, FormatError, OutputExists
from organelle.geometry import Box, Grid
from organelle.volumes import (
    create_multiscale,
    open_multiscale,
    open_volume,
    write_labels,
    write_multiscale,
    write_volume,
)

GRID = Grid((5.24, 4.0, 4.0), (10.0, 20.0, -30.0), (21, 33, 18))


def drawn(shape: tuple[int, ...] = GRID.shape) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def image_record(datasets: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    return {"version": "0.4", "axes": axes, "datasets": datasets, **more}


def scaled(path: str, scale: list[float], translation: list[float] | None = None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if translation is not None:
        steps.append({"type": "translation", "translation": translation})
    return {"path": path, "coordinateTransformations": steps}


def write_image(path: Path, record: dict[str, Any], arrays: dict[str, np.ndarray], version: int = 2) -> Path:
    attributes = (
        {"multiscales": [record]} if version == 2 else {"ome": {"version": "0.5", "multiscales": [record]}}
    )
    group = zarr.create_group(str(path), zarr_format=version, attributes=attributes)  # type: ignore[arg-type]
    for name, array in arrays.items():
        group.create_array(name, data=array, chunks=(16, 16, 16))
    return path


def test_an_image_written_is_read_with_its_levels(tmp_path: Path) -> None:
    array = drawn()
    image = write_multiscale(tmp_path / "d.zarr" / "recon-1" / "em", array, GRID, kind=Kind.IMAGE, levels=3)
    again = open_multiscale(image.path)
    assert [level.name for level in again.levels] == ["s0", "s1", "s2"]
    assert again.levels[0].grid == GRID
    for k, level in enumerate(again.levels):
        assert level.grid.voxel_size_nm == pytest.approx([v * 2**k for v in GRID.voxel_size_nm])
        assert level.grid.origin_nm == pytest.approx(
            [t + v * (2**k - 1) / 2 for t, v in zip(GRID.origin_nm, GRID.voxel_size_nm, strict=True)]
        )
        assert (level.path / "0" / "0").is_dir()
    np.testing.assert_array_equal(again.levels[0].read(), array)
    np.testing.assert_array_equal(
        open_volume(image.path / "s1").grid.origin_nm, again.levels[1].grid.origin_nm
    )
    assert again.attributes["organelle"] == {"kind": "image"}
    assert again.attributes["multiscales"][0]["name"] == "em"
    assert (tmp_path / "d.zarr" / "recon-1" / ".zgroup").is_file()
    assert sorted(p.name for p in (tmp_path / "d.zarr" / "recon-1").iterdir()) == [".zgroup", "em"]


def test_the_levels_of_the_real_sample_are_read(shared: Path) -> None:
    catalog, bucket = load_catalog(shared / "sample"), shared / "sample" / "bucket"
    for crop in catalog.train_crops.values():
        em = open_multiscale(em_path(bucket, crop.dataset))
        for name in crop.classes:
            labels = open_multiscale(label_path(bucket, crop, name))
            assert labels.levels[0].grid == crop.grid
            for level in labels.levels:
                twin = em.level(level.grid.voxel_size_nm)
                assert twin is not None
                assert twin.grid.box.contains(Box(twin.grid.shift_to(level.grid), (1, 1, 1)))


@pytest.mark.parametrize("version", [2, 3])
def test_levels_of_any_name_and_order_are_sorted_fine_to_coarse(tmp_path: Path, version: int) -> None:
    array = drawn()
    record = image_record([scaled("low", [20, 8, 8], [5, 2, 2]), scaled("full/res", [10, 4, 4])])
    arrays = {"low": array[::2, ::2, ::2], "full/res": array}
    image = open_multiscale(write_image(tmp_path / "i", record, arrays, version))
    assert [level.path.relative_to(image.path).as_posix() for level in image.levels] == ["full/res", "low"]
    assert image.levels[0].grid == Grid((10.0, 4.0, 4.0), (0.0, 0.0, 0.0), array.shape)
    assert image.levels[1].grid.origin_nm == (5.0, 2.0, 2.0)
    np.testing.assert_array_equal(image.levels[0].read(), array)


def test_a_transformation_of_the_whole_image_applies_after_the_levels_own(tmp_path: Path) -> None:
    more = [{"type": "scale", "scale": [2, 1, 1]}, {"type": "translation", "translation": [100, 0, 7]}]
    record = image_record([scaled("s0", [5, 4, 4], [10, 20, 30])], coordinateTransformations=more)
    image = open_multiscale(write_image(tmp_path / "i", record, {"s0": drawn()}))
    assert image.levels[0].grid.voxel_size_nm == (10.0, 4.0, 4.0)
    assert image.levels[0].grid.origin_nm == (120.0, 20.0, 37.0)


def test_units_become_nanometres(tmp_path: Path) -> None:
    record = image_record([scaled("s0", [0.004, 40, 4], [1, 10, 1])])
    for axis, unit in zip(record["axes"], ("micrometer", "angstrom", None), strict=True):
        axis.update({"unit": unit}) if unit else axis.pop("unit")
    grid = open_multiscale(write_image(tmp_path / "i", record, {"s0": drawn()})).levels[0].grid
    assert grid.voxel_size_nm == pytest.approx((4, 4, 4))
    assert grid.origin_nm == pytest.approx((1000, 1, 1))


def test_levels_that_were_not_fetched_are_left_out(tmp_path: Path) -> None:
    record = image_record([scaled("s0", [4, 4, 4]), scaled("s1", [8, 8, 8], [2, 2, 2])])
    path = write_image(tmp_path / "i", record, {"s1": drawn()})
    assert [level.name for level in open_multiscale(path).levels] == ["s1"]
    with pytest.raises(FileMissing, match="lists the levels s0, but none"):
        open_multiscale(write_image(tmp_path / "j", image_record([scaled("s0", [4, 4, 4])]), {}))


def test_a_level_without_a_chunk_is_blank_and_not_black(tmp_path: Path) -> None:
    image = create_multiscale(tmp_path / "i", GRID, "u1", kind=Kind.IMAGE, levels=2)
    assert not image.levels[1].present().any()
    assert image.levels[1].is_blank(image.levels[1].grid.box)


def test_a_plain_array_becomes_an_image_of_one_level(tmp_path: Path) -> None:
    write_volume(tmp_path / "a", drawn(), GRID)
    image = open_multiscale(tmp_path / "a")
    assert len(image.levels) == 1
    assert image.levels[0].grid == GRID


def test_levels_are_found_by_voxel_size(tmp_path: Path) -> None:
    image = create_multiscale(tmp_path / "i", GRID, "u1", kind=Kind.IMAGE, levels=4)
    s0, s1, s2, s3 = image.levels
    assert image.level((10.48, 8, 8)) is s1
    assert image.level((8, 8, 8)) is None
    assert image.nearest_level((8, 8, 8)) is s0
    assert image.nearest_level((10.48, 8, 8)) is s1
    assert image.nearest_level((12, 16, 16)) is s1
    assert image.nearest_level((1, 1, 1)) is s0
    assert image.nearest_level((900, 900, 900)) is s3
    assert image.nearest_level((8, 8, 8), finer=False) is s1
    assert image.nearest_level((20, 16, 16), finer=False) is s2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": [{"name": n} for n in "xyz"]}, "axes are x, y, z"),
        ({"axes": [{"name": n} for n in "czyx"]}, "axes are c, z, y, x"),
        ({"axes": [{"name": n, "unit": "parsec"} for n in "zyx"]}, "unit 'parsec'"),
        ({"datasets": [{"path": "s0"}]}, "incomplete"),
        ({"datasets": [scaled("s0", [1, 2])]}, "incomplete"),
        ({"datasets": "s0"}, "incomplete"),
        ({"coordinateTransformations": [{"type": "affine"}]}, "'affine' is neither"),
    ],
)
def test_metadata_that_cannot_be_used_is_explained(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    record = {**image_record([scaled("s0", [4, 4, 4])]), **change}
    path = write_image(tmp_path / "i", record, {"s0": drawn()})
    with pytest.raises(FormatError, match=message):
        open_multiscale(path)


@pytest.mark.parametrize("scale", [[0, 4, 4], [-4, 4, 4]])
def test_impossible_voxel_sizes_are_an_error(tmp_path: Path, scale: list[float]) -> None:
    path = write_image(tmp_path / "i", image_record([scaled("s0", scale)]), {"s0": drawn()})
    with pytest.raises(FormatError, match=r"i: level s0.*must be positive"):
        open_multiscale(path)


def test_a_group_that_is_no_image_says_what_it_holds(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "g"), zarr_format=2)
    group.create_group("mito")
    with pytest.raises(FormatError, match="group without multiscales metadata, not an image; it holds mito"):
        open_multiscale(tmp_path / "g")
    with pytest.raises(FormatError, match="is a group, not an array"):
        open_volume(tmp_path / "g")
    record = image_record([scaled("mito", [4, 4, 4])])
    (tmp_path / "g" / ".zattrs").write_text(json.dumps({"multiscales": [record]}))
    with pytest.raises(FormatError, match="must be an array"):
        open_multiscale(tmp_path / "g")


def test_an_image_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out_of_memory(*_: object) -> None:
        raise MemoryError

    write_multiscale(tmp_path / "old", drawn(), GRID, kind=Kind.IMAGE)
    monkeypatch.setattr("organelle.volumes.write.build_pyramid", run_out_of_memory)
    with pytest.raises(MemoryError):
        write_multiscale(tmp_path / "new", drawn(), GRID, kind=Kind.IMAGE, levels=2)
    with pytest.raises(MemoryError):
        write_multiscale(tmp_path / "old", drawn() * 0, GRID, kind=Kind.IMAGE, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    np.testing.assert_array_equal(open_multiscale(tmp_path / "old").levels[0].read(), drawn())
    with pytest.raises(OutputExists):
        write_multiscale(tmp_path / "old", drawn(), GRID, kind=Kind.IMAGE)
    with pytest.raises(OutputExists):
        create_multiscale(tmp_path / "old", GRID, "u1", kind=Kind.IMAGE)


def test_labels_carry_the_statistics_of_every_level(tmp_path: Path) -> None:
    array = np.zeros((8, 8, 8), dtype=np.uint8)
    array[:4] = 1
    array[6:] = 255
    grid = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (8, 8, 8))
    image = write_labels(tmp_path / "er", array, grid, "er", levels=2)
    counts = [level.attributes["cellmap"]["annotation"]["complement_counts"] for level in image.levels]
    assert counts[0] == {"absent": 128, "unknown": 128, "present": 256}
    assert counts[1] == {"absent": 16, "unknown": 16, "present": 32}
    assert image.attributes["cellmap"]["annotation"]["annotation_type"]["type"] == "semantic_segmentation"
    assert image.attributes["organelle"]["kind"] == "semantic"
