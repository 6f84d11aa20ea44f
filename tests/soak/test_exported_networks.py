"""Every built-in network leaves as ONNX and as a bioimage.io package."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
import torch

from organelle.models import (
    Checkpoint,
    ModelSettings,
    Normalisation,
    build_network,
    dimensions_of,
    export_bioimageio,
    network_names,
    options_of,
    save_checkpoint,
)

QUICK = [name for name in network_names() if name != "swinunetr_3d"]  # that one takes minutes


@pytest.mark.soak
@pytest.mark.parametrize("network", QUICK)
def test_every_network_is_the_same_elsewhere(network: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    dimensions = dimensions_of(network) or 3
    side = 64 if "swin" in network else 32
    settings = ModelSettings.model_validate(
        {
            "network": network,
            "options": {"norm": "instance"},
            "classes": ["mito", "er", "nuc"],
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [side] * 3 if dimensions == 3 else [1, side, side],
        }
    )
    spec = settings.with_normalisation(Normalisation(mean=140, std=30))
    path = save_checkpoint(tmp_path / "a.ckpt", Checkpoint(spec, 1, build_network(spec).state_dict()))
    package = export_bioimageio(path, tmp_path / "a.zip", authors=["A. Person"])
    assert package.largest_difference <= package.allowed
    by_name = options_of(network)().library_call(dimensions, 3) is not None
    assert ("pytorch_state_dict" in package.formats) == by_name


@pytest.mark.soak
def test_a_package_states_the_time_of_its_checkpoint_not_of_its_making(tmp_path: Path) -> None:
    torch.manual_seed(1)
    settings = ModelSettings.model_validate(
        {
            "network": "dynunet_2d",
            "classes": ["mito"],
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [1, 32, 32],
        }
    )
    spec = settings.with_normalisation(Normalisation(mean=140, std=30))
    path = save_checkpoint(tmp_path / "a.ckpt", Checkpoint(spec, 1, build_network(spec).state_dict()))
    texts = []
    for name in ("one.zip", "other.zip"):
        with zipfile.ZipFile(export_bioimageio(path, tmp_path / name).path) as archive:
            texts.append(re.sub(rb"sha256: .*", b"", archive.read("rdf.yaml")))
    assert texts[0] == texts[1]
