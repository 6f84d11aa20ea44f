"""A network without what it tells beside the masks of its classes. Loads torch."""

from __future__ import annotations

import torch
from torch import Tensor


class MasksOnly(torch.nn.Module):
    """The first `classes` channels of `network`: those of the classes stand before those of targets."""

    def __init__(self, network: torch.nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, class, (z,) y, x]."""
        logits: Tensor = self.network(x)
        return logits[:, : self.classes]
