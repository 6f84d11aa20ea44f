"""The default loss as one function: cross-entropy and Dice over known voxels."""

from __future__ import annotations

from torch import Tensor

from organelle.train.losses.sums import class_sums
from organelle.train.losses.terms import Terms, mean_of_taught


def balanced_loss(
    logits: Tensor, target: Tensor, known: Tensor, positive_weight: Tensor, dice: float = 1.0
) -> Tensor:
    """Weighted cross-entropy plus `dice` times Dice, per class over its known voxels, averaged over classes.

    The formulas stand in `Terms`. Classes without a known voxel do not count.

    Args:
        logits: [batch, class, ...] of any floating type; sums are in float32.
        target: the same shape, 0 or 1, any type.
        known: the same shape, bool; where false, neither value nor gradient counts.
        positive_weight: [class].
        dice: weight of the Dice loss.

    Returns:
        One number; 0, with a gradient of 0, when nothing in the batch is known.
    """
    terms = Terms(dice=dice)
    sums = class_sums(logits, target, known, positive_weight, terms.wanted)
    return mean_of_taught(terms(sums), sums)
