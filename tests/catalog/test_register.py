"""A user's own EM becomes a dataset that every stage can use."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from organelle.catalog import em_folder, em_link, em_path, label_path, load_catalog
from organelle.catalog.register import one_line, register
from organelle.classes import Kind, scored_classes
from organelle.convert import ImportSettings, import_volume, plan_import
from organelle.errors import CatalogError, ClassNotFound, FileMissing, FormatError, OutputExists
from organelle.files import sha256
from organelle.geometry import Box, Extent, Grid
from organelle.pack import pack
from organelle.sampling import open_em
from organelle.visualize import visualize
from organelle.volumes import open_multiscale, write_labels, write_multiscale

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import serve

GRID = Grid((8, 8, 8), (0, 0, 0), (40, 48, 56))
GREY = np.random.default_rng(8).integers(1, 255, GRID.shape, dtype=np.uint8)


@pytest.fixture
def em(tmp_path: Path) -> Path:
    write_multiscale(tmp_path / "lab" / "em", GREY, GRID, kind=Kind.IMAGE, levels=2, chunks=(16, 16, 16))
    return tmp_path / "lab" / "em"


def test_one_call_makes_the_catalog_the_crop_and_the_link(tmp_path: Path, em: Path) -> None:
    done = register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data")
    catalog = load_catalog(tmp_path / "mine")
    assert catalog.datasets == {"liver": done.dataset}
    assert done.dataset.em_voxel_size_nm == (8, 8, 8)
    assert done.dataset.extent_um_xyz == (0.448, 0.384, 0.32)
    (crop,) = catalog.test_crops.values()
    assert (crop.id, crop.grid) == (1, GRID)
    assert set(crop.classes) == {c.name for c in scored_classes()}
    assert catalog.train_crops == {}
    assert em_path(tmp_path / "data", "liver") == em
    np.testing.assert_array_equal(open_em(tmp_path / "data", crop).levels[0].read(), GREY)
    assert one_line(crop).startswith("crop 1, to predict: 40 x 48 x 56 voxels of 8 x 8 x 8 nm, ")


def test_the_same_call_again_changes_nothing(tmp_path: Path, em: Path) -> None:
    def run() -> tuple[int, int]:
        done = register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data", classes=["mito"])
        return len(done.added), len(done.kept)

    assert run() == (1, 0)
    before = sha256(tmp_path / "mine"), sha256(tmp_path / "data")
    assert run() == (0, 1)
    assert (sha256(tmp_path / "mine"), sha256(tmp_path / "data")) == before


def test_boxes_in_voxels_and_in_nm_lie_on_em_voxels(tmp_path: Path, em: Path) -> None:
    boxes = [Box((8, 0, 16), (16, 24, 32)), Extent((60, 4, 4), (100, 80, 80))]
    done = register(
        "liver", em, catalog=tmp_path / "mine", data=tmp_path / "data", boxes=boxes, classes=["er"]
    )
    first, second = (crop.grid for crop in done.added)
    assert (first.origin_nm, first.shape) == ((64, 0, 128), (16, 24, 32))
    assert (second.origin_nm, second.shape) == ((64, 8, 8), (13, 10, 10))
    coarse = register(
        "liver", em, catalog=tmp_path / "mine", data=tmp_path / "data", boxes=[Box((1, 1, 1), (2, 3, 4))],
        classes=["er"], voxel_size_nm=(16, 16, 16),
    )  # fmt: skip
    (crop,) = coarse.added
    assert crop.id == 3
    assert (crop.grid.origin_nm, crop.grid.shape) == ((4, 4, 4), (2, 2, 3))
    assert len(load_catalog(tmp_path / "mine").test_crops) == 3


@pytest.mark.parametrize(
    "box", [Box((0, 0, 0), (41, 48, 56)), Box((-1, 0, 0), (4, 4, 4)), Extent((1e6, 0, 0), (80, 80, 80))]
)
def test_boxes_outside_of_the_em_are_refused(tmp_path: Path, em: Path, box: Box | Extent) -> None:
    with pytest.raises(CatalogError, match="does not lie in the EM, which has"):
        register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data", boxes=[box])
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "data").exists()


def test_a_voxel_size_in_micrometres_is_no_crop_of_many_terabytes(tmp_path: Path, em: Path) -> None:
    with pytest.raises(CatalogError, match=r"more than 64 times finer than those of the EM.*in nm\?"):
        register("mine", em, catalog=tmp_path / "c", data=tmp_path / "d", voxel_size_nm=(0.008, 0.008, 0.008))
    assert not (tmp_path / "c").exists()


def test_tables_that_are_there_keep_their_rows(tmp_path: Path, em: Path, tiny_challenge: Path) -> None:
    from shutil import copy

    before = load_catalog(tiny_challenge)
    (tmp_path / "mine").mkdir()
    for name in ("datasets.csv", "train_crops.csv", "test_crops.csv"):
        copy(tiny_challenge / name, tmp_path / "mine" / name)
    done = register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data")
    after = load_catalog(tmp_path / "mine")
    assert {**before.datasets, "liver": done.dataset} == after.datasets
    assert after.train_crops == before.train_crops
    assert done.added[0].id == max(before.crops) + 1
    assert {**before.test_crops, done.added[0].id: done.added[0]} == after.test_crops


def test_columns_of_ones_own_are_not_lost(tmp_path: Path, em: Path) -> None:
    register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data")
    table = tmp_path / "mine" / "datasets.csv"
    header, row = table.read_text().splitlines()
    table.write_text(f"{header},remark\n{row},good\n")
    with pytest.raises(CatalogError, match="columns that would be lost: remark"):
        register("kidney", em, catalog=tmp_path / "mine", data=tmp_path / "data")


def test_another_em_takes_a_name_only_when_asked(tmp_path: Path, em: Path) -> None:
    places = {"catalog": tmp_path / "mine", "data": tmp_path / "data"}
    register("liver", em, **places, boxes=[Box((0, 0, 0), (8, 8, 8))])
    other = tmp_path / "lab" / "em2"
    write_multiscale(other, GREY[:20], Grid((4, 4, 4), (0, 0, 0), (20, 48, 56)), kind=Kind.IMAGE)
    with pytest.raises(OutputExists, match="liver is known already"):
        register("liver", other, **places)
    assert em_path(tmp_path / "data", "liver") == em
    register("liver", other, **places, overwrite=True)
    assert em_path(tmp_path / "data", "liver") == other
    catalog = load_catalog(tmp_path / "mine")
    assert [crop.grid.shape for crop in catalog.test_crops.values()] == [(20, 48, 56)]
    assert catalog.datasets["liver"].em_voxel_size_nm == (4, 4, 4)


def test_em_in_its_place_needs_no_link(tmp_path: Path) -> None:
    place = em_folder(tmp_path / "data", "liver")
    write_multiscale(place, GREY, GRID, kind=Kind.IMAGE)
    register("liver", place, catalog=tmp_path / "mine", data=tmp_path / "data")
    assert not em_link(tmp_path / "data", "liver").exists()
    write_multiscale(tmp_path / "em2", GREY, GRID, kind=Kind.IMAGE)
    with pytest.raises(OutputExists, match="is another volume"):
        register("liver", tmp_path / "em2", catalog=tmp_path / "mine", data=tmp_path / "data", overwrite=True)


def test_links_are_relative_within_the_data_folder(tmp_path: Path) -> None:
    write_multiscale(tmp_path / "data" / "raw" / "em", GREY, GRID, kind=Kind.IMAGE)
    register("liver", tmp_path / "data" / "raw" / "em", catalog=tmp_path / "mine", data=tmp_path / "data")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert em_path(tmp_path / "moved", "liver") == tmp_path / "moved" / "raw" / "em"


def test_links_name_addresses_and_a_volume_in_place_wins(tmp_path: Path) -> None:
    link = em_link(tmp_path, "liver")
    assert em_path(tmp_path, "liver") == em_folder(tmp_path, "liver")
    link.parent.mkdir(parents=True)
    link.write_text("https://data.example/em.zarr\n")
    assert str(em_path(tmp_path, "liver")) == "https://data.example/em.zarr"
    link.write_text("  \n")
    with pytest.raises(CatalogError, match="is empty"):
        em_path(tmp_path, "liver")
    write_multiscale(em_folder(tmp_path, "liver"), GREY, GRID, kind=Kind.IMAGE)
    assert em_path(tmp_path, "liver") == em_folder(tmp_path, "liver")


def test_em_on_a_web_server_is_read_from_there(tmp_path: Path, em: Path) -> None:
    with serve(tmp_path / "lab") as server:
        done = register("liver", f"{server.url}/em", catalog=tmp_path / "mine", data=tmp_path / "data")
        assert em_link(tmp_path / "data", "liver").read_text() == f"{server.url}/em\n"
        np.testing.assert_array_equal(open_em(tmp_path / "data", done.added[0]).levels[0].read(), GREY)
        again = register("liver", f"{server.url}/em", catalog=tmp_path / "mine", data=tmp_path / "data")
    assert (len(again.added), len(again.kept)) == (0, 1)


def test_own_labels_become_a_training_crop(tmp_path: Path, em: Path) -> None:
    box = Box((8, 8, 8), (16, 16, 16))
    labels = tmp_path / "annotated"
    for name in ("mito", "er"):
        array = (GREY[box.slices()] > 128).astype(np.uint8)
        write_labels(labels / name, array, GRID.subgrid(box), name)
    done = register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data", labels=labels)
    (crop,) = load_catalog(tmp_path / "mine").train_crops.values()
    assert crop == done.added[1]
    assert (set(crop.classes), crop.grid) == ({"mito", "er"}, GRID.subgrid(box))
    stored = open_multiscale(label_path(tmp_path / "data", crop, "mito")).levels[0]
    np.testing.assert_array_equal(stored.read(), GREY[box.slices()] > 128)
    assert visualize(load_catalog(tmp_path / "mine"), data=tmp_path / "data", work=tmp_path).problems == {}
    again = register("liver", em, catalog=tmp_path / "mine", data=tmp_path / "data", labels=labels)
    assert (len(again.added), len(again.kept)) == (0, 2)

    write_labels(labels / "nuc", np.zeros((4, 4, 4), np.uint8), Grid((8, 8, 8), (0, 0, 0), (4, 4, 4)), "nuc")
    with pytest.raises(CatalogError, match=r"nuc .* is not on the grid of er"):
        register("liver", em, catalog=tmp_path / "other", data=tmp_path / "data", labels=labels)


def test_what_is_no_em_is_refused(tmp_path: Path, em: Path) -> None:
    places = {"catalog": tmp_path / "mine", "data": tmp_path / "data"}
    write_labels(tmp_path / "mito", np.zeros(GRID.shape, np.uint8), GRID, "mito")
    with pytest.raises(FormatError, match="holds labels, not EM"):
        register("liver", tmp_path / "mito", **places)
    with pytest.raises(FileMissing):
        register("liver", tmp_path / "nothing", **places)
    with pytest.raises(CatalogError, match="no name of a dataset"):
        register("../liver", em, **places)
    with pytest.raises(ClassNotFound):
        register("liver", em, **places, classes=["mitos"])
    with pytest.raises(FileMissing, match="named like a class"):
        register("liver", em, **places, labels=tmp_path / "lab")
    assert not (tmp_path / "mine").exists()


def test_em_of_sixteen_bits_is_told(tmp_path: Path) -> None:
    write_multiscale(tmp_path / "em", GREY.astype(np.uint16) * 200, GRID, kind=Kind.IMAGE)
    (note,) = register("liver", tmp_path / "em", catalog=tmp_path / "mine", data=tmp_path / "data").notes
    assert "uint16" in note
    assert "--to-uint8" in note


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_stack_goes_through_every_stage(tmp_path: Path, dtype: type) -> None:
    """Import, register, predict with an untrained network, process, pack."""
    torch = pytest.importorskip("torch")
    from organelle.models import Checkpoint, ModelSpec, Normalisation, build_network, save_checkpoint
    from organelle.predict import plan_predict, predict
    from organelle.process import process

    grid = GRID.subgrid(Box((0, 0, 0), (32, 32, 40)))  # two patches
    grey = GREY[:32, :32, :40].astype(dtype) * (1 if dtype is np.uint8 else 200)
    tifffile.imwrite(tmp_path / "stack.tif", grey, photometric="minisblack", compression="lzw")
    settings = ImportSettings(voxel_size_nm=(8, 8, 8))
    em = import_volume(plan_import(tmp_path / "stack.tif", tmp_path / "own.zarr" / "em", settings)).path
    register("own", em, catalog=tmp_path / "mine", data=tmp_path / "data", classes=["mito", "er"])
    catalog = load_catalog(tmp_path / "mine")
    spec = ModelSpec.model_validate({
        "network": "unet_3d", "options": {"features": [4] * 6, "groups": 2}, "classes": ["mito", "er"],
        "voxel_size_nm": [8, 8, 8], "patch_shape": [32, 32, 32],
        "normalisation": {"mean": float(grey.mean()), "std": float(grey.std())},
    })  # fmt: skip
    torch.manual_seed(0)
    network = build_network(spec)
    checkpoint = save_checkpoint(tmp_path / "untrained.pt", Checkpoint(spec, 0, network.state_dict()))
    report = predict(checkpoint, catalog, "test", data=tmp_path / "data", work=tmp_path / "work")
    assert report.warnings == ()
    values = open_multiscale(report.written[0]).levels[0]
    assert values.grid == grid
    assert np.unique(values.read()).size > 5
    eight_bit = spec.with_normalisation(Normalisation(mean=128, std=60))
    other = save_checkpoint(tmp_path / "other.pt", Checkpoint(eight_bit, 0, network.state_dict()))
    plan = plan_predict(other, catalog, "test", data=tmp_path / "data", work=tmp_path / "elsewhere")
    assert ["--to-uint8" in warning for warning in plan.warnings] == ([] if dtype is np.uint8 else [True])
    process(catalog, "test", work=tmp_path / "work")
    packed = pack(catalog, tmp_path / "work", tmp_path / "submission.zip")
    assert [(row.crop, row.class_name) for row in packed.rows] == [(1, "mito"), (1, "er")]
