"""Several checkpoints as one network, and channels beside the masks."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import spec_of

from organelle.errors import CheckpointError, SettingsError
from organelle.experiment import load_experiment
from organelle.models import checkpoint_hash, load_checkpoint
from organelle.predict import PredictSettings, plan_predict, predict
from organelle.predict.opening import open_forward
from organelle.volumes import open_multiscale

EM = np.random.default_rng(0).normal(128, 60, (1, 16, 16, 16)).astype(np.float32)
DISTANCE = {"kind": "distance", "class": "mito", "scale_nm": 40}
AFFINITIES = {"kind": "affinities", "class": "mito"}
FLAT = {"network": "unet_2d", "patch_shape": [1, 16, 16], "stride": [1, 12, 12]}


def said(paths, names=None, **settings):
    """What checkpoints say of the same grey values, normalised for the first."""
    spec = load_checkpoint(paths[0]).spec
    return open_forward(paths, spec, PredictSettings(**settings), names)(spec.normalisation(EM))


def test_the_answer_of_several_checkpoints_is_their_mean(checkpoint):
    paths = [checkpoint(seed) for seed in (1, 2, 3)]
    alone = [said([path]) for path in paths]
    np.testing.assert_allclose(said(paths), np.mean(alone, 0), atol=1e-6)
    assert abs(alone[0] - alone[1]).max() > 0.01


def test_each_sees_grey_values_as_it_was_trained_to(checkpoint):
    first, other = checkpoint(1), checkpoint(2, normalisation={"mean": 100, "std": 45})
    alone = [said([first]), said([other])]
    np.testing.assert_allclose(said([first, other]), np.mean(alone, 0), atol=1e-5)


def test_classes_are_found_by_name_in_whatever_order_a_network_has_them(checkpoint):
    first, other = checkpoint(1), checkpoint(2, classes=["nuc", "mito", "er", "ld"])
    alone = [said([path], ["er", "nuc"]) for path in (first, other)]
    np.testing.assert_allclose(said([first, other], ["er", "nuc"]), np.mean(alone, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"voxel_size_nm": [16, 16, 16]}, r"voxel_size_nm = \[16.0, 16.0, 16.0\], the first checkpoint with"),
        ({"patch_shape": [32, 16, 16]}, r"patch_shape = \[32, 16, 16\]"),
        ({"context": [4]}, r"context = \[4\], the first checkpoint with \[\]"),
        ({"classes": ["mito", "er", "np"]}, r"knows nothing of nuc"),
    ],
)
def test_checkpoints_that_do_not_go_together_are_refused_by_name(checkpoint, changes, told):
    first, other = checkpoint(1), checkpoint(2, **changes)
    with pytest.raises(CheckpointError, match=rf"{other.name}.*{told}"):
        said([first, other])


def test_distances_of_another_scale_are_not_averaged(checkpoint):
    first, other = checkpoint(1, targets=[DISTANCE]), checkpoint(2, targets=[{**DISTANCE, "scale_nm": 80}])
    with pytest.raises(CheckpointError, match=r"learned mito/distance as .*80.*the first checkpoint as .*40"):
        said([first, other], ["mito/distance"])
    assert said([first, other], ["mito"]).shape == (1, 16, 16, 16)


def test_channels_of_targets_are_what_the_loss_compares(checkpoint):
    path = checkpoint(1, targets=[DISTANCE, AFFINITIES])
    distance, mask, affinity = said([path], ["mito/distance", "mito", "mito/affinity_1_0_0"])
    assert -1 < distance.min() < 0 < distance.max() < 1
    assert 0 < mask.min() < mask.max() < 1
    assert 0 < affinity.min() < affinity.max() < 1
    np.testing.assert_array_equal(said([path])[0], mask)


def test_a_channel_that_is_not_there_is_named(checkpoint):
    with pytest.raises(CheckpointError, match=r"knows nothing of mito/distance"):
        said([checkpoint(1)], ["mito/distance"])


def test_affinities_are_not_averaged_over_planes_of_other_directions(checkpoint, data, catalog, tmp_path):
    path = checkpoint(1, **FLAT, targets=[AFFINITIES])
    with pytest.raises(SettingsError, match=r'planes = "any" would average mito/affinity_1_0_0'):
        said([path], ["mito/affinity_1_0_0"], planes="any")
    how = {"data": data, "work": tmp_path, "settings": PredictSettings(planes="any")}
    with pytest.raises(SettingsError, match=r"leave affinities out"):
        plan_predict(path, catalog, [1], **how)
    assert plan_predict(path, catalog, [1], **how, classes=["mito"]).patches > 0


def test_a_plan_refuses_before_anything_is_computed(checkpoint, data, catalog, tmp_path):
    how = {"data": data, "work": tmp_path}
    paths = [checkpoint(1), checkpoint(2, voxel_size_nm=[16, 16, 16])]
    with pytest.raises(CheckpointError, match=paths[1].name):
        plan_predict(paths, catalog, [1], **how)
    oblong = checkpoint(1, patch_shape=[16, 32, 48], stride=[12, 24, 36])
    with pytest.raises(SettingsError, match=r"turns = true finds no plane"):
        plan_predict(oblong, catalog, [1], **how, settings=PredictSettings(turns=True))


def test_volumes_name_every_checkpoint_and_how_they_were_asked(checkpoint, data, catalog, tmp_path):
    paths = [checkpoint(seed, network="tiny_networks:Tiny", options={}) for seed in (1, 2)]
    settings = PredictSettings(mirrors=True, turns=True)
    report = predict(paths, catalog, [1], data=data, work=tmp_path, settings=settings, classes=["er"])
    (image,) = (open_multiscale(path) for path in report.written)
    record = image.attributes["organelle"]
    assert record["checkpoint_sha256"] == [checkpoint_hash(path) for path in paths]
    assert record["backend"] == "torch"
    assert (record["mirrors"], record["turns"]) == (True, True)
    kept = predict(paths, catalog, [1], data=data, work=tmp_path, settings=settings, classes=["er"])
    assert kept.written == ()


def test_a_volume_of_another_backend_is_the_same_up_to_rounding(checkpoint, data, catalog, tmp_path):
    path = checkpoint(1, network="tiny_networks:Tiny", options={})
    volumes = []
    for backend in ("torch", "openvino"):
        settings = PredictSettings(backend=backend, threads=2)
        work = tmp_path / backend
        report = predict(path, catalog, [1], data=data, work=work, settings=settings, classes=["er"])
        assert any("openvino differs from torch by" in w for w in report.warnings) == (backend != "torch")
        (written,) = report.written
        image = open_multiscale(written)
        assert image.attributes["organelle"]["backend"] == backend
        volumes.append(image.levels[0].read().astype(int))
    assert abs(volumes[0] - volumes[1]).max() <= 1
    assert volumes[0].std() > 5
    assert [p.suffix for p in (tmp_path / "openvino" / "cache" / "onnx").iterdir()] == [".onnx"]


def test_the_spec_of_the_tiny_network_is_one():
    assert spec_of(network="tiny_networks:Tiny", options={}).dimensions == 3


def test_checkpoints_of_an_experiment_are_relative_to_its_file(tmp_path):
    file = tmp_path / "both.toml"
    file.write_text(
        'name = "both"\n[predict]\ncheckpoints = ["runs/a/best.ckpt", "runs/b/best.ckpt"]\n'
        '[model]\nnetwork = "unet_3d"\nclasses = ["mito"]\nvoxel_size_nm = [8, 8, 8]\n'
        "patch_shape = [64, 64, 64]\n"
    )
    found = load_experiment(file).predict.checkpoints
    assert found == (tmp_path / "runs/a/best.ckpt", tmp_path / "runs/b/best.ckpt")


def test_a_network_that_does_not_open_fails_once_and_not_block_by_block(checkpoint, data, catalog, tmp_path):
    path = checkpoint(1, network="tiny_networks:Undecided", options={})
    settings = PredictSettings(backend="onnxruntime")
    with pytest.raises(CheckpointError, match=r"cannot be written as ONNX"):
        predict(path, catalog, [1], data=data, work=tmp_path, settings=settings)
    with pytest.raises(SettingsError, match=r"toaster"):
        predict(path, catalog, [1], data=data, work=tmp_path, settings=PredictSettings(device="toaster"))
    assert len(predict(path, catalog, [1], data=data, work=tmp_path).written) == 3


def test_a_plan_settles_what_auto_is_so_that_all_workers_take_the_same(checkpoint, data, catalog, tmp_path):
    settings = PredictSettings(backend="auto", device="cpu")
    plan = plan_predict(checkpoint(1), catalog, [1], data=data, work=tmp_path, settings=settings)
    assert plan.settings.backend == "openvino"
