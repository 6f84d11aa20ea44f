from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from organelle.catalog import Catalog, load_catalog, write_tables
from organelle.errors import CatalogError, CropNotFound, DatasetNotFound, FileMissing, OutputExists
from organelle.geometry import Extent

DATASETS = "dataset,organism,sample,kind,preparation,em_voxel_size_nm,extent_um_xyz,em_doi\n"
CROPS = "crop,dataset,voxel_size_nm,translation_nm,shape,classes\n"


def write_challenge(folder: Path, datasets: str, train: str, test: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "datasets.csv").write_text(DATASETS + datasets)
    (folder / "train_crops.csv").write_text(CROPS + train)
    (folder / "test_crops.csv").write_text(CROPS + test)
    return folder


def test_the_challenge_is_built_in() -> None:
    catalog = load_catalog()
    assert len(catalog.datasets) == 22
    assert len(catalog.train_crops) == 289
    assert len(catalog.test_crops) == 16
    assert len(catalog.rows()) == 413
    assert {crop.dataset for crop, _ in catalog.rows()} <= set(catalog.datasets)
    assert len({crop.dataset for crop in catalog.test_crops.values()}) == 6
    voxels = sum(crop.grid.box.size for crop, _ in catalog.rows())
    assert voxels == pytest.approx(87.7e9, rel=1e-3)
    assert max(max(crop.grid.shape) for crop in catalog.test_crops.values()) == 1000


def test_the_built_in_tables_say_what_the_published_ones_say(shared: Path) -> None:
    ours, published = load_catalog(), load_catalog(shared / "facts")
    assert ours.datasets == published.datasets
    assert ours.train_crops == published.train_crops
    assert ours.test_crops == published.test_crops


def test_a_blank_stays_unstated() -> None:
    dataset = load_catalog().dataset("jrc_ut21-1413-003")
    assert (dataset.organism, dataset.preparation, dataset.em_doi) == (None, None, None)
    assert dataset.em_voxel_size_nm == (8.0, 8.0, 8.0)


def test_another_challenge_comes_from_a_folder(tmp_path: Path) -> None:
    folder = write_challenge(
        tmp_path / "mini",
        "d1,fly,,tissue,,50 4.6 4.6,,\n",
        "7,d1,50 4.6 4.6,0 2.5 -1,20 30 40,mito er\n",
        "8,d1,25 2 2,0 0 0,2 3 4,cell\n",
    )
    catalog = load_catalog(folder)
    crop = catalog.crop(7)
    assert catalog.name == "mini"
    assert (crop.name, crop.classes, crop.is_test) == ("crop7", ("mito", "er"), False)
    assert crop.extent == Extent((-25.0, 2.5 - 2.3, -1 - 2.3), (1000.0, 30 * 4.6, 40 * 4.6))
    assert catalog.rows() == ((catalog.crop(8), "cell"),)
    assert catalog.crop(8).is_test


def test_tables_written_and_read_again_are_the_same(tmp_path: Path) -> None:
    catalog = load_catalog()
    again = load_catalog(write_tables(catalog, tmp_path / "copy"))
    assert again.datasets == catalog.datasets
    assert again.train_crops == catalog.train_crops
    assert again.test_crops == catalog.test_crops
    with pytest.raises(OutputExists):
        write_tables(catalog, tmp_path / "copy")
    write_tables(catalog, tmp_path / "copy", overwrite=True)


def test_one_table_of_crops_is_enough(tmp_path: Path) -> None:
    folder = write_challenge(tmp_path, "", "", "8,d1,25 2 2,0 0 0,2 3 4,cell\n")
    (folder / "datasets.csv").unlink()
    (folder / "train_crops.csv").unlink()
    catalog = load_catalog(folder)
    assert list(catalog.datasets) == ["d1"]
    assert catalog.dataset("d1").em_voxel_size_nm is None
    assert list(catalog.test_crops) == [8]
    assert catalog.train_crops == {}


