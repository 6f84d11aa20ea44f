"""What the loss counts and what it leaves alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from organelle.train.losses import balanced_loss, positive_weights


def by_definition(logits: Tensor, target: Tensor, known: Tensor, weight: Tensor, dice: float = 1.0) -> Tensor:
    """The loss as its docstring says, voxel lists and autograd only."""
    losses = []
    for c in range(logits.shape[1]):
        k = known[:, c]
        if not k.any():
            continue
        p, t = torch.sigmoid(logits[:, c][k].double()), target[:, c][k].double()
        w = torch.where(t > 0, weight[c].double(), 1.0)
        loss = -(w * (t * p.log() + (1 - t) * (1 - p).log())).sum() / w.sum()
        if t.any():
            loss = loss + dice * (1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
        losses.append(loss)
    return torch.stack(losses).mean()


def drawn(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 3, 4, 5, 6, generator=generator)
    target = (torch.rand(logits.shape, generator=generator) > 0.7).to(torch.uint8)
    known = torch.rand(logits.shape, generator=generator) > 0.3
    return logits, target, known, torch.tensor([1.0, 5.0, 0.5])


@pytest.mark.parametrize("dice", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("case", ["drawn", "one class absent", "one class unknown", "all known"])
def test_value_and_gradient_are_those_of_the_definition(case: str, dice: float) -> None:
    logits, target, known, weight = drawn(1)
    if case == "one class absent":
        target[:, 1] = 0
    if case == "one class unknown":
        known[:, 2] = False
    if case == "all known":
        known[:] = True
    fast, slow = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    pairs = ((balanced_loss, fast), (by_definition, slow))
    loss, wanted = (f(x, target, known, weight, dice) for f, x in pairs)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    (3 * loss).backward()
    (3 * wanted).backward()
    assert fast.grad is not None
    assert slow.grad is not None
    assert torch.allclose(fast.grad, slow.grad, rtol=1e-4, atol=1e-7)


def test_unknown_voxels_change_neither_loss_nor_gradient() -> None:
    logits, target, known, weight = drawn()
    scrambled = torch.where(known, target, 1 - target)
    elsewhere = torch.where(known, logits, logits + 9)
    logits.requires_grad_()
    loss = balanced_loss(logits, target, known, weight)
    assert torch.allclose(loss, balanced_loss(elsewhere, scrambled, known, weight))
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[~known] == 0).all()
    assert (logits.grad[known] != 0).all()


def test_a_right_answer_costs_nothing_and_a_wrong_one_much() -> None:
    _, target, known, weight = drawn(2)
    right = (target.float() * 2 - 1) * 50
    assert balanced_loss(right, target, known, weight) < 1e-6
    assert balanced_loss(-right, target, known, weight) > 10


def test_low_precision_logits_get_low_precision_gradients_of_the_same_direction() -> None:
    logits, target, known, weight = drawn(3)
    exact, rough = logits.clone().requires_grad_(), logits.bfloat16().requires_grad_()
    balanced_loss(exact, target, known, weight).backward()
    balanced_loss(rough, target, known, weight).backward()
    assert exact.grad is not None
    assert rough.grad is not None
    assert rough.grad.dtype == torch.bfloat16
    assert torch.cosine_similarity(exact.grad.flatten(), rough.grad.float().flatten(), dim=0) > 0.999


def test_a_batch_without_knowledge_has_loss_and_gradient_zero() -> None:
    logits, target, known, weight = drawn(5)
    logits.requires_grad_()
    loss = balanced_loss(logits, target, torch.zeros_like(known), weight)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_weights_grow_with_rarity_within_bounds() -> None:
    weights = positive_weights(torch.tensor([0.5, 1 / 33, 1e-7, 0.0, 1.0]), most=20)
    wanted = torch.tensor([1.25**0.5, 3.0, 20.0, 1.0, 1.0])
    assert torch.allclose(weights, wanted, rtol=1e-5)


def test_an_undecided_network_starts_at_ln_2_however_rare_the_class() -> None:
    target = torch.zeros(1, 1, 10, 10, 10)
    known = torch.ones_like(target) > 0
    assert balanced_loss(target, target, known, torch.tensor([20.0])).item() == pytest.approx(math.log(2))
