"""A run with deep supervision teaches its coarse outputs, and predicts with the finest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from organelle.catalog import load_catalog
from organelle.models import ModelSettings, build_network, load_checkpoint, restore_network
from organelle.sampling import SamplingSettings
from organelle.train import TrainSettings, train


@pytest.mark.parametrize("targets", [[], [{"kind": "distance", "class": "mito"}]], ids=["masks", "distance"])
def test_all_outputs_learn(targets: list[dict[str, Any]], tiny_challenge: Path, tmp_path: Path) -> None:
    catalog = load_catalog(tiny_challenge)
    model = ModelSettings.model_validate(
        {
            "network": "dynunet_3d",
            "options": {"features": [4, 4, 8, 8], "groups": 2, "deep_supervision": 2},
            "classes": ["mito", "pm"],
            "targets": targets,
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [16, 16, 16],
        }
    )
    report = train(
        model,
        data=tiny_challenge / "bucket",
        run=tmp_path / "run",
        train_crops=[catalog.crop(11)],
        validate_crops=[catalog.crop(14)],
        sampling=SamplingSettings(batch_size=1, workers=0),
        settings=TrainSettings(steps=3, warmup_steps=0, average=0, precision="float32"),
    )
    checkpoint = load_checkpoint(report.checkpoint)
    torch.manual_seed(0)
    before = build_network(checkpoint.spec).state_dict()
    coarse = [name for name in before if name.startswith("deep_supervision_heads") and "weight" in name]
    assert len(coarse) == 2
    assert all(not torch.equal(before[name], checkpoint.model[name]) for name in coarse)
    logits = restore_network(checkpoint)(torch.zeros(1, 1, 16, 16, 16))
    assert logits.shape == (1, len(checkpoint.spec.channels), 16, 16, 16)