def test_all_problems_of_the_tables_come_at_once(tmp_path: Path) -> None:
    train = [
        "1,d1,8 8 8,0 0 0,4 4 4,mito",
        "1,d1,8 8 8,0 0 0,4 4 4,mito",
        "x,d1,8 8 8,0 0 0,4 4 4,mito",
        "2,d1x,8 8 8,0 0 0,4 4 4,mito",
        "3,d1,8 8,0 0 0,4 4 4,mito",
        "4,d1,8 0 8,0 0 nan,4 4 4.5,mito",
        "5,d1,8 8 8,0 0 0,4 4 4,mitoo er er",
        "6,d1,8 8 8,0 0 0,4 4 4,",
        "7,d1,8 8 8",
    ]
    folder = write_challenge(
        tmp_path, "d1,,,,,,,\nd1,,,,,4 4,,\n", "\n".join(train), "1,d1,8 8 8,0 0 0,4 4 4,er"
    )
    with pytest.raises(CatalogError) as caught:
        load_catalog(folder)
    message = str(caught.value)
    for expected in [
        "datasets.csv, line 3: dataset 'd1' stands twice",
        "datasets.csv, line 3: em_voxel_size_nm '4 4' is not three positive numbers",
        "train_crops.csv, line 3: crop 1 stands twice",
        "train_crops.csv, line 4: crop 'x' is not a whole number",
        "train_crops.csv, line 5: dataset 'd1x' is not in the table of datasets; nearest: d1",
        "train_crops.csv, line 6: voxel_size_nm '8 8' is not three positive numbers",
        "train_crops.csv, line 7: voxel_size_nm '8 0 8' is not three positive numbers",
        "train_crops.csv, line 7: translation_nm '0 0 nan' is not three numbers",
        "train_crops.csv, line 7: shape '4 4 4.5' is not in whole voxels",
        "train_crops.csv, line 8: 'mitoo' is not a class; nearest: mito",
        "train_crops.csv, line 8: classes stand twice: er",
        "train_crops.csv, line 9: no classes",
        "train_crops.csv, line 10: no classes",
        "test_crops.csv, line 2: crop 1 stands twice",
    ]:
        assert expected in message
    assert "16 problems" in message.splitlines()[0]


def test_a_missing_column_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    folder = write_challenge(tmp_path, "", "")
    (folder / "train_crops.csv").write_text(CROPS.replace("voxel_size_nm", "voxelsize_nm"))
    with pytest.raises(CatalogError, match="no column 'voxel_size_nm'; nearest: voxelsize_nm"):
        load_catalog(folder)


def test_missing_tables_and_broken_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="expected a folder"):
        load_catalog(tmp_path / "nowhere")
    with pytest.raises(FileMissing, match=r"no train_crops\.csv and no test_crops.csv"):
        load_catalog(tmp_path)
    folder = write_challenge(tmp_path, "", "")
    (folder / "datasets.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError, match="not a CSV table in UTF-8"):
        load_catalog(folder)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("all", [1, 2, 3]),
        ("train", [1, 2, 3]),
        ("test", [9]),
        ("*", [1, 2, 3, 9]),
        ("3,1", [3, 1]),
        ("3 , 1 3", [3, 1]),
        ("crop2", [2]),
        (2, [2]),
        ([1, "test"], [1, 9]),
        (["d2"], [3, 9]),
        ("d2 1", [3, 9, 1]),
    ],
)
def test_crops_are_selected_as_people_name_them(three: Catalog, spec: object, expected: list[int]) -> None:
    assert [crop.id for crop in three.select(spec)] == expected  # type: ignore[arg-type]


def test_unknown_crops_and_datasets_name_their_nearest(three: Catalog) -> None:
    with pytest.raises(CropNotFound, match=r"crop 8 is not in the catalog .*nearest: 9"):
        three.crop(8)
    with pytest.raises(CropNotFound, match="crop 17 is not"):
        three.select("1,17")
    with pytest.raises(DatasetNotFound, match="nearest: d1"):
        three.select("d1x")
    with pytest.raises(DatasetNotFound, match="it holds: d1, d2"):
        three.dataset("qqq")
    with pytest.raises(CropNotFound, match=r"no crop was named by ' , '; .* holds \d+ training and \d+ test"):
        three.select(" , ")


def test_the_catalog_needs_neither_torch_nor_zarr_nor_scipy() -> None:
    code = (
        "import sys, organelle.catalog as c; c.load_catalog();"
        "print([m for m in ('torch', 'zarr', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def three(tmp_path: Path) -> Catalog:
    rows = [f"{n},{d},8 8 8,{z} 0 0,4 4 4,mito\n" for n, d, z in ((1, "d1", 0), (2, "d1", 800), (3, "d2", 0))]
    test = "9,d2,8 8 8,8000 0 0,4 4 4,er\n"
    return load_catalog(write_challenge(tmp_path / "three", "d1,,,,,,,\nd2,,,,,,,\n", "".join(rows), test))
