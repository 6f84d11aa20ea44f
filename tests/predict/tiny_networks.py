"""Networks that are small enough to be written as ONNX in a moment."""

from __future__ import annotations

import torch


class Tiny(torch.nn.Module):
    """Two convolutions with a norm that sees the whole patch, in 2D or 3D."""

    def __init__(self, in_channels: int, out_channels: int, dimensions: int = 3) -> None:
        super().__init__()
        convolution = torch.nn.Conv3d if dimensions == 3 else torch.nn.Conv2d
        self.layers = torch.nn.Sequential(
            convolution(in_channels, 8, 3, padding=1),
            torch.nn.GroupNorm(2, 8),
            torch.nn.ReLU(),
            convolution(8, out_channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = 3 * self.layers(x)
        return logits


class Undecided(torch.nn.Module):
    """Goes another way for another value, which cannot be written down."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layer = torch.nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(x)
        return logits if float(x.sum()) > 0 else -logits
