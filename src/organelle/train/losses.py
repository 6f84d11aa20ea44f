"""The loss over known voxels only, balanced so that rare classes do not come out empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SMOOTH = 1.0
"""Voxels added to both sides of the Dice ratio, so that a handful of voxels has a finite gradient."""


def balanced_loss(
    logits: Tensor, target: Tensor, known: Tensor, positive_weight: Tensor, dice: float = 1.0
) -> Tensor:
    """Weighted cross-entropy plus `dice` times Dice, per class over its known voxels, averaged over classes.

    With p the probability, t the target and w = `positive_weight` where t is 1, else 1, all over known
    voxels of the whole batch:

    - cross-entropy = sum w * -log(t ? p : 1 - p) / sum w, so every class starts near ln 2, however rare;
    - Dice = 1 - (2 sum p t + 1) / (sum p + sum t + 1), the soft Dice of V-Net (Milletari et al. 2016)
      without squares below; 0 for a class that is absent from the batch, where it would only punish size.

    Classes without a known voxel do not count. Value and gradient are computed together, class by class:
    dozens of passes over a class stay in the cache, while over all classes they would wait for memory.

    Args:
        logits: [batch, class, ...] of any floating type; sums are in float32.
        target: the same shape, 0 or 1, any type.
        known: the same shape, bool; where false, neither value nor gradient counts.
        positive_weight: [class].
        dice: weight of the Dice loss.

    Returns:
        One number; 0, with a gradient of 0, when nothing in the batch is known.
    """
    loss: Tensor = _BalancedLoss.apply(logits, target, known, positive_weight, dice)  # type: ignore[no-untyped-call]
    return loss


def positive_weights(frequencies: Tensor, *, most: float = 20.0) -> Tensor:
    """Weight of present voxels per class: sqrt(1 + r / 4) with r = absent over present; at most `most`.

    The full ratio r makes rare classes flood, no weight leaves them empty. An IoU of J is best served where
    the probability exceeds J / (1 + J) (Lipton et al. 2014, for F1), hence by a weight of about 1 / J: near
    1 for what fills half of the volume, near the root of r for what is rare and hard.
    A class that is never present, or always, gets the weight 1.
    """
    inside = frequencies.clamp(1e-9, 1 - 1e-9)
    weights = torch.sqrt(1 + (1 - inside) / inside / 4).clamp(max=most)
    return torch.where((frequencies > 0) & (frequencies < 1), weights, torch.ones_like(weights))


class _BalancedLoss(torch.autograd.Function):
    """`balanced_loss` with its gradient in closed form."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, known: Tensor, positive_weight: Tensor, dice: float
    ) -> Tensor:
        gradient = torch.zeros_like(logits)
        taught = [c for c in range(logits.shape[1]) if known[:, c].any()]
        total = logits.new_zeros((), dtype=torch.float32)
        for c in taught:
            part = _of_class(logits[:, c].float(), target[:, c] > 0, known[:, c], positive_weight[c], dice)
            total += part.value / len(taught)
            gradient[:, c] = part.gradient / len(taught)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outputs[0].to(gradient.dtype), None, None, None, None


@dataclass
class _Part:
    """The loss of one class, and its gradient by the logits."""

    value: Tensor
    gradient: Tensor


def _of_class(logits: Tensor, target: Tensor, known: Tensor, positive_weight: Tensor, dice: float) -> _Part:
    """One class; target and known are bool, and at least one voxel is known."""
    probability = torch.sigmoid(logits)
    there = target & known
    weight = known * torch.where(target, positive_weight, 1.0)
    weight /= weight.sum()
    entropy = (weight * (torch.nn.functional.softplus(logits) - logits * there)).sum()
    part = _Part(entropy, weight * (probability - there.float()))
    present = there.sum()
    if present and dice:
        inside = probability * known
        ratio = 2 * (inside * there).sum() + SMOOTH
        size = inside.sum() + present + SMOOTH
        slope = inside * (1 - probability)
        part.value = entropy + dice * (1 - ratio / size)
        part.gradient += dice * (slope * (ratio / size**2) - slope * there * (2 / size))
    return part
