"""Several ranks with different shares of unknown voxels come to what one rank with all patches does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from organelle.models.outputs import Channel
from organelle.train import Loss, LossSettings

CHANNELS = [
    Channel("perox"),
    Channel("perox_mem"),
    Channel("perox_lum"),
    Channel("mito/distance", "amount", "tanh"),
]


class SurfaceOfSums:
    """An own loss of sums: the share of known voxels that is found present, squared."""

    def statistics(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        return torch.stack([(torch.sigmoid(logits) * known).sum(), known.sum().to(logits.dtype)])

    def value(self, statistics: Tensor) -> Tensor:
        return (statistics[0] / statistics[1].clamp(min=1)) ** 2


SETTINGS = {
    "default": LossSettings(),
    "all": LossSettings(tversky=0.5, focal=0.5, hierarchy=True),
    "own": LossSettings(own=f"{__name__}:SurfaceOfSums"),
}


class Ranks:
    """Adds up over threads that stand for ranks, as an all-reduce does over processes."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count, timeout=20)
        self._sums: list[Tensor] = []

    def __call__(self, sums: Tensor) -> Tensor:
        assert not sums.requires_grad
        self._sums.append(sums)
        self._barrier.wait()
        return torch.stack(self._sums).sum(0)


def drawn(seed: int, known_shares: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """One patch per share of known voxels."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(known_shares), len(CHANNELS), 3, 4, 5)
    logits = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    target = (torch.rand(shape, generator=generator, dtype=torch.float64) > 0.6).double()
    shares = torch.tensor(known_shares, dtype=torch.float64).view(-1, 1, 1, 1, 1)
    known = torch.rand(shape, generator=generator, dtype=torch.float64) < shares
    return logits, target, known


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("shares", [(0.9, 0.1), (1.0, 0.0), (0.0, 0.0), (0.7, 0.2, 1.0)])
def test_gradients_of_all_ranks_add_up_to_that_of_the_whole_batch(
    name: str, shares: tuple[float, ...]
) -> None:
    loss = Loss(SETTINGS[name], CHANNELS, torch.tensor([3.0, 1.0, 8.0]).double())
    logits, target, known = drawn(len(shares), shares)
    whole = logits.clone().requires_grad_()
    wanted = loss(whole, target, known)
    wanted.backward()
    ranks = Ranks(len(shares))

    def rank(i: int) -> tuple[Tensor, Tensor]:
        own = logits[i : i + 1].clone().requires_grad_()
        value = loss(own, target[i : i + 1], known[i : i + 1], reduce=ranks)
        value.backward()
        assert own.grad is not None
        return value.detach(), own.grad

    with ThreadPoolExecutor(len(shares)) as pool:
        found = list(pool.map(rank, range(len(shares))))
    assert all(torch.allclose(value, wanted) for value, _ in found)
    assert whole.grad is not None
    assert torch.allclose(torch.cat([gradient for _, gradient in found]), whole.grad, atol=1e-12)


def test_the_mean_of_what_ranks_find_alone_would_be_another_loss() -> None:
    logits, target, known = drawn(2, (0.9, 0.1))
    loss = Loss(LossSettings(), CHANNELS, torch.ones(3).double())
    apart = [loss(logits[i : i + 1], target[i : i + 1], known[i : i + 1]) for i in range(2)]
    assert abs(torch.stack(apart).mean() - loss(logits, target, known)) > 1e-3


def test_statistics_of_batches_add_up() -> None:
    logits, target, known = drawn(3, (0.9, 0.1))
    loss = Loss(SETTINGS["all"], CHANNELS, torch.ones(3).double())
    parts = [loss.statistics(logits[i : i + 1], target[i : i + 1], known[i : i + 1]) for i in range(2)]
    assert torch.allclose(loss.value(parts[0] + parts[1]), loss(logits, target, known))
