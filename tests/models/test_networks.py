"""Networks keep the size of their input and start at the class frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from organelle.errors import NotFound, SettingsError
from organelle.models import ModelSettings, build_network, import_named, initialise_bias


class OneLayer(torch.nn.Module):
    """A network of one's own."""

    def __init__(self, in_channels: int, out_channels: int, width: int = 3, bias: bool = True) -> None:
        super().__init__()
        self.layer = torch.nn.Conv3d(in_channels, out_channels, width, padding=width // 2, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)
        return out


class Ragged(torch.nn.Module):
    """A network that does not keep the size, or answers with something else; by option."""

    def __init__(self, in_channels: int, out_channels: int, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        padding = 0 if fault == "shrinks" else 1
        self.layer = torch.nn.Conv3d(in_channels, out_channels + (fault == "classes"), 3, padding=padding)
        self.norm = torch.nn.BatchNorm3d(out_channels + (fault == "classes"))

    def forward(self, x: torch.Tensor) -> Any:
        if self.fault == "fails":
            raise RuntimeError("no such day")
        out = self.norm(self.layer(x))
        if self.fault == "needs values" and float(out.detach().sum()) == 12345.0:
            return out[:1]
        if self.fault == "text":
            return "mito"
        if self.training and self.fault in ("coarse first", "ragged"):
            coarse = out[..., ::2, ::2, ::2] if self.fault == "coarse first" else out[..., 1:]
            return (coarse, out) if self.fault == "coarse first" else (out, coarse)
        return (out, out[..., ::2, ::2, ::2]) if self.training and self.fault == "deep" else out


def not_a_network(in_channels: int, out_channels: int) -> str:
    return "a text"


def settings(network: str, patch: tuple[int, int, int], **options: Any) -> ModelSettings:
    return ModelSettings.model_validate(
        {
            "network": network,
            "options": options,
            "classes": ["mito", "er", "nuc"],
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": patch,
        }
    )


SMALL = {"features": [8, 8, 8, 8, 8, 8]}
THICK = {"features": [8, 8, 16], "strides": [[1, 2, 2], [2, 2, 2]]}


@pytest.mark.parametrize(
    ("network", "patch", "options"),
    [
        ("unet_3d", (16, 16, 32), SMALL),
        ("unet_3d", (16, 32, 16), {**SMALL, "upsample": "nontrainable", "dropout": 0.1}),
        ("unet_2d", (1, 32, 16), SMALL),
        ("unet_2d", (32, 1, 32), {**SMALL, "norm": "instance"}),
        ("unet_2d", (1, 32, 32), {**SMALL, "norm": "batch"}),
        ("dynunet_3d", (6, 16, 16), THICK),
        ("dynunet_2d", (1, 16, 24), {"features": [8, 16, 16], "residual": True}),
        ("models.test_networks:OneLayer", (5, 6, 7), {"width": 5}),
    ],
)
def test_logits_have_one_channel_per_class_and_the_size_of_the_input(
    network: str, patch: tuple[int, int, int], options: dict[str, Any], own_parts: None
) -> None:
    spec = settings(network, patch, **options)
    net = build_network(spec)
    logits = net(torch.zeros(2, 1, *spec.spatial_shape))
    assert logits.shape == (2, 3, *spec.spatial_shape)
    logits.sum().backward()


def test_kernels_stay_flat_until_the_voxels_are_cubes() -> None:
    net = build_network(settings("dynunet_3d", (4, 16, 16), **THICK))
    kernels = [tuple(m.kernel_size) for m in net.modules() if isinstance(m, torch.nn.Conv3d)]
    assert kernels[0] == (1, 3, 3)
    assert (3, 3, 3) in kernels


@pytest.mark.parametrize("network", ["unet_3d", "dynunet_3d"])
def test_a_fresh_network_predicts_the_class_frequencies_once_its_bias_is_set(network: str) -> None:
    torch.manual_seed(0)
    net = build_network(settings(network, (16, 16, 16)))
    assert initialise_bias(net, np.array([0.5, 0.02, np.nan]))
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv3d) and m.out_channels == 3]
    biases = [layer.bias for layer in layers if layer.bias is not None]
    np.testing.assert_allclose(torch.sigmoid(biases[-1]).detach(), [0.5, 0.02, 1e-4], rtol=1e-5)


def test_frequencies_of_0_and_1_give_finite_biases() -> None:
    net = OneLayer(1, 2)
    assert initialise_bias(net, np.array([0.0, 1.0]))
    assert net.layer.bias is not None
    np.testing.assert_allclose(torch.sigmoid(net.layer.bias).detach(), [1e-4, 1 - 1e-4], rtol=1e-4)


def test_a_network_without_a_last_bias_is_left_as_it_is() -> None:
    net = OneLayer(1, 2, bias=False)
    before = net.layer.weight.detach().clone()
    assert not initialise_bias(net, np.array([0.1, 0.2]))
    assert torch.equal(net.layer.weight, before)


@pytest.fixture
def own_parts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.syspath_prepend(request.config.rootpath / "tests")


def test_an_own_network_must_be_one(own_parts: None) -> None:
    with pytest.raises(SettingsError, match=r"torch\.nn\.Module"):
        build_network(settings("models.test_networks:not_a_network", (4, 4, 4)))


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("no_such_package.part:Net", NotFound, "no_such_package"),
        ("organelle.models:ModelSpek", NotFound, "nearest: ModelSpec"),
        ("organelle.models", SettingsError, "package.module:Name"),
        (":Net", SettingsError, "package.module:Name"),
    ],
)
def test_an_import_path_that_leads_nowhere_is_explained(path: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        import_named(path)


@pytest.mark.parametrize("fault", ["", "deep", "needs values"])
def test_an_own_network_that_keeps_the_contract_is_taken_as_it_is(fault: str, own_parts: None) -> None:
    torch.manual_seed(4)
    wanted = Ragged(1, 3, fault).state_dict()
    torch.manual_seed(4)
    network = build_network(settings("models.test_networks:Ragged", (4, 6, 4), fault=fault))
    after = torch.rand(1)
    torch.manual_seed(4)
    Ragged(1, 3, fault)
    assert torch.equal(after, torch.rand(1))  # checking draws nothing
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("shrinks", r"gives \[2, 3, 2, 4, 2\] where \[2, 3, 4, 6, 4\] is wanted"),
        ("classes", r"gives \[2, 4, 4, 6, 4\]"),
        ("text", "gives a str"),
        ("fails", r"fails on a patch \[2, 1, 4, 6, 4\]: no such day"),
        ("coarse first", r"gives \[2, 3, 2, 3, 2\]"),
        ("ragged", "sizes that divide the patch"),
    ],
)
def test_an_own_network_that_breaks_the_contract_is_refused(fault: str, says: str, own_parts: None) -> None:
    with pytest.raises(SettingsError, match=says):
        build_network(settings("models.test_networks:Ragged", (4, 6, 4), fault=fault))


def test_an_option_that_an_own_network_does_not_take_is_refused(own_parts: None) -> None:
    with pytest.raises(SettingsError, match=r"OneLayer cannot be called .* 'wide'"):
        build_network(settings("models.test_networks:OneLayer", (4, 4, 4), wide=5))
