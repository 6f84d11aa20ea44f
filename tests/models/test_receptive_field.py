"""How far a network looks, measured, is how far its layers look, added up."""

from __future__ import annotations

import pytest
import torch

from organelle.models import DynUNetOptions, UNetOptions
from organelle.models.receptive_field import receptive_field

Interval = tuple[int, int]


class Steps:
    """A U-Net along one axis: which voxels of its input an interval of its output can depend on.

    Args:
        strides: step down into each level after the first.
        kernels: of the convolutions at each level; on the way up those of the level below are used.
        pooled: whether a step down is a pooling, or else the first convolution of its level.
    """

    def __init__(self, strides: list[int], kernels: list[int], *, pooled: bool) -> None:
        self.strides, self.kernels, self.pooled = strides, kernels, pooled

    def size(self, voxel: int) -> int:
        low, high = self.decoder(0, (voxel, voxel))
        return high - low + 1

    def decoder(self, level: int, at: Interval) -> Interval:
        if level == len(self.strides):
            return self.encoder(level, at)
        reach = 2 * (self.kernels[level + 1] // 2)
        low, high = at[0] - reach, at[1] + reach
        step = self.strides[level]
        beside = self.encoder(level, (low, high))
        below = self.decoder(level + 1, (low // step, high // step))
        return min(beside[0], below[0]), max(beside[1], below[1])

    def encoder(self, level: int, at: Interval) -> Interval:
        reach = self.kernels[level] // 2
        if level == 0:
            return at[0] - 2 * reach, at[1] + 2 * reach
        step = self.strides[level - 1]
        if self.pooled:
            low, high = at[0] - 2 * reach, at[1] + 2 * reach
            return self.encoder(level - 1, (step * low, step * high + step - 1))
        low, high = at[0] - reach, at[1] + reach
        return self.encoder(level - 1, (step * low - reach, step * high + reach))


@pytest.mark.parametrize("norm", ["group", "instance"])
def test_a_unet_looks_as_far_as_its_convolutions_and_poolings(norm: str) -> None:
    network = UNetOptions(features=(8, 8, 8, 8, 8, 8), norm=norm).build(2, 3)  # type: ignore[arg-type]
    wanted = Steps([2] * 4, [3] * 5, pooled=True).size(1024)
    assert receptive_field(network, (16, 16)) == (wanted, wanted)


def test_a_network_for_thick_sections_looks_less_far_across_them() -> None:
    strides = ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    kind = DynUNetOptions(features=(8, 8, 8, 8), strides=strides)
    measured = receptive_field(kind.build(3, 1), kind.divisor(3))
    across = Steps([1, 1, 2], [1, 1, 3, 3], pooled=False).size(1024)
    along = Steps([2, 2, 2], [3, 3, 3, 3], pooled=False).size(1024)
    assert measured == (across, along, along)
    assert across < along


def test_layers_in_a_row_add_up() -> None:
    layers = [
        torch.nn.Conv2d(1, 4, 5, padding=2),
        torch.nn.BatchNorm2d(4),
        torch.nn.Conv2d(4, 1, (3, 1), padding=(1, 0)),
    ]
    assert receptive_field(torch.nn.Sequential(*layers), (1, 1)) == (7, 5)


def test_a_network_that_sees_everything_says_so() -> None:
    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x.mean((2, 3), keepdim=True)

    assert receptive_field(Mean(), (1, 1), axes=(1,)) == (None,)
