"""Losses over known voxels only, balanced so that rare classes do not come out empty."""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTH = 1.0
"""Voxels added to both sides of the Dice ratio, so that a patch without a class has a finite gradient."""


def masked_bce(logits: Tensor, target: Tensor, known: Tensor, positive_weight: Tensor) -> Tensor:
    """Binary cross-entropy per class, averaged over the voxels that are known.

    Args:
        logits: [batch, class, ...] network output.
        target: 0 or 1, same shape.
        known: bool, same shape; where false, neither value nor gradient counts.
        positive_weight: [class] factor for the voxels where the class is present.

    Returns:
        [class] losses; 0 for a class without a known voxel. The average is weighted by the same factors,
        so that the loss of every class starts near ln 2 however rare it is.
    """
    axes = _voxel_axes(logits)
    weight = known * torch.where(target > 0, _per_class(positive_weight, logits), 1.0)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    return entropy.sum(axes) / weight.sum(axes).clamp(min=1.0)


def masked_dice(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Soft Dice loss per class over the known voxels of the whole batch.

    Milletari et al. 2016 (V-Net), without squares in the denominator. Shapes as in `masked_bce`.

    Returns:
        [class] losses between 0 and 1; 0 for a class that is absent from every known voxel of the batch:
        there the cross-entropy alone speaks, for Dice would only punish its size.
    """
    axes = _voxel_axes(logits)
    probability = torch.sigmoid(logits) * known
    truth = target * known
    overlap = (probability * truth).sum(axes)
    present = truth.sum(axes)
    dice = (2 * overlap + SMOOTH) / (probability.sum(axes) + present + SMOOTH)
    return torch.where(present > 0, 1 - dice, torch.zeros_like(dice))


def balanced_loss(logits: Tensor, target: Tensor, known: Tensor, positive_weight: Tensor) -> Tensor:
    """Cross-entropy plus Dice, each averaged over the classes that the batch knows.

    Returns:
        One number; 0 with a gradient of 0 when nothing in the batch is known.
    """
    knows = known.flatten(2).any(2).any(0)
    share = knows / knows.sum().clamp(min=1)
    entropy = masked_bce(logits, target, known, positive_weight)
    return ((entropy + masked_dice(logits, target, known)) * share).sum()


def positive_weights(frequencies: Tensor, *, most: float = 20.0) -> Tensor:
    """Weight of present voxels per class: the root of absent over present, from 1 / `most` to `most`.

    The full ratio makes rare classes flood; no weight leaves them empty; the root lies between.
    A class that is never present gets the weight 1.
    """
    inside = frequencies.clamp(1e-9, 1 - 1e-9)
    weights = torch.sqrt((1 - inside) / inside).clamp(1 / most, most)
    return torch.where((frequencies > 0) & (frequencies < 1), weights, torch.ones_like(weights))


def _voxel_axes(logits: Tensor) -> tuple[int, ...]:
    return (0, *range(2, logits.ndim))


def _per_class(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(1, -1, *([1] * (like.ndim - 2)))
