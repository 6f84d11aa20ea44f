"""A run may start from the weights of another, which knew other classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from organelle.catalog import Catalog, load_catalog
from organelle.errors import CheckpointError, FileMissing
from organelle.experiment import load_experiment
from organelle.models import ModelSettings, load_checkpoint
from organelle.sampling import SamplingSettings
from organelle.train import TrainReport, TrainSettings, train

STILL = 1e-30
"""A learning rate at which weights stay where they started."""


@pytest.fixture(scope="module")
def catalog(tiny_challenge: Path) -> Catalog:
    return load_catalog(tiny_challenge)


def model(*classes: str, start_from: Path | None = None, features: int = 4) -> ModelSettings:
    return ModelSettings(
        network="unet_3d",
        classes=classes,
        voxel_size_nm=(8, 8, 8),
        patch_shape=(16, 16, 16),
        options={"features": (features,) * 6, "groups": 2},
        start_from=start_from,
    )


def run(settings: ModelSettings, challenge: Path, catalog: Catalog, folder: Path) -> TrainReport:
    return train(
        settings,
        data=challenge / "bucket",
        run=folder,
        train_crops=[catalog.crop(11)],
        sampling=SamplingSettings(batch_size=1, workers=0),
        settings=TrainSettings(
            steps=2, learning_rate=STILL, weight_decay=0, warmup_steps=0, precision="float32"
        ),
    )


def test_a_run_starts_from_what_another_learned(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    first = run(model("mito", "pm"), tiny_challenge, catalog, tmp_path / "first")
    settings = model("cyto", "mito", start_from=first.checkpoint)
    second = run(settings, tiny_challenge, catalog, tmp_path / "second")
    was, now = load_checkpoint(first.checkpoint), load_checkpoint(second.checkpoint)
    assert was.ema is not None
    for weights in (now.model, now.ema):
        assert weights is not None
        body = "conv_0.conv_0.conv.weight"
        torch.testing.assert_close(weights[body], was.ema[body])
        torch.testing.assert_close(weights["final_conv.weight"][1], was.ema["final_conv.weight"][0])
    assert now.spec.start_from is None
    record = json.loads((second.run / "start.json").read_text())
    assert (record["classes"], record["new_classes"]) == (["mito"], ["cyto"])
    again = run(settings, tiny_challenge, catalog, tmp_path / "second")
    assert again.resumed_at == 2


def test_a_start_that_is_not_there_or_does_not_fit_ends_the_run_before_it_begins(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    gone = model("mito", start_from=tmp_path / "gone.ckpt")
    with pytest.raises(FileMissing, match=r"gone\.ckpt"):
        run(gone, tiny_challenge, catalog, tmp_path / "run")
    first = run(model("mito"), tiny_challenge, catalog, tmp_path / "first")
    wider = model("mito", start_from=first.checkpoint, features=8)
    with pytest.raises(CheckpointError, match=r"features is .* there"):
        run(wider, tiny_challenge, catalog, tmp_path / "run 2")


def test_the_start_is_taken_from_the_folder_of_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'name = "own"\n[model]\nnetwork = "unet_3d"\nclasses = ["mito"]\nvoxel_size_nm = [8, 8, 8]\n'
        'patch_shape = [32, 32, 32]\nstart_from = "runs/first/best.ckpt"\n'
    )
    experiment = load_experiment(tmp_path / "own.toml")
    assert experiment.model.start_from == tmp_path / "runs" / "first" / "best.ckpt"
