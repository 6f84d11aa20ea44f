"""A torch network as a function on arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from drawn_networks import spec_of

from organelle.errors import SettingsError
from organelle.models import build_network
from organelle.predict import mirror_axes, network_forward
from organelle.predict.forward import choose_device

PATCH = np.random.default_rng(3).normal(size=(16, 16, 16)).astype(np.float32)


class Drift(torch.nn.Module):
    """Two classes whose logits grow along the last axis: not symmetric, and easy to predict."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ramp = torch.arange(x.shape[-1], dtype=torch.float32).expand(x.shape)
        return torch.cat([x + ramp, x - ramp, x], 1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_logits_become_probabilities_of_the_classes_asked_for():
    forward = network_forward(Drift(), spec_of(), classes=["nuc", "mito"])
    ramp = np.arange(16)
    np.testing.assert_allclose(forward(PATCH[None]), [sigmoid(PATCH), sigmoid(PATCH + ramp)], rtol=1e-5)


def test_a_class_has_the_same_bits_whichever_others_are_asked_for():
    torch.manual_seed(0)
    network = build_network(spec_of()).eval()
    everything = network_forward(network, spec_of())(PATCH[None])
    np.testing.assert_array_equal(
        network_forward(network, spec_of(), classes=["er"])(PATCH[None])[0], everything[1]
    )


def test_mirrors_are_averaged_after_mirroring_back():
    forward = network_forward(Drift(), spec_of(), mirrors=True)
    ramp = np.arange(16)
    straight, mirrored = sigmoid(PATCH + ramp), sigmoid(PATCH + ramp[::-1])
    np.testing.assert_allclose(forward(PATCH[None])[0], (straight + mirrored) / 2, rtol=1e-5)


def test_with_mirrors_a_mirrored_patch_gives_the_mirrored_answer():
    torch.manual_seed(0)
    spec = spec_of(patch_shape=[1, 16, 16], stride=[1, 12, 12], network="unet_2d")
    forward = network_forward(build_network(spec).eval(), spec, mirrors=True)
    plane = PATCH[None, :1]
    np.testing.assert_allclose(forward(plane[:, :, ::-1]), forward(plane)[:, :, ::-1], atol=1e-6)
    plain = network_forward(build_network(spec).eval(), spec)
    assert abs(plain(plane[:, :, ::-1]) - plain(plane)[:, :, ::-1]).max() > 1e-4


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_2d_network_sees_the_plane_across_any_axis(axis):
    shape = [16, 16, 16]
    shape[axis] = 1
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.cat([x, x, x], 1)

    patch = PATCH.take([5], axis=axis)
    answer = network_forward(Spy(), spec_of(patch_shape=shape, stride=shape, network="unet_2d"))(patch[None])
    assert seen[0].shape == (1, 1, 16, 16)
    np.testing.assert_array_equal(seen[0][0, 0].numpy(), patch.squeeze(axis))
    np.testing.assert_allclose(answer, [sigmoid(patch)] * 3, rtol=1e-5)


def test_no_gradients_are_kept():
    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert torch.is_inference_mode_enabled()
            return torch.cat([x, x, x], 1)

    network_forward(Spy(), spec_of())(PATCH[None])


@pytest.mark.parametrize(
    ("size", "patch", "network", "axes"),
    [
        ([8, 8, 8], [16, 16, 16], "unet_3d", (0, 1, 2)),
        ([50, 4.6, 4.6], [16, 16, 16], "unet_3d", (1, 2)),
        ([8, 5, 5], [16, 16, 16], "unet_3d", (0, 1, 2)),
        ([4, 8, 8], [1, 16, 16], "unet_2d", (1, 2)),
        ([8, 8, 4], [16, 16, 1], "unet_2d", (0, 1)),
    ],
)
def test_mirror_axes_are_the_finely_sampled_ones(size, patch, network, axes):
    spec = spec_of(voxel_size_nm=size, patch_shape=patch, stride=patch, network=network)
    assert mirror_axes(spec) == axes


def test_a_device_that_is_not_here_is_explained():
    assert choose_device("auto") in ("cpu", "cuda")
    assert choose_device("cpu") == "cpu"
    with pytest.raises(SettingsError, match=r"toaster.*cannot be used"):
        choose_device("toaster")


def test_settings_can_be_read_without_loading_torch():
    code = (
        "import sys, organelle.blocks, organelle.predict, organelle.process;"
        "sys.exit(', '.join({'torch', 'scipy', 'zarr', 'cc3d'} & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
