"""Every foreign form gives the same voxels, says its voxel size where it can, and is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from foreign_files import GREY, SHAPE, WRITERS, hdf5, mrc, n5, slices, tiff

from organelle.convert import ImportSettings, import_volume, open_foreign, plan_import
from organelle.errors import FileMissing, FormatError
from organelle.geometry import Box
from organelle.volumes import open_multiscale
from organelle.volumes.inspect import inspect_image

SIZE = ImportSettings(voxel_size_nm=(8, 4, 4))
SMALL = ImportSettings(voxel_size_nm=(8, 4, 4), chunks=(8, 16, 16), levels=3, memory_bytes=1)


@pytest.mark.parametrize("settings", [SIZE, SMALL], ids=["at once", "in bands"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_form_gives_the_same_voxels(tmp_path: Path, name: str, settings: ImportSettings) -> None:
    path = WRITERS[name](tmp_path, GREY)
    report = import_volume(plan_import(path, tmp_path / "out" / "em", settings))
    image = open_multiscale(report.path)
    assert image.levels[0].dtype == np.uint16
    np.testing.assert_array_equal(image.levels[0].read(), GREY)
    assert image.levels[0].grid.voxel_size_nm == (8, 4, 4)
    assert image.levels[0].grid.origin_nm == (0, 0, 0)
    found = inspect_image(report.path, sampled_chunks=0)
    assert {p.code for p in found.problems} == {"anisotropic"}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["em"]


@pytest.mark.parametrize("name", WRITERS)
def test_any_box_can_be_read(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path, GREY)
    with open_foreign(path) as source:
        for box in (Box((3, 7, 11), (5, 20, 30)), Box((20, 49, 69), (1, 1, 1)), Box((0, 0, 0), SHAPE)):
            np.testing.assert_array_equal(source.read(box), GREY[box.slices()])
        assert source.facts.shape == SHAPE
        assert source.facts.dtype == np.uint16


def test_a_single_page_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    path = tiff()(tmp_path, GREY[0])
    with open_foreign(path) as source:
        assert source.facts.shape == (1, *SHAPE[1:])


def told_size(path: Path, array: str | None = None) -> tuple[object, object]:
    with open_foreign(path, array=array) as source:
        return source.facts.voxel_size_nm, source.facts.origin_nm


def test_imagej_says_its_voxel_size(tmp_path: Path) -> None:
    path = tiff(imagej=True, resolution=(1 / 0.004, 1 / 0.005), metadata={"spacing": 0.03, "unit": "um"})
    assert told_size(path(tmp_path, GREY))[0] == pytest.approx((30, 5, 4))


def test_ome_says_its_voxel_size(tmp_path: Path) -> None:
    sizes = {"PhysicalSizeX": 4, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.005, "PhysicalSizeZ": 300,
             "PhysicalSizeZUnit": "Å"}  # fmt: skip
    path = tiff(ome=True, metadata={"axes": "ZYX", **sizes})(tmp_path, GREY)
    assert told_size(path)[0] == pytest.approx((30, 5, 4))


def test_the_resolution_of_a_plain_tiff_lacks_the_slices(tmp_path: Path) -> None:
    path = tiff(resolution=(1e7 / 4, 1e7 / 5), resolutionunit="CENTIMETER")(tmp_path, GREY)
    with pytest.raises(FormatError, match=r"pixels of 5 x 4 nm .*not how thick slices are.*--voxel-size"):
        plan_import(path, tmp_path / "em")
    screen = tiff(resolution=(72, 72), resolutionunit="INCH")(tmp_path, GREY)
    with pytest.raises(FormatError, match="its file does not say"):
        plan_import(screen, tmp_path / "em")


def test_mrc_says_its_voxel_size_in_angstrom(tmp_path: Path) -> None:
    path = mrc(tmp_path, GREY)
    with mrcfile.open(path, "r+") as file:
        file.voxel_size = (40, 50, 300)
    assert told_size(path)[0] == pytest.approx((30, 5, 4))
    with mrcfile.open(path, "r+") as file:
        file.voxel_size = 1
    with pytest.raises(FormatError, match="1 angstrom, which is what programs write that do not know"):
        plan_import(path, tmp_path / "em")


def test_hdf5_says_its_voxel_size(tmp_path: Path) -> None:
    path = hdf5()(tmp_path, GREY)
    with h5py.File(path, "r+") as file:
        file["volumes/raw"].attrs["resolution"] = [30.0, 5, 4]
        file["volumes/raw"].attrs["offset"] = [60.0, 10, 8]
    assert told_size(path) == ((30, 5, 4), (60, 10, 8))
    with h5py.File(path, "r+") as file:
        file["volumes/raw"].attrs["element_size_um"] = [0.03, 0.005, 0.004]
    assert told_size(path)[0] == pytest.approx((30, 5, 4))


@pytest.mark.parametrize(
    ("where", "attributes", "size", "origin"),
    [
        ("raw", {"resolution": [4, 5, 30], "units": ["nm"] * 3, "offset": [8, 10, 60]},
         (30, 5, 4), (60, 10, 8)),
        ("raw", {"pixelResolution": {"dimensions": [0.004, 0.005, 0.03], "unit": "um"}}, (30, 5, 4), None),
        ("raw", {"pixelResolution": {"dimensions": [4, 5, 30], "unit": "nm"},
                 "downsamplingFactors": [2, 2, 1]}, (30, 10, 8), None),
        (".", {"pixelResolution": [0.004, 0.005, 0.03]}, (30, 5, 4), None),
        ("raw", {"transform": {"axes": ["z", "y", "x"], "scale": [30, 5, 4], "translate": [60, 10, 8],
                               "units": ["nm"] * 3}}, (30, 5, 4), (60, 10, 8)),
        ("raw", {"transform": {"axes": ["x", "y", "z"], "scale": [4, 5, 30], "units": ["nm"] * 3}},
         (30, 5, 4), (0, 0, 0)),
        ("raw", {"resolution": [4, 5, 30], "units": ["parsec"] * 3}, None, None),
        ("raw", {"resolution": [0, 5, 30]}, None, None),
    ],
)  # fmt: skip
def test_n5_says_its_voxel_size_as_x_y_z(
    tmp_path: Path, where: str, attributes: dict[str, object], size: object, origin: object
) -> None:
    path = n5(tmp_path, GREY)
    record = path / where / "attributes.json"
    known = json.loads(record.read_text()) if record.exists() else {}
    record.write_text(json.dumps({**known, **attributes}))
    told = told_size(path)
    assert told[0] == (None if size is None else pytest.approx(size))
    assert told[1] == origin


def test_of_several_arrays_one_must_be_chosen(tmp_path: Path) -> None:
    path = hdf5()(tmp_path, GREY)
    with h5py.File(path, "r+") as file:
        file["volumes/labels"] = np.zeros(SHAPE, np.uint64)
        file["table"] = np.zeros((3, 3))
    told = r"volumes/labels \(21 x 50 x 70 uint64\), volumes/raw \(21 x 50 x 70 uint16\); choose one with"
    with pytest.raises(FormatError, match=told):
        plan_import(path, tmp_path / "em")
    with pytest.raises(FormatError, match="nearest: volumes/raw"):
        plan_import(path, tmp_path / "em", ImportSettings(array="volumes/rwa"))
    with open_foreign(path, array="/volumes/raw") as source:
        np.testing.assert_array_equal(source.read(Box((0, 0, 0), SHAPE)), GREY)

    n5(tmp_path, GREY, "a/raw")
    container = n5(tmp_path, GREY, "b")
    with pytest.raises(FormatError, match="it holds the arrays b, a/raw; choose one"):
        plan_import(container, tmp_path / "em")
    assert told_size(container, "a/raw") == (None, None)


def test_of_a_pyramid_in_n5_the_finest_is_taken(tmp_path: Path) -> None:
    n5(tmp_path, GREY[::2], "em/s1")
    path = n5(tmp_path, GREY, "em/s0")
    with open_foreign(path) as source:
        assert source.facts.shape == SHAPE


def test_missing_slices_are_named_and_may_be_repeated(tmp_path: Path) -> None:
    path = slices(tmp_path, GREY)
    (path / "cell1_9.tif").unlink()
    (path / "cell1_20.tif").unlink()
    with pytest.raises(
        FormatError, match=r"2 of the slices from 8 to 28 are missing: 9, 20; .*--repeat-missing"
    ):
        plan_import(path, tmp_path / "em", SIZE)
    with open_foreign(path, repeat_missing=True) as source:
        values = source.read(Box((0, 0, 0), SHAPE))
        assert source.facts.notes == ("missing slices are the slice before: 9, 20",)
    np.testing.assert_array_equal(values[1], GREY[0])
    np.testing.assert_array_equal(values[12], GREY[11])
    np.testing.assert_array_equal(values[13:], GREY[13:])


def add_smaller(folder: Path) -> None:
    tifffile.imwrite(folder / "cell1_12.tif", GREY[0, :40, :60])


def add_another_type(folder: Path) -> None:
    tifffile.imwrite(folder / "cell1_12.tif", GREY[0].astype(np.uint8))


def add_another_stack(folder: Path) -> None:
    tifffile.imwrite(folder / "cell2_29.tif", GREY[0])


def add_the_same_number(folder: Path) -> None:
    tifffile.imwrite(folder / "cell1_09.tif", GREY[0])


def add_without_number(folder: Path) -> None:
    tifffile.imwrite(folder / "average.tif", GREY[0])


def add_two_pages(folder: Path) -> None:
    tifffile.imwrite(folder / "cell1_12.tif", GREY[:2], photometric="minisblack")


def cut_short(folder: Path) -> None:
    file = folder / "cell1_12.tif"
    file.write_bytes(file.read_bytes()[:6])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (add_smaller, r"slices differ: 20 of 50 x 70 uint16 .*; 1 of 40 x 60 uint16 \(cell1_12.tif\)"),
        (add_another_type, r"slices differ: .* 1 of 50 x 70 uint8"),
        (add_another_stack, r"seems to hold several stacks"),
        (add_the_same_number, r"cell1_09.tif and cell1_9.tif have the same number"),
        (add_without_number, r"average.tif has no number"),
        (add_two_pages, r"cell1_12.tif has 2 pages"),
        (cut_short, r"cell1_12.tif (cannot be read|is truncated)"),
    ],
)
def test_folders_that_are_no_stack_are_refused(tmp_path: Path, spoil: object, told: str) -> None:
    path = slices(tmp_path, GREY)
    spoil(path)  # type: ignore[operator]
    with pytest.raises(FormatError, match=told):
        plan_import(path, tmp_path / "em", SIZE)


def test_what_is_no_stack_is_named(tmp_path: Path) -> None:
    def refused(path: Path, told: str) -> None:
        with pytest.raises(FormatError, match=told):
            plan_import(path, tmp_path / "em", SIZE)

    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((5, 16, 16, 3), np.uint8), photometric="rgb")
    refused(tmp_path / "rgb.tif", "holds colours")
    tifffile.imwrite(tmp_path / "many.tif", np.zeros((2, 3, 5, 16, 17), np.uint8), imagej=True)
    refused(tmp_path / "many.tif", "has the axes TZCYX")
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        file.write(GREY[0], metadata=None)
        file.write(GREY[0, :9], metadata=None)
    refused(
        tmp_path / "mixed.tif", r"0: 50 x 70 uint16 \(YX\), 1: 9 x 70 uint16 \(YX\); choose one with --array"
    )
    hdf5()(tmp_path, np.zeros((2, 5, 6, 7), np.uint8))
    refused(tmp_path / "volume.h5", "a volume has z, y, x")
    mrc(tmp_path, np.zeros((4, 5, 6), np.complex64))
    refused(tmp_path / "volume.mrc", "no real volume")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "neither TIFF, MRC nor HDF5")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "neither TIFF slices nor N5 nor zarr in it; it holds nothing")
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / ".zgroup").write_text('{"zarr_format": 2}')
    refused(tmp_path / "group", "no array and no image; it holds nothing")
    with pytest.raises(FileMissing, match=r"nearest: volume\.h5"):
        plan_import(tmp_path / "volume.hdf5", tmp_path / "em", SIZE)


@pytest.mark.parametrize("name", ["raw TIFF", "LZW strips", "MRC", "HDF5", "ImageJ"])
def test_truncated_files_are_named(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path, GREY)
    path.write_bytes(path.read_bytes()[:-9_000])
    with pytest.raises(FormatError, match=rf"{path.name}.* (truncated|cannot be opened)"):
        import_volume(plan_import(path, tmp_path / "em", SIZE))
    assert not (tmp_path / "em").exists()


def test_bytes_of_mrc_are_signed_unless_imod_says_otherwise(tmp_path: Path) -> None:
    signed = (GREY // 256).astype(np.int16) - 128
    path = mrc(tmp_path, signed.astype(np.int8))
    plan = plan_import(path, tmp_path / "a", SIZE)
    assert plan.notes == ("signed bytes: 128 was added to each",)
    image = open_multiscale(import_volume(plan).path)
    np.testing.assert_array_equal(image.levels[0].read(), (signed + 128).astype(np.uint8))

    content = bytearray(path.read_bytes())
    content[152:160] = np.array([1146047817, 0], "<i4").tobytes()
    path.write_bytes(content)
    plan = plan_import(path, tmp_path / "b", SIZE)
    image = open_multiscale(import_volume(plan).path)
    np.testing.assert_array_equal(image.levels[0].read(), signed.astype(np.int8).view(np.uint8))


def ome_zarr(path: Path, array: np.ndarray, axes: str, scale: list[float], unit: str | None) -> Path:
    named = [{"name": a, **({"unit": unit} if unit and a in "zyx" else {})} for a in axes]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    record = {"multiscales": [{"version": "0.4", "axes": named, "datasets": [level]}]}
    zarr.create_group(path, zarr_format=2, attributes=record).create_array(
        "0", data=array, chunks=tuple(min(16, n) for n in array.shape)
    )
    return path


def test_zarr_of_other_axes_is_turned(tmp_path: Path) -> None:
    five = ome_zarr(tmp_path / "five", GREY[None, None], "tczyx", [1, 1, 0.03, 0.005, 0.004], "micrometer")
    turned = ome_zarr(tmp_path / "turned", GREY.T, "xyz", [4, 5, 30], "nanometer")
    for path in (five, turned):
        report = import_volume(plan_import(path, tmp_path / "out" / path.name))
        level = open_multiscale(report.path).levels[0]
        np.testing.assert_array_equal(level.read(), GREY)
        assert level.grid.voxel_size_nm == pytest.approx((30, 5, 4))


def test_zarr_without_a_voxel_size_or_with_channels(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "bare", data=GREY)
    with pytest.raises(FormatError, match="voxel size of bare is not known: its attributes do not say"):
        plan_import(tmp_path / "bare", tmp_path / "em")
    image = open_multiscale(import_volume(plan_import(tmp_path / "bare", tmp_path / "em", SIZE)).path)
    np.testing.assert_array_equal(image.levels[0].read(), GREY)
    two = ome_zarr(tmp_path / "two", GREY[None].repeat(2, 0), "czyx", [1, 8, 4, 4], "nanometer")
    with pytest.raises(FormatError, match="axes c, z, y, x; a volume has z, y, x"):
        plan_import(two, tmp_path / "em2")
    no_unit = ome_zarr(tmp_path / "no_unit", GREY, "zyx", [8, 4, 4], None)
    with pytest.raises(FormatError, match="its axes have no unit"):
        plan_import(no_unit, tmp_path / "em2")
