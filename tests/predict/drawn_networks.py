"""Specs of small networks, and where the drawn EM lies."""

from __future__ import annotations

from organelle.geometry import Grid
from organelle.models import ModelSpec

TINY: dict[str, object] = {"network": "tiny_networks:Tiny", "options": {}}
"""For tests of what is done with answers, not of what they are."""

EM_GRID = Grid((8, 8, 8), (104, 204, 304), (40, 48, 56))


def spec_of(**changes: object) -> ModelSpec:
    settings: dict[str, object] = {
        "network": "unet_3d",
        "options": {"features": [8, 8, 8, 8, 8, 8], "groups": 4},
        "classes": ["mito", "er", "nuc"],
        "voxel_size_nm": [8, 8, 8],
        "patch_shape": [16, 16, 16],
        "stride": [12, 12, 12],
        "normalisation": {"mean": 128, "std": 60},
    }
    return ModelSpec.model_validate({**settings, **changes})
