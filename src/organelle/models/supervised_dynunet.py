"""MONAI's DynUNet as a network with deep supervision. Loads torch and MONAI."""

from __future__ import annotations

from typing import Any

from monai.networks.nets import DynUNet
from torch import Tensor


class SupervisedDynUNet(DynUNet):  # type: ignore[misc]
    """MONAI's DynUNet whose coarse outputs stay coarse.

    MONAI's own forward stretches them to full resolution and stacks them, which costs several times the
    memory.
    """

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits at full resolution; in training mode followed by those of the coarser levels."""
        logits: Tensor = self.output_block(self.skip_layers(x))
        coarser: list[Any] = list(self.heads)
        self.heads[:] = [logits.new_empty(0)] * len(coarser)  # kept here they would outlive the step
        return (logits, *coarser) if self.training else logits
