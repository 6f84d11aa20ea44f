"""Crops predicted into volumes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from drawn_networks import EM_GRID, TINY
from torch import nn

import organelle.predict.run as run
from organelle.catalog import em_path, prediction_path
from organelle.errors import CheckpointError, CropNotFound, EMMissing, FileMissing, OutputExists, WorkError
from organelle.models import checkpoint_hash, load_checkpoint, restore_network
from organelle.predict import (
    PatchEM,
    PredictSettings,
    network_forward,
    plan_predict,
    predict,
    predict_region,
    to_uint8,
)
from organelle.volumes import open_multiscale

CLASSES = ("mito", "er", "nuc")


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_class_is_a_volume_that_says_where_it_comes_from(data, catalog, checkpoint, tmp_path):
    path, work = checkpoint(), tmp_path / "work"
    report = predict(path, catalog, [1], data=data, work=work)
    crop = catalog.crop(1)
    assert report.written == tuple(prediction_path(work, crop, name) for name in CLASSES)
    spec = load_checkpoint(path).spec
    em = PatchEM(open_multiscale(em_path(data, "liver")), spec)
    forward = network_forward(restore_network(load_checkpoint(path)), spec)
    expected = to_uint8(predict_region(forward, em, EM_GRID.box_of(crop.extent), spec))
    for name, values in zip(CLASSES, expected, strict=True):
        image = open_multiscale(prediction_path(work, crop, name))
        assert image.levels[0].grid == crop.grid
        np.testing.assert_array_equal(image.levels[0].read(), values)
        record = image.attributes["organelle"]
        assert record["class"] == name
        assert record["classes"] == list(CLASSES)
        assert record["checkpoint_sha256"] == checkpoint_hash(path)
        assert record["probability_scale"] == 255
        assert record["model"] == spec.model_dump(mode="json")
        assert record["kind"] == "image"
    assert len({values.tobytes() for values in expected}) == 3
    assert sorted(p.name for p in report.written[0].parent.iterdir()) == sorted([".zgroup", *CLASSES])


def test_memory_changes_the_blocks_and_not_one_byte(data, catalog, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("organelle.predict.plan.CHUNK", 8)
    path = checkpoint(**TINY)
    one = plan_predict(path, catalog, [1], data=data, work=tmp_path / "one")
    many = plan_predict(
        path, catalog, [1], data=data, work=tmp_path / "many", settings=PredictSettings(memory_gb=1e-6)
    )
    assert one.crops[0].block_shape == (8, 24, 24)
    assert many.crops[0].block_shape == (8, 8, 8)
    assert many.patches > one.patches
    assert many.memory_bytes < one.memory_bytes
    predict(path, catalog, [1], data=data, work=tmp_path / "one")
    predict(path, catalog, [1], data=data, work=tmp_path / "many", settings=PredictSettings(memory_gb=1e-6))
    assert files(tmp_path / "one") == files(tmp_path / "many")


def test_a_crop_of_finer_voxels_gets_the_smallest_box_of_the_models_voxels(
    data, catalog, checkpoint, tmp_path
):
    predict(checkpoint(), catalog, [2], data=data, work=tmp_path)
    crop = catalog.crop(2)
    grid = open_multiscale(prediction_path(tmp_path, crop, "er")).levels[0].grid
    assert grid.voxel_size_nm == (8, 8, 8)
    assert grid.shares_lattice(EM_GRID)
    assert grid.shape == (10, 10, 11)
    assert all(a <= b for a, b in zip(grid.extent.start_nm, crop.extent.start_nm, strict=True))
    assert all(a >= b for a, b in zip(grid.extent.stop_nm, crop.extent.stop_nm, strict=True))


def test_a_plane_wise_network_at_another_voxel_size_with_mirrors_and_a_pyramid(
    data, catalog, checkpoint, tmp_path
):
    path = checkpoint(
        network="unet_2d", patch_shape=[1, 16, 16], stride=[1, 12, 12], voxel_size_nm=[12, 12, 12]
    )
    settings = PredictSettings(mirrors=True, levels=2)
    predict(path, catalog, [1], data=data, work=tmp_path, settings=settings, classes=["nuc"])
    crop = catalog.crop(1)
    image = open_multiscale(prediction_path(tmp_path, crop, "nuc"))
    assert [level.shape for level in image.levels] == [(14, 15, 15), (7, 8, 8)]
    assert image.levels[1].read().any()
    assert not prediction_path(tmp_path, crop, "er").exists()


def test_a_second_run_keeps_what_is_there_and_does_the_rest(data, catalog, checkpoint, tmp_path, monkeypatch):
    path = checkpoint()
    predict(path, catalog, [1], data=data, work=tmp_path, classes=["er"])
    report = predict(path, catalog, [1, 2], data=data, work=tmp_path)
    assert report.kept == (prediction_path(tmp_path, catalog.crop(1), "er"),)
    assert len(report.written) == 5
    before = files(tmp_path / "predictions")
    monkeypatch.setattr(run, "work_through", None)
    again = predict(path, catalog, [1, 2], data=data, work=tmp_path)
    assert again.written == ()
    assert again.plan.patches == 0
    assert files(tmp_path / "predictions") == before


@pytest.mark.parametrize("other", [{"seed": 1}, {"mirrors": True}])
def test_another_checkpoint_or_way_does_not_overwrite_unasked(data, catalog, checkpoint, tmp_path, other):
    settings = PredictSettings(mirrors=other.pop("mirrors", False))
    predict(checkpoint(**TINY), catalog, [1], data=data, work=tmp_path, classes=["er"])
    before = files(tmp_path / "predictions")
    where = {"data": data, "work": tmp_path, "classes": ["er"], "settings": settings}
    with pytest.raises(OutputExists, match=r"crop1.er was predicted by another.*--overwrite"):
        predict(checkpoint(**other, **TINY), catalog, [2, 1], **where)
    assert files(tmp_path / "predictions") == before
    predict(checkpoint(**other, **TINY), catalog, [1], **where, overwrite=True)
    assert files(tmp_path / "predictions") != before


def test_something_foreign_in_the_way_is_not_overwritten(data, catalog, checkpoint, tmp_path):
    prediction_path(tmp_path, catalog.crop(1), "er").mkdir(parents=True)
    with pytest.raises(OutputExists):
        predict(checkpoint(), catalog, [1], data=data, work=tmp_path)


def test_a_plan_writes_nothing_and_counts(data, catalog, checkpoint, tmp_path):
    plan = plan_predict(checkpoint(), catalog, "liver", data=data, work=tmp_path / "work")
    assert not (tmp_path / "work").exists()
    first, second = plan.crops
    assert first.region.start == (4, 5, 6)
    assert first.output_bytes == 20 * 21 * 22 * 3
    assert first.patches == 2 * 3 * 3
    assert plan.patches == first.patches + second.patches
    assert plan.warnings == ()


def test_a_crop_without_em_is_an_error_and_with_a_part_of_it_a_warning(data, catalog, checkpoint, tmp_path):
    path = checkpoint()
    with pytest.raises(EMMissing, match=r"no EM of kidney.*fetch-data --crops 3"):
        predict(path, catalog, [1, 3], data=data, work=tmp_path)
    shutil.rmtree(em_path(data, "liver") / "s0" / "0")
    report = predict(path, catalog, [1], data=data, work=tmp_path, classes=["er"])
    assert "60.0% of the crop has no EM" in report.warnings[0]
    shutil.rmtree(em_path(data, "liver") / "s0" / "1")
    with pytest.raises(EMMissing, match="no EM in the crop"):
        predict(path, catalog, [1], data=data, work=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_nothing_stands_under_a_final_name_after_an_error(data, catalog, checkpoint, tmp_path):
    chunk = em_path(data, "liver") / "s0" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:5])
    with pytest.raises(WorkError, match=r"(?s)1 of 1 blocks failed.*s0/1/0/0") as failed:
        predict(checkpoint(), catalog, [1], data=data, work=tmp_path)
    assert "liver/crop1 at voxel (0, 0, 0), 20 x 21 x 22" in str(failed.value)
    assert not (tmp_path / "predictions").exists()


def test_wrong_names_are_explained(data, catalog, checkpoint, tmp_path):
    path = checkpoint()
    with pytest.raises(CheckpointError, match="knows nothing of mito_mem"):
        predict(path, catalog, [1], data=data, work=tmp_path, classes=["mito_mem"])
    with pytest.raises(CropNotFound):
        predict(path, catalog, [7], data=data, work=tmp_path)
    with pytest.raises(FileMissing, match=r"nothing\.pt"):
        predict(tmp_path / "nothing.pt", catalog, [1], data=data, work=tmp_path)


def test_prediction_uses_averaged_weights_and_evaluation_mode(checkpoint):
    network = restore_network(load_checkpoint(checkpoint(options={"features": [16] * 6, "dropout": 0.5})))
    assert not network.training
    assert any(isinstance(m, nn.Dropout3d | nn.Dropout) for m in network.modules())
