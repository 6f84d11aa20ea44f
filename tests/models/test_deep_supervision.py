"""A network with deep supervision speaks at several resolutions while it learns, and at one afterwards."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from organelle.models import (
    DynUNetOptions,
    coarsen_target,
    deep_supervision_weights,
    initialise_bias,
    supervised_outputs,
)

THICK = DynUNetOptions(features=(8, 8, 8, 16), strides=((1, 2, 2), (1, 2, 2), (2, 2, 2)), deep_supervision=2)


def test_outputs_come_finest_first_in_training_and_alone_otherwise() -> None:
    network = THICK.build(3, 2)
    patch = torch.randn(1, 1, 4, 16, 16)
    shapes = [tuple(part.shape) for part in supervised_outputs(network.train()(patch))]
    assert shapes == [(1, 2, 4, 16, 16), (1, 2, 4, 8, 8), (1, 2, 4, 4, 4)]
    alone = supervised_outputs(network.eval()(patch))
    assert [tuple(part.shape) for part in alone] == [(1, 2, 4, 16, 16)]


def test_it_predicts_what_the_plain_network_with_its_weights_predicts() -> None:
    network = THICK.build(3, 2).eval()
    plain = THICK.model_copy(update={"deep_supervision": 0}).build(3, 2).eval()
    weights = {k: v for k, v in network.state_dict().items() if k in plain.state_dict()}
    plain.load_state_dict(weights)
    patch = torch.randn(1, 1, 4, 16, 16)
    with torch.no_grad():
        assert torch.equal(plain(patch), network(patch))


def test_every_output_teaches_and_nothing_of_a_step_is_kept() -> None:
    network = THICK.build(3, 2).train()
    outputs = supervised_outputs(network(torch.randn(1, 1, 4, 16, 16)))
    sum((part**2).mean() for part in outputs).backward()  # type: ignore[union-attr]
    heads = [m for m in network.modules() if isinstance(m, torch.nn.Conv3d) and m.out_channels == 2]
    assert len(heads) == 3
    assert all(head.weight.grad is not None and head.weight.grad.abs().sum() > 0 for head in heads)
    copy.deepcopy(network)  # tensors of a step cannot be copied


def test_all_outputs_start_at_the_class_frequencies() -> None:
    network = THICK.build(3, 2)
    assert initialise_bias(network, np.array([0.5, 0.1]))
    heads = [m for m in network.modules() if isinstance(m, torch.nn.Conv3d) and m.out_channels == 2]
    for head in heads:
        assert head.bias is not None
        np.testing.assert_allclose(torch.sigmoid(head.bias.detach()), [0.5, 0.1], rtol=1e-5)


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_weights_halve_and_sum_to_one(outputs: int) -> None:
    weights = deep_supervision_weights(outputs)
    assert math.isclose(sum(weights), 1)
    assert all(math.isclose(a, 2 * b) for a, b in pairwise(weights))


def test_a_coarse_voxel_is_what_most_of_its_known_voxels_are() -> None:
    target = torch.tensor([[1, 1, 0, 0, 1, 0, 1, 1], [1, 0, 0, 0, 0, 0, 1, 1]])[None, None]
    known = torch.tensor([[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 1, 0]])[None, None] > 0
    coarse, there = coarsen_target(target, known, (1, 4))
    assert coarse[0, 0, 0].tolist() == [1, 0, 1, 1]
    assert there[0, 0, 0].tolist() == [True, True, False, False]
    half = torch.tensor([[[[1, 1], [0, 0]]]])
    assert coarsen_target(half, half >= 0, (1, 1))[0].item() == 1


def test_unknown_voxels_say_nothing_about_the_coarse_target() -> None:
    rng = np.random.default_rng(0)
    known = torch.from_numpy(rng.random((2, 3, 4, 8, 8)) < 0.7)
    target = torch.from_numpy((rng.random(known.shape) < 0.5).astype(np.uint8))
    other = torch.where(known, target, 1 - target)
    for mine, theirs in zip(
        coarsen_target(target, known, (2, 4, 4)), coarsen_target(other, known, (2, 4, 4)), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_at_full_size_nothing_changes() -> None:
    target, known = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    same = coarsen_target(target, known, (4, 4))
    assert same[0] is target
    assert same[1] is known


def test_a_coarse_amount_is_the_mean_of_what_is_known_of_it() -> None:
    target = torch.tensor([[[[0.2, 0.4], [0.9, 5.0]]], [[[1.0, 1.0], [1.0, 0.0]]]]).transpose(0, 1)
    known = torch.tensor([[[[1, 1], [1, 0]]], [[[1, 1], [1, 1]]]]).transpose(0, 1) > 0
    coarse, there = coarsen_target(target, known, (1, 1), amounts=[True, False])
    torch.testing.assert_close(coarse.flatten(), torch.tensor([0.5, 1.0]))
    assert there.all()
    nothing = torch.full_like(target, torch.nan)
    coarse, there = coarsen_target(nothing, torch.zeros_like(known), (1, 1), amounts=[True, False])
    assert (coarse == 0).all()
    assert not there.any()
