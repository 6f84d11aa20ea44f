"""Every built-in network runs on the smallest patch that it allows, and says why it takes no smaller one."""

from __future__ import annotations

import sys
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from organelle.errors import MissingExtra
from organelle.models import SwinUNETROptions, dimensions_of, network_names
from organelle.models.registry import architecture

LIGHT = {
    "unet": {"features": [8, 8, 8, 8, 16, 8]},
    "resunet": {"features": [8, 8, 16]},
    "dynunet": {"features": [8, 8, 16]},
    "segresnet": {"features": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
    "swinunetr": {"features": 24, "window": 3},
}
CASES = [
    pytest.param(name, norm, id=f"{name}-{norm}")
    for name, norm in product(network_names(), ("group", "instance", "batch"))
    if norm != "batch" or name.endswith("2d")
]


def light(name: str, **options: Any) -> Any:
    return architecture(name, {**LIGHT[name.rpartition("_")[0]], **options})


def smallest(kind: Any, dimensions: int) -> tuple[int, ...]:
    """The divisor, doubled along the last axis when the divisor itself is refused."""
    divisor = kind.divisor(dimensions)
    return divisor if kind.refusal(divisor) is None else (*divisor[:-1], 2 * divisor[-1])


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_the_smallest_patch_that_is_allowed_runs_alone_in_both_modes(name: str, norm: str) -> None:
    torch.manual_seed(0)
    dimensions = dimensions_of(name) or 0
    kind = light(name, norm=norm)
    shape = smallest(kind, dimensions)
    network = kind.build(dimensions, 3)
    for training in (True, False):
        logits = network.train(training)(torch.randn(1, 1, *shape))
        assert logits.shape == (1, 3, *shape)
    logits.sum().backward()


@pytest.mark.parametrize("name", network_names())
def test_a_patch_that_is_refused_would_not_have_come_through(name: str) -> None:
    dimensions = dimensions_of(name) or 0
    kind = light(name)
    wrong = (*smallest(kind, dimensions)[:-1], kind.divisor(dimensions)[-1] * 3 // 2)
    assert "divisible" in kind.refusal(wrong)
    network = kind.build(dimensions, 2)
    try:
        same_size = network(torch.zeros(1, 1, *wrong)).shape[2:] == wrong
    except (RuntimeError, ValueError):
        same_size = False
    assert not same_size


@pytest.mark.parametrize("name", [name for name in network_names() if name.endswith("2d")])
def test_a_norm_that_would_see_one_value_is_refused_before_torch_does(name: str) -> None:
    kind = light(name, norm="instance")
    alone = kind.divisor(2)
    reason = kind.refusal(alone)
    assert reason is not None
    assert "double the patch along one axis" in reason
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        kind.build(2, 1)(torch.zeros(1, 1, *alone))


@pytest.mark.parametrize("name", network_names())
def test_several_images_go_in_side_by_side(name: str) -> None:
    dimensions = dimensions_of(name) or 0
    kind = light(name)
    shape = smallest(kind, dimensions)
    network = kind.build(dimensions, 1, in_channels=2).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 2, *shape)).shape == (1, 1, *shape)


@pytest.mark.parametrize("name", [name for name in network_names() if "resunet" not in name])
def test_the_library_alone_makes_the_same_network(name: str) -> None:
    dimensions = dimensions_of(name) or 0
    kind = light(name)
    ours, call = kind.build(dimensions, 2).eval(), kind.library_call(dimensions, 2)
    theirs = call.make().eval()
    theirs.load_state_dict(ours.state_dict())
    patch = torch.randn(1, 1, *smallest(kind, dimensions))
    with torch.no_grad():
        assert torch.equal(ours(patch), theirs(patch))


def test_attention_without_einops_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "einops", None)
    with pytest.raises(MissingExtra, match=r"organelle\[train\]"):
        SwinUNETROptions().build(2, 1)


def test_a_tensor_is_all_that_comes_out_without_deep_supervision() -> None:
    network = light("dynunet_2d").build(2, 1).train()
    assert isinstance(network(torch.zeros(1, 1, 8, 8)), Tensor)
