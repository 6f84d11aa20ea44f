"""How much present voxels of a class weigh."""

from __future__ import annotations

import torch
from torch import Tensor


def positive_weights(frequencies: Tensor, *, most: float = 20.0) -> Tensor:
    """Weight of present voxels per class: sqrt(1 + r / 4) with r = absent over present; at most `most`.

    The full ratio r makes rare classes flood, no weight leaves them empty. An IoU of J is best served where
    the probability exceeds J / (1 + J) (Lipton et al. 2014, for F1), hence by a weight of about 1 / J: near
    1 for what fills half of the volume, near the root of r for what is rare and hard.
    A class that is never present, or always, gets the weight 1; so does one whose frequency is NaN.
    """
    inside = frequencies.clamp(1e-9, 1 - 1e-9)
    weights = torch.sqrt(1 + (1 - inside) / inside / 4).clamp(max=most)
    return torch.where((frequencies > 0) & (frequencies < 1), weights, torch.ones_like(weights))
