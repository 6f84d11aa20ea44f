"""A group that is known where its members are not teaches the union of its members."""

from __future__ import annotations

import itertools
from decimal import Decimal, localcontext

import pytest
import torch
from torch import Tensor

from organelle.models.outputs import Channel
from organelle.train import Loss, LossSettings
from organelle.train.losses.unions import Union, union_logits, union_truth, unions_of

CLASSES = ("perox", "perox_mem", "perox_lum")
HIERARCHY = LossSettings(dice=0, hierarchy=True)
FLAT = LossSettings(dice=0)


def one_voxel(states: str) -> tuple[Tensor, Tensor]:
    """Target and known of one voxel: 1 present, 0 absent, ? unknown."""
    target = torch.tensor([float(s == "1") for s in states]).view(1, -1, 1)
    known = torch.tensor([s != "?" for s in states]).view(1, -1, 1)
    return target, known


def loss_of(settings: LossSettings, logits: Tensor, states: str) -> Tensor:
    channels = [Channel(name) for name in CLASSES]
    return Loss(settings, channels, torch.ones(3).to(logits))(logits, *one_voxel(states))


def test_groups_take_part_when_all_their_members_are_told_apart() -> None:
    assert unions_of(("perox_mem", "perox", "perox_lum")) == (Union(1, (0, 2)),)
    assert unions_of(("perox", "perox_mem")) == ()
    assert unions_of(("mito", "mito_mem", "mito_lum")) == ()
    names = ("np", "np_in", "np_out", "ne_mem", "ne_lum", "ne", "ne/distance")
    assert {names[union.group] for union in unions_of(names)} == {"np", "ne"}


@pytest.mark.parametrize(
    ("states", "new"),
    [
        ("1??", True),
        ("0??", True),
        ("?01", False),
        ("111", False),
        ("10?", True),
        ("11?", False),
        ("???", False),
    ],
)
def test_the_union_is_asked_where_the_group_says_what_its_members_do_not(states: str, new: bool) -> None:
    target, known = one_voxel(states)
    truth, asked = union_truth(target, known, unions_of(CLASSES))
    assert asked.item() is new
    assert truth.item() == float(states[0] == "1")


@pytest.mark.parametrize("states", ["1??", "0??", "10?", "1?0"])
def test_its_loss_is_cross_entropy_of_one_minus_the_product_of_absences(states: str) -> None:
    logits = torch.tensor([0.3, -1.2, 0.8], dtype=torch.float64).view(1, 3, 1)
    unknown = [m for m in (1, 2) if states[m] == "?"]
    union = 1 - torch.stack([1 - torch.sigmoid(logits[0, m, 0]) for m in unknown]).prod()
    wanted = -torch.log(union if states[0] == "1" else 1 - union)
    rows = 2 + sum(state != "?" for state in states) - 1  # known classes, and the union
    found = rows * loss_of(HIERARCHY, logits, states)
    without = (rows - 1) * loss_of(FLAT, logits, states)
    assert torch.allclose(found - without, wanted)


def test_where_members_are_known_or_it_is_switched_off_nothing_changes() -> None:
    logits = torch.tensor([0.3, -1.2, 0.8]).view(1, 3, 1)
    for states in ("111", "?01", "11?", "???", "000"):
        assert loss_of(HIERARCHY, logits, states) == loss_of(FLAT, logits, states)
    assert loss_of(HIERARCHY, logits, "1??") != loss_of(FLAT, logits, "1??")


@pytest.mark.parametrize("states", ["1??", "10?", "0?0", "0??"])
def test_a_known_group_teaches_its_unknown_members_towards_its_truth(states: str) -> None:
    logits = torch.zeros(1, 3, 1, requires_grad=True)
    loss_of(HIERARCHY, logits, states).backward()
    assert logits.grad is not None
    for m in (1, 2):
        if states[m] == "?":
            assert (logits.grad[0, m, 0] < 0) == (states[0] == "1")
    logits.grad = None
    loss_of(FLAT, logits, states).backward()
    assert all(logits.grad[0, m, 0] == 0 for m in (1, 2) if states[m] == "?")


def test_gradients_are_those_of_the_values() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    target = (torch.rand(logits.shape, generator=generator) > 0.5).double()
    known = torch.rand(logits.shape, generator=generator) > 0.5
    channels = [Channel(name) for name in CLASSES]
    loss = Loss(LossSettings(hierarchy=True, focal=1), channels, torch.ones(3).double())
    assert torch.autograd.gradcheck(lambda z: loss(z, target, known), (logits.requires_grad_(),))


def exact_union(a: float, b: float) -> float:
    """log(U / (1 - U)) for two members, with 600 digits."""
    with localcontext() as context:
        context.prec = 600
        return float(((1 + Decimal(a).exp()) * (1 + Decimal(b).exp()) - 1).ln())


def test_very_sure_members_lose_nothing_to_rounding() -> None:
    known = torch.zeros(1, 3, 1, dtype=torch.bool)
    for a, b in itertools.product((-1000.0, -90.0, -20.0, -3.0, 0.0, 20.0, 90.0, 1000.0), repeat=2):
        logits = torch.tensor([0.0, a, b]).view(1, 3, 1).requires_grad_()
        union = union_logits(logits, known, unions_of(CLASSES))
        assert union.item() == pytest.approx(exact_union(a, b), rel=1e-5, abs=1e-6)
        union.sum().backward()
        assert logits.grad is not None
        assert 1 - 1e-3 <= logits.grad.sum() <= 2 + 1e-3  # sum of p_m over U, from exclusive to alike


def test_nan_of_unknown_groups_and_known_members_does_no_harm() -> None:
    target = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]]).view(2, 3, 1)
    known = torch.tensor([[True, False, False], [False, False, False]]).view(2, 3, 1)
    logits = torch.tensor([[0.5, 0.1, 0.2], [torch.nan] * 3]).view(2, 3, 1).requires_grad_()
    channels = [Channel(name) for name in CLASSES]
    loss = Loss(HIERARCHY, channels, torch.ones(3))(logits, target, known)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[0] != 0).all()
    assert (logits.grad[1] == 0).all()
