from __future__ import annotations

from pathlib import Path

import pytest

from organelle.catalog import (
    count_annotations,
    em_path,
    label_path,
    labels_folder,
    load_catalog,
    prediction_path,
    processed_path,
)
from organelle.errors import ClassNotFound


def test_annotations_are_counted_per_class_and_dataset() -> None:
    catalog = load_catalog()
    counts = count_annotations(catalog, ["mito", "ecs"])
    assert counts.classes == ("ecs", "mito")
    assert len(counts.datasets) == 22
    by_hand = sum("mito" in c.classes and c.dataset == "jrc_hela-2" for c in catalog.train_crops.values())
    assert counts.crops["mito", "jrc_hela-2"] == by_hand > 0
    assert counts.total("mito") == sum("mito" in c.classes for c in catalog.train_crops.values())


def test_counts_default_to_the_scored_classes_and_refuse_unknown_ones() -> None:
    assert len(count_annotations(load_catalog()).classes) == 48
    with pytest.raises(ClassNotFound, match="nearest: mito"):
        count_annotations(load_catalog(), ["mitos"])


def test_paths_follow_the_layout_of_the_bucket(shared: Path) -> None:
    sample = load_catalog(shared / "sample")
    for crop in sample.train_crops.values():
        assert (em_path(shared / "sample" / "bucket", crop.dataset) / "s0").is_dir()
        assert labels_folder(shared / "sample" / "bucket", crop).is_dir()
        assert all(label_path(shared / "sample" / "bucket", crop, name).is_dir() for name in crop.classes)


def test_work_folders_hold_one_volume_per_crop_and_class() -> None:
    crop = load_catalog().crop(557)
    assert prediction_path("w", crop, "er") == Path("w/predictions/jrc_ctl-id8-1.zarr/crop557/er")
    assert processed_path("w", crop, "er") == Path("w/processed/jrc_ctl-id8-1.zarr/crop557/er")
