from __future__ import annotations

import pytest

from organelle.catalog import Dataset, load_catalog
from organelle.errors import CatalogError, FileMissing

HEADER = "crop,dataset,voxel_size_nm,translation_nm,shape,classes\n"


def test_a_challenge_that_is_only_scored_needs_no_more_than_its_test_crops(tmp_path):
    (tmp_path / "test_crops.csv").write_text(HEADER + "7,fly,8 8 8,0 0 0,9 9 9,er mito\n")
    catalog = load_catalog(tmp_path)
    assert dict(catalog.datasets) == {"fly": Dataset("fly")}
    assert [(crop.id, name) for crop, name in catalog.rows()] == [(7, "er"), (7, "mito")]
    assert not catalog.train_crops


def test_a_crop_without_a_dataset_is_a_problem_even_then(tmp_path):
    (tmp_path / "train_crops.csv").write_text(HEADER + "7,,8 8 8,0 0 0,9 9 9,er\n")
    with pytest.raises(CatalogError, match=r"train_crops.csv, line 2: dataset ''"):
        load_catalog(tmp_path)


def test_a_folder_without_crops_is_no_catalog(tmp_path):
    (tmp_path / "datasets.csv").write_text("dataset\n")
    with pytest.raises(FileMissing, match=r"no train_crops\.csv and no test_crops\.csv"):
        load_catalog(tmp_path)
