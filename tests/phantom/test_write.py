from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from organelle.catalog import em_path, label_path, labels_folder, load_catalog
from organelle.classes import class_named
from organelle.errors import OutputExists, SettingsError
from organelle.files import sha256
from organelle.geometry import Box
from organelle.phantom import CropPlan, Phantom, PhantomSettings, write_phantom
from organelle.volumes import open_multiscale, open_volume, read_encoding


def test_the_tables_tell_what_the_bucket_holds(folder: Path) -> None:
    catalog = load_catalog(folder)
    assert list(catalog.datasets) == ["phantom-1"]
    assert list(catalog.train_crops) == [11, 12, 13, 14]
    assert {name for _, name in catalog.rows()} == set(catalog.crop(21).classes)
    em = open_multiscale(em_path(folder / "bucket", "phantom-1"))
    assert [level.grid.shape for level in em.levels] == [(80, 96, 112), (40, 48, 56)]
    assert em.levels[0].present().all()
    for crop in catalog.train_crops.values():
        for name in crop.classes:
            labels = open_multiscale(label_path(folder / "bucket", crop, name))
            assert labels.levels[0].grid == crop.grid
            assert len(labels.levels) == 2


def test_em_and_labels_of_one_voxel_size_share_a_lattice(folder: Path) -> None:
    catalog = load_catalog(folder)
    em = open_multiscale(em_path(folder / "bucket", "phantom-1"))
    for crop in catalog.train_crops.values():
        labels = open_multiscale(label_path(folder / "bucket", crop, "cyto"))
        for a, b in zip(em.levels, labels.levels, strict=True):
            shift = a.grid.shift_to(b.grid)
            assert a.grid.box.contains(b.grid.box.shift(shift))


def test_stored_labels_are_those_that_were_drawn(folder: Path, phantom: Phantom) -> None:
    catalog = load_catalog(folder)
    plan = phantom.crops[1]
    for name in ("mito", "mito_mem", "ves", "cell"):
        image = open_multiscale(label_path(folder / "bucket", catalog.crop(plan.number), name))
        level = image.levels[0]
        encoding = read_encoding(image, level, name)
        labels, known = phantom.crop(plan).labels(name)
        assert np.array_equal(encoding.known(level.read()), known)
        assert np.array_equal(encoding.present(level.read()), labels > 0)
        assert not known.all()


def test_absent_unannotated_and_unknown_are_three_things(folder: Path) -> None:
    catalog = load_catalog(folder)
    crop = catalog.crop(13)
    assert "mt" not in crop.classes
    assert not label_path(folder / "bucket", crop, "mt").exists()
    droplets = open_multiscale(label_path(folder / "bucket", crop, "ld")).levels[0].read()
    assert set(np.unique(droplets)) == {0, 255}
    other = open_multiscale(label_path(folder / "bucket", catalog.crop(11), "mt")).levels[0].read()
    assert other[other != 255].any()


def test_the_all_array_is_stored_beside_the_classes(folder: Path, phantom: Phantom) -> None:
    crop = load_catalog(folder).crop(14)
    stored = open_multiscale(labels_folder(folder / "bucket", crop) / "all")
    expected = phantom.crop(phantom.crops[3]).finest(crop.classes)
    assert np.array_equal(stored.levels[0].read(), expected)
    assert (expected == 0).any()
    assert (expected == class_named("cyto").id).any()


def test_truth_has_masks_where_it_is_unknown(folder: Path, phantom: Phantom) -> None:
    catalog = load_catalog(folder)
    crop = catalog.crop(21)
    specimen = phantom.crop(phantom.crops[-1])
    for name in crop.classes:
        truth = open_volume(folder / "truth.zarr" / "crop21" / name)
        mask = open_volume(folder / "truth.zarr" / "crop21" / f"{name}_mask")
        labels, known = specimen.labels(name)
        assert truth.grid == mask.grid == crop.grid
        assert np.array_equal(truth.read(), labels)
        assert np.array_equal(mask.read(), known)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    settings = PhantomSettings.tiny(shape=(64, 64, 64), classes=("cell", "pm"))
    one, same = (write_phantom(tmp_path / name, settings, 4) for name in ("one", "same"))
    assert sha256(one) == sha256(same)


def test_nothing_is_overwritten_unasked_and_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    place = tmp_path / "phantom"
    place.mkdir()
    (place / "mine.txt").write_text("keep")
    with pytest.raises(OutputExists, match="phantom"):
        write_phantom(place, PhantomSettings.tiny())
    with pytest.raises(SettingsError):
        write_phantom(tmp_path / "other", PhantomSettings(shape=(8, 8, 8)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["phantom"]
    assert (place / "mine.txt").read_text() == "keep"


def test_crops_may_be_asked_for_where_one_wants_them(tmp_path: Path) -> None:
    plans = [CropPlan(n, Box((0, 0, 24 * n), (32, 32, 16)), ("er", "mito"), is_test=n > 0) for n in range(3)]
    settings = PhantomSettings.tiny(shape=(32, 32, 64), label_levels=1)
    catalog = load_catalog(write_phantom(tmp_path / "own", settings, plans=plans))
    assert list(catalog.train_crops) == [0]
    assert list(catalog.test_crops) == [1, 2]
    assert {place.name for place in (tmp_path / "own" / "truth.zarr").glob("crop*")} == {"crop1", "crop2"}
    assert catalog.crop(2).grid.shape == (32, 32, 16)
