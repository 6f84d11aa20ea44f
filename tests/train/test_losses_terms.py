"""Every loss against its formula, its gradient against differences, and what unknown voxels may do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from organelle.models.outputs import Channel
from organelle.train import Loss, LossSettings

ALONE = dict.fromkeys(("bce", "dice", "tversky", "focal"), 0.0)
CHOICES = {
    "bce": LossSettings(**ALONE | {"bce": 1.0}),
    "dice": LossSettings(**ALONE | {"dice": 1.0}),
    "tversky": LossSettings(**ALONE | {"tversky": 0.5}, tversky_alpha=0.2, tversky_beta=1.1),
    "focal": LossSettings(**ALONE | {"focal": 1.0}),
    "focal, gamma 0.5": LossSettings(**ALONE | {"focal": 1.0}, focal_gamma=0.5),
    "all": LossSettings(bce=0.3, dice=0.7, tversky=0.4, focal=1.5, focal_gamma=1.5),
}


@dataclass
class Drawn:
    """A small batch."""

    logits: Tensor
    target: Tensor
    known: Tensor
    weight: Tensor

    def loss(self, settings: LossSettings) -> Tensor:
        channels = [Channel(name) for name in ("mito", "er", "nuc")]
        return Loss(settings, channels, self.weight)(self.logits, self.target, self.known)

    def gradient(self, settings: LossSettings) -> Tensor:
        logits = self.logits.detach().clone().requires_grad_()
        self.with_logits(logits).loss(settings).backward()
        assert logits.grad is not None
        return logits.grad

    def with_logits(self, logits: Tensor) -> Drawn:
        return Drawn(logits, self.target, self.known, self.weight)


def drawn(seed: int, shape: tuple[int, ...] = (2, 3, 2, 3, 4), dtype: torch.dtype = torch.float64) -> Drawn:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator, dtype=dtype)
    target = (torch.rand(shape, generator=generator) > 0.6).to(torch.uint8)
    known = torch.rand(shape, generator=generator) > 0.3
    return Drawn(logits, target, known, torch.tensor([1.0, 5.0, 0.5], dtype=dtype))


def by_definition(batch: Drawn, s: LossSettings) -> Tensor:
    """The formulas with lists of voxels."""
    losses = []
    for c in range(batch.logits.shape[1]):
        k = batch.known[:, c]
        if not k.any():
            continue
        z, t = batch.logits[:, c][k].double(), batch.target[:, c][k].double()
        p = torch.sigmoid(z)
        w = torch.where(t > 0, batch.weight[c].double(), 1.0)
        entropy = binary_cross_entropy_with_logits(z, t, reduction="none")
        wrong = torch.where(t > 0, 1 - p, p)
        loss = s.bce * (w * entropy).sum() / w.sum()
        loss = loss + s.focal * (w * wrong**s.focal_gamma * entropy).sum() / w.sum()
        if t.any():
            loss = loss + s.dice * (1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
            right, invented, missed = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
            costs = s.tversky_alpha * invented + s.tversky_beta * missed
            loss = loss + s.tversky * (1 - (right + 0.5) / (right + costs + 0.5))
        losses.append(loss)
    return torch.stack(losses).mean()


@pytest.mark.parametrize("name", CHOICES)
def test_every_loss_is_its_formula(name: str) -> None:
    for seed in range(5):
        batch = drawn(seed)
        if seed == 3:
            batch.target[:, 1] = 0
        if seed == 4:
            batch.known[:, 2] = False
        assert torch.allclose(batch.loss(CHOICES[name]), by_definition(batch, CHOICES[name]), rtol=1e-7)


@pytest.mark.parametrize("shape", [(2, 3, 45, 44, 43), (7, 3, 150, 140)])
@pytest.mark.parametrize("turned", [False, True])
def test_batches_of_many_blocks_are_no_different(shape: tuple[int, ...], turned: bool) -> None:
    batch = drawn(11, shape)
    if turned:
        batch.logits = batch.logits.transpose(2, 3).contiguous().transpose(2, 3)
    logits = batch.logits.clone().requires_grad_()
    wanted = by_definition(batch.with_logits(logits), CHOICES["all"])
    wanted.backward()
    assert logits.grad is not None
    assert torch.allclose(batch.loss(CHOICES["all"]), wanted)
    assert torch.allclose(batch.gradient(CHOICES["all"]), logits.grad)


@pytest.mark.parametrize("name", CHOICES)
def test_every_gradient_is_that_of_the_values(name: str) -> None:
    batch = drawn(7)
    batch.known[:, 2, 0] = False
    logits = batch.logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: batch.with_logits(z).loss(CHOICES[name]), (logits,))


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf, 60.0])
def test_unknown_voxels_change_nothing_even_where_the_network_says_nonsense(name: str, poison: float) -> None:
    batch = drawn(1, dtype=torch.float32)
    other = batch.with_logits(torch.where(batch.known, batch.logits, poison))
    other.target = torch.where(batch.known, batch.target, 1 - batch.target)
    assert torch.equal(batch.loss(CHOICES[name]), other.loss(CHOICES[name]))
    gradient = other.gradient(CHOICES[name])
    assert torch.equal(gradient, batch.gradient(CHOICES[name]))
    assert (gradient[~batch.known] == 0).all()
    assert (gradient[batch.known] != 0).all()


@pytest.mark.parametrize("name", CHOICES)
def test_nan_at_a_known_voxel_is_not_hidden(name: str) -> None:
    batch = drawn(2)
    batch.known[0, 0, 0, 0, 0] = True
    batch.logits[0, 0, 0, 0, 0] = torch.nan
    assert batch.loss(CHOICES[name]).isnan()


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_very_sure_networks_get_finite_losses_and_gradients(name: str, dtype: torch.dtype) -> None:
    batch = drawn(3, dtype=dtype)
    batch.logits = (batch.logits * 200).to(dtype)
    assert batch.loss(CHOICES[name]).isfinite()
    assert batch.gradient(CHOICES[name]).isfinite().all()
    assert batch.gradient(CHOICES[name]).dtype == dtype


@pytest.mark.parametrize("name", CHOICES)
def test_without_a_known_voxel_loss_and_gradient_are_zero(name: str) -> None:
    batch = drawn(4)
    batch.known[:] = False
    batch.logits[0] = torch.nan
    assert batch.loss(CHOICES[name]) == 0
    assert (batch.gradient(CHOICES[name]) == 0).all()


def test_a_class_that_a_patch_does_not_know_does_not_count() -> None:
    batch = drawn(5)
    batch.known[:, 1] = False
    fewer = Drawn(
        *(part[:, [0, 2]] for part in (batch.logits, batch.target, batch.known)), batch.weight[[0, 2]]
    )
    channels = [Channel("mito"), Channel("nuc")]
    wanted = Loss(CHOICES["all"], channels, fewer.weight)(fewer.logits, fewer.target, fewer.known)
    assert torch.allclose(batch.loss(CHOICES["all"]), wanted)


def test_tversky_with_equal_halves_is_dice_and_focal_without_gamma_is_cross_entropy() -> None:
    batch = drawn(6)
    half = LossSettings(**ALONE | {"tversky": 1.0}, tversky_alpha=0.5, tversky_beta=0.5)
    assert torch.allclose(batch.loss(half), batch.loss(CHOICES["dice"]))
    flat = LossSettings(**ALONE | {"focal": 1.0}, focal_gamma=0)
    assert torch.allclose(batch.loss(flat), batch.loss(CHOICES["bce"]))


def test_weighted_sums_are_sums() -> None:
    batch = drawn(8)
    parts = [batch.loss(CHOICES[name]) for name in ("bce", "dice")]
    both = LossSettings(bce=0.25, dice=2.0)
    assert torch.allclose(batch.loss(both), 0.25 * parts[0] + 2 * parts[1])


AMOUNTS = [Channel("mito/distance", "amount", "tanh"), Channel("mito/centre", "amount", "sigmoid", 0.5)]


@pytest.mark.parametrize("form", ["smooth_l1", "mse"])
def test_amounts_are_compared_after_their_activation_over_known_voxels(form: str) -> None:
    settings = LossSettings(regression=0.5, regression_form=form, regression_beta=0.2)
    batch = drawn(9, shape=(2, 2, 3, 4))
    truth = torch.rand(batch.logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    loss = Loss(settings, AMOUNTS, torch.ones(0, dtype=torch.float64))
    errors = []
    for c, activation in enumerate((torch.tanh, torch.sigmoid)):
        k = batch.known[:, c]
        found = activation(batch.logits[:, c][k])
        mse = ((found - truth[:, c][k]) ** 2).mean()
        errors.append(mse if form == "mse" else smooth_l1_loss(found, truth[:, c][k], beta=0.2))
    logits = torch.where(batch.known, batch.logits, torch.nan).requires_grad_()
    found = loss(logits, torch.where(batch.known, truth, torch.nan), batch.known)
    assert torch.allclose(found, 0.5 * (errors[0] + 0.5 * errors[1]) / 1.5)
    found.backward()
    assert logits.grad is not None
    assert (logits.grad[~batch.known] == 0).all()
    sound = batch.logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, truth, batch.known), (sound,))


def test_masks_and_amounts_share_a_network_in_any_order() -> None:
    batch = drawn(10)
    truth = batch.target.double()
    parts = {"mito": 0, "er": 1}
    for order in itertools.permutations(range(3)):
        kinds = [Channel("mito"), Channel("er"), AMOUNTS[0]]
        channels = [kinds[i] for i in order]
        weight = torch.ones(3, dtype=torch.float64)
        seen = [part[:, list(order)] for part in (batch.logits, truth, batch.known)]
        found = Loss(LossSettings(), channels, weight)(*seen)
        alone = [
            Loss(LossSettings(), [kinds[i]], weight[:1])(
                batch.logits[:, [i]], truth[:, [i]], batch.known[:, [i]]
            )
            for i in range(len(parts) + 1)
        ]
        assert torch.allclose(found, torch.stack(alone).mean())
