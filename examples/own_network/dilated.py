"""A network at full resolution that looks ever farther: convolutions with growing gaps (Yu and Koltun 2016).

Organelle calls it as `DilatedNetwork(in_channels, out_channels, **options)`, with the `options` of `[model]`.
What it returns has the size of its input, with one logit per class. Drawing patches, masks of what is known,
losses, checkpoints and prediction remain organelle's matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A convolution that looks `dilation` voxels far, beside a shortcut around it."""

    def __init__(self, features: int, dilation: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.GroupNorm(8, features),
            nn.ReLU(),
            nn.Conv3d(features, features, 3, padding=dilation, dilation=dilation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """What came in, and what was seen."""
        return x + self.look(x)


class DilatedNetwork(nn.Module):
    """Maps [batch, in_channels, z, y, x] to logits [batch, out_channels, z, y, x]; `features` divide by 8."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        features: int = 32,
        dilations: Sequence[int] = (1, 2, 4, 8, 4, 2, 1),
    ) -> None:
        super().__init__()
        self.enter = nn.Conv3d(in_channels, features, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(features, dilation) for dilation in dilations))
        self.classes = nn.Conv3d(features, out_channels, 1)  # its biases start at the class frequencies

    def forward(self, x: Tensor) -> Tensor:
        """One logit per class and voxel."""
        return self.classes(torch.relu(self.blocks(self.enter(x))))
