"""What the losses count and what they leave alone."""

from __future__ import annotations

import math

import torch

from organelle.train.losses import balanced_loss, masked_bce, masked_dice, positive_weights


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 5, 6, generator=generator)
    target = (torch.rand(logits.shape, generator=generator) > 0.7).float()
    known = torch.rand(logits.shape, generator=generator) > 0.3
    return logits, target, known


def test_unknown_voxels_change_neither_loss_nor_gradient() -> None:
    logits, target, known = drawn()
    weight = torch.tensor([1.0, 2.0, 3.0])
    scrambled = torch.where(known, target, 1 - target)
    elsewhere = torch.where(known, logits, logits + 9).requires_grad_()
    logits.requires_grad_()
    loss = balanced_loss(logits, target, known, weight)
    other = balanced_loss(elsewhere, scrambled, known, weight)
    assert torch.allclose(loss, other)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[~known] == 0).all()
    assert (logits.grad[known] != 0).all()


def test_cross_entropy_is_the_weighted_mean_of_the_definition() -> None:
    logits, target, known = drawn(1)
    weight = torch.tensor([1.0, 2.0, 0.5])
    for index in range(3):
        p = torch.sigmoid(logits[:, index][known[:, index]])
        t = target[:, index][known[:, index]]
        w = torch.where(t > 0, weight[index], 1.0)
        wanted = -(w * (t * p.log() + (1 - t) * (1 - p).log())).sum() / w.sum()
        assert torch.isclose(masked_bce(logits, target, known, weight)[index], wanted)


def test_dice_of_a_perfect_answer_is_nearly_nothing_and_of_a_wrong_one_nearly_one() -> None:
    _, target, known = drawn(2)
    right = (target * 2 - 1) * 50
    assert (masked_dice(right, target, known) < 1e-6).all()
    assert (masked_dice(-right, target, known) > 0.9).all()


def test_a_class_that_is_nowhere_present_has_no_dice() -> None:
    logits, target, known = drawn(3)
    target[:, 1] = 0
    dice = masked_dice(logits, target, known)
    assert dice[1] == 0
    assert dice[0] > 0


def test_classes_that_nobody_knows_do_not_count() -> None:
    logits, target, known = drawn(4)
    weight = torch.ones(3)
    known[:, 2] = False
    two = balanced_loss(logits[:, :2], target[:, :2], known[:, :2], weight[:2])
    assert torch.isclose(balanced_loss(logits, target, known, weight), two)


def test_a_batch_without_knowledge_has_loss_and_gradient_zero() -> None:
    logits, target, known = drawn(5)
    logits.requires_grad_()
    loss = balanced_loss(logits, target, torch.zeros_like(known), torch.ones(3))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_weights_balance_by_the_root_within_bounds() -> None:
    weights = positive_weights(torch.tensor([0.5, 0.1, 1e-7, 0.0, 1.0, 0.9]), most=20)
    wanted = torch.tensor([1.0, 3.0, 20.0, 1.0, 1.0, 1 / 3])
    assert torch.allclose(weights, wanted, rtol=1e-5)


def test_an_undecided_network_starts_at_ln_2_however_rare_the_class() -> None:
    target = torch.zeros(1, 1, 10, 10, 10)
    target[0, 0, 0, 0, 0] = 1
    loss = masked_bce(torch.zeros_like(target), target, torch.ones_like(target) > 0, torch.tensor([20.0]))
    assert math.isclose(loss.item(), math.log(2), rel_tol=1e-5)
