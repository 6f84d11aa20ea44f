"""A model's settings are checked before anything is built."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from organelle.errors import SettingsError
from organelle.models import ModelSettings, ModelSpec, Normalisation, dimensions_of, network_names
from organelle.settings import parse_settings

PLAIN: dict[str, Any] = {
    "network": "unet_3d",
    "classes": ["mito", "er"],
    "voxel_size_nm": [8, 8, 8],
    "patch_shape": [32, 32, 32],
}


def parse(**changes: Any) -> ModelSettings:
    return parse_settings(ModelSettings, {**PLAIN, **changes}, "[model]")


def test_stride_is_three_quarters_of_the_patch_unless_it_is_given() -> None:
    assert parse(patch_shape=[64, 32, 48]).stride == (48, 24, 36)
    assert parse(network="unet_2d", patch_shape=[1, 64, 64]).stride == (1, 48, 48)
    assert parse(stride=[16, 16, 32]).stride == (16, 16, 32)


def test_one_axis_of_size_1_means_2d() -> None:
    flat = parse(network="unet_2d", patch_shape=[64, 1, 32])
    assert (flat.dimensions, flat.flat_axis, flat.spatial_shape) == (2, 1, (64, 32))
    solid = parse()
    assert (solid.dimensions, solid.flat_axis, solid.spatial_shape) == (3, None, (32, 32, 32))


def test_the_spec_is_the_settings_and_the_normalisation_and_survives_json() -> None:
    settings = parse(options={"features": [8, 8, 8, 8, 8, 8]})
    spec = settings.with_normalisation(Normalisation(mean=100.5, std=33.25))
    assert isinstance(spec, ModelSpec)
    assert spec.classes == settings.classes
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.with_normalisation(Normalisation(mean=1, std=1)).normalisation.mean == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"classes": ["mito", "mitto_mem"]}, "mito_mem"),
        ({"classes": []}, "classes"),
        ({"classes": ["er", "mito", "er"]}, "er listed more than once"),
        ({"voxel_size_nm": [8, 0, 8]}, "positive"),
        ({"voxel_size_nm": [8, 8]}, "voxel_size_nm"),
        ({"patch_shape": [1, 1, 64]}, "at most one"),
        ({"patch_shape": [0, 32, 32]}, ">= 1"),
        ({"patch_shape": [40, 32, 32]}, r"nearest: \[32, 32, 32\]"),
        ({"patch_shape": "large"}, "patch_shape"),
        ({"stride": [33, 32, 32]}, "gaps"),
        ({"stride": [0, 32, 32]}, "gaps"),
        ({"patch_shape": [1, 32, 32]}, "3D network"),
        ({"network": "unet_2d"}, "2D network"),
        ({"network": "unet3d"}, "nearest: unet_3d"),
        ({"options": {"feature": [8] * 6}}, "nearest: features"),
        ({"options": {"features": [8, 8, 8]}}, "features"),
        ({"options": {"features": [8, 8, 12, 8, 8, 8]}}, "multiple of groups"),
        ({"options": {"dropout": 1.5}}, "dropout"),
        ({"network": "dynunet_3d", "options": {"strides": [[2, 2, 2]]}}, "4 levels need 3 strides"),
        ({"network": "dynunet_3d", "options": {"strides": [[2, 2]] * 3}}, "3 numbers each"),
        ({"network": "dynunet_3d", "options": {"strides": [[0, 2, 2]] * 3}}, "1 or more"),
        ({"network": "dynunet_3d", "options": {"deep_supervision": 3}}, "at most 2"),
        ({"network": "resunet_3d", "options": {"features": [8, 12]}}, "multiple of groups"),
        ({"network": "resunet_3d", "options": {"features": [0, 8]}}, "positive"),
        ({"network": "resunet_3d", "patch_shape": [32, 36, 32]}, r"nearest: \[32, 32, 32\]"),
        ({"network": "segresnet_3d", "options": {"blocks_up": [1, 1]}}, "4 levels down need 3 entries"),
        ({"network": "segresnet_3d", "options": {"blocks_down": [1, 0, 1, 1]}}, "at least one block"),
        ({"network": "segresnet_3d", "options": {"features": 12}}, "multiple of groups"),
        ({"network": "swinunetr_3d", "options": {"features": 20}}, "multiple of 12"),
        ({"network": "swinunetr_3d", "options": {"heads": [3, 5, 12, 24]}}, "5 do not divide the 48"),
        ({"network": "swinunetr_3d", "options": {"depths": [2, 1, 2, 2]}}, "even"),
        ({"network": "swinunetr_3d", "patch_shape": [32, 48, 32]}, r"divisible by \[32, 32, 32\]"),
        ({"patchshape": [32, 32, 32]}, "nearest: patch_shape"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_the_reason(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse(**changes)


def test_dynunet_needs_only_what_its_strides_divide() -> None:
    thick = {"features": [8, 8, 16], "strides": [[1, 2, 2], [1, 2, 2]]}
    settings = parse(network="dynunet_3d", options=thick, patch_shape=[5, 32, 36])
    assert settings.spatial_shape == (5, 32, 36)
    with pytest.raises(SettingsError, match=r"divisible by \[1, 4, 4\]"):
        parse(network="dynunet_3d", options=thick, patch_shape=[5, 32, 34])


def test_every_built_in_network_says_how_many_axes_it_sees() -> None:
    kinds = ("unet", "resunet", "dynunet", "segresnet", "swinunetr")
    names = {f"{kind}_{dimensions}d": dimensions for kind in kinds for dimensions in (2, 3)}
    assert {name: dimensions_of(name) for name in network_names()} == names
    assert dimensions_of("my.networks:Net") is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_normalisation_is_the_same_for_every_dtype(dtype: type) -> None:
    normal = Normalisation(mean=128, std=32)(np.array([[128, 160], [96, 0]], dtype))
    assert normal.dtype == np.float32
    np.testing.assert_array_equal(normal, [[0, 1], [-1, -4]])


@pytest.mark.parametrize("values", [{"mean": 1, "std": 0}, {"mean": float("nan"), "std": 1}, {"mean": 1}])
def test_normalisation_needs_finite_numbers_and_a_spread(values: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        parse_settings(Normalisation, values, "normalisation")


def test_the_room_opens_without_torch() -> None:
    code = "import sys, organelle.models; print([m for m in ('torch', 'monai', 'zarr') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
