"""A network starts from weights of another: what both know is taken over, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from organelle.errors import CheckpointError
from organelle.models import (
    Checkpoint,
    ModelSettings,
    ModelSpec,
    Normalisation,
    build_network,
    network_names,
    transfer_weights,
)

LIGHT: Mapping[str, dict[str, Any]] = {
    "unet": {"features": [8, 8, 8, 8, 8, 8]},
    "resunet": {"features": [8, 8, 16]},
    "dynunet": {"features": [8, 8, 16], "deep_supervision": 1},
    "segresnet": {"features": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
    "swinunetr": {"features": 24, "window": 3},
}
FLAT = [name for name in network_names() if name.endswith("2d")]


def spec_of(network: str, *classes: str, **changes: Any) -> ModelSpec:
    settings = ModelSettings.model_validate(
        {
            "network": network,
            "options": LIGHT[network.rpartition("_")[0]],
            "classes": classes,
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [1, 64, 64],
            **changes,
        }
    )
    return settings.with_normalisation(Normalisation(mean=120, std=40))


def trained(spec: ModelSpec, seed: int = 1) -> Checkpoint:
    torch.manual_seed(seed)
    return Checkpoint(spec, 70, build_network(spec).state_dict())


def restarted(spec: ModelSpec) -> torch.nn.Module:
    """The same fresh network every time."""
    torch.manual_seed(2)
    return build_network(spec)


@pytest.mark.parametrize("network", FLAT)
def test_classes_that_both_know_are_predicted_as_before(network: str) -> None:
    old, new = spec_of(network, "mito", "er", "nuc"), spec_of(network, "nuc", "ves", "mito")
    checkpoint = trained(old)
    before = build_network(old)
    before.load_state_dict(checkpoint.model)
    fresh, after = (restarted(new) for _ in range(2))
    found = transfer_weights(checkpoint, after, new)
    patch = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        was, now = before.eval()(patch), after.eval()(patch)
    torch.testing.assert_close(now[:, [2, 0]], was[:, [0, 2]], rtol=1e-5, atol=1e-5)
    assert (found.classes, found.new_classes, found.left, found.new) == (("nuc", "mito"), ("ves",), (), ())
    assert found.by_class
    for name in found.by_class:
        assert torch.equal(after.state_dict()[name][1], fresh.state_dict()[name][1]), name


def test_classes_in_another_order_are_not_mixed_up_though_the_shapes_agree() -> None:
    old, new = spec_of("unet_2d", "mito", "er"), spec_of("unet_2d", "er", "mito")
    checkpoint, network = trained(old), build_network(new)
    found = transfer_weights(checkpoint, network, new)
    assert found.by_class == ("final_conv.weight", "final_conv.bias")
    for name in found.by_class:
        assert torch.equal(network.state_dict()[name], checkpoint.model[name].flip(0))


def test_the_averaged_weights_are_what_is_taken() -> None:
    spec = spec_of("unet_2d", "mito")
    checkpoint = trained(spec)
    averaged = replace(checkpoint, ema={name: tensor + 1 for name, tensor in checkpoint.model.items()})
    network = build_network(spec)
    name = transfer_weights(averaged, network, spec).copied[0]
    assert torch.equal(network.state_dict()[name], checkpoint.model[name] + 1)


def test_layers_of_deep_supervision_may_come_and_go() -> None:
    deep = spec_of("dynunet_2d", "mito")
    plain = spec_of("dynunet_2d", "mito", options={"features": [8, 8, 16]})
    gone = transfer_weights(trained(deep), build_network(plain), plain)
    assert gone.left
    assert all("head" in name for name in gone.left)
    come = transfer_weights(trained(plain), build_network(deep), deep)
    assert come.new
    assert all("head" in name for name in come.new)


def test_a_start_draws_nothing_from_the_generator() -> None:
    spec = spec_of("unet_2d", "mito")
    checkpoint, network = trained(spec), build_network(spec)
    state = torch.get_rng_state()
    transfer_weights(checkpoint, network, spec)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("network", "changes", "says"),
    [
        ("unet_2d", {"options": {"features": [16] * 6}}, r"features is \(16, .* there, \(8, .* here; conv_0"),
        ("dynunet_2d", {}, "network is dynunet_2d there, unet_2d here"),
        ("unet_3d", {"patch_shape": [32, 32, 32]}, "it is 3D there, 2D here"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_and_changes_nothing(
    network: str, changes: dict[str, Any], says: str
) -> None:
    spec = spec_of("unet_2d", "mito")
    net = build_network(spec)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(CheckpointError, match=says):
        transfer_weights(trained(spec_of(network, "mito", **changes)), net, spec)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_body_of_another_depth_is_refused_though_some_layers_agree() -> None:
    spec = spec_of("segresnet_2d", "mito", options={"features": 8})
    shallow = spec_of("segresnet_2d", "mito", options={"features": 8, "blocks_down": [1, 1, 1, 1]})
    with pytest.raises(CheckpointError, match=r"blocks_down is \(1, 1, 1, 1\) there.*is not there"):
        transfer_weights(trained(shallow), build_network(spec), spec)


def test_what_is_told_beside_the_masks_is_taken_by_name_too() -> None:
    distance = {"kind": "distance", "class": "mito"}
    old = spec_of("unet_2d", "mito", targets=[distance])
    new = spec_of("unet_2d", "er", "mito", targets=[{"kind": "centre", "class": "er"}, distance])
    checkpoint, network = trained(old), build_network(new)
    found = transfer_weights(checkpoint, network, new)
    assert (found.classes, found.new_classes) == (("mito", "mito/distance"), ("er", "er/centre"))
    weights = network.state_dict()["final_conv.weight"]
    assert torch.equal(weights[[1, 3]], checkpoint.model["final_conv.weight"])
