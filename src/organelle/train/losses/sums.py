"""Sums over the known voxels of a batch: all that a loss needs to know of them.

Every loss of this room is a function of such sums. Sums add up over ranks, so several of them that see
different shares of unknown voxels come to the loss that one rank with all their patches would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

VOXELS, PRESENT, WEIGHT, ENTROPY, FOCAL, OVERLAP, VOLUME = range(7)
"""Columns: known voxels; those where the class is present; their weights; weighted cross-entropy and focal
loss; probability where the class is present; all probability."""
COLUMNS = 7
BLOCK = 2**16
"""Voxels worked on together on a CPU: a dozen arrays of them fit into a cache of the second level."""


@dataclass(frozen=True)
class Wanted:
    """Which columns are of use; the others stay 0 and cost nothing.

    Attributes:
        entropy: cross-entropy.
        overlap: probability, in all and where the class is present.
        gamma: exponent of the focal loss; None for no focal loss.
    """

    entropy: bool = True
    overlap: bool = True
    gamma: float | None = None


def class_sums(logits: Tensor, target: Tensor, known: Tensor, weight: Tensor, wanted: Wanted) -> Tensor:
    """The sums of every class, differentiable by the logits.

    On a CPU, value and gradient are worked out in blocks of one class each: many passes over a block stay in
    the cache, while over all voxels they would wait for memory. The gradient is in closed form and keeps
    nothing but the arguments. Logits of unknown voxels are never looked at: NaN there stays there.

    Args:
        logits: [batch, class, ...] of any floating type.
        target: the same shape, present where above 0.
        known: the same shape, bool.
        weight: [class], of voxels where the class is present; the others weigh 1.
        wanted: the columns to fill.

    Returns:
        [class, COLUMNS] in float32, or float64 for logits of float64.
    """
    sums: Tensor = _ClassSums.apply(logits, target, known, weight, wanted)  # type: ignore[no-untyped-call]
    return sums


def working_type(logits: Tensor) -> torch.dtype:
    """In which type sums are made: low precision would lose count after some hundred voxels."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


class _ClassSums(torch.autograd.Function):
    """`class_sums` with its gradient."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, known: Tensor, weight: Tensor, wanted: Wanted
    ) -> Tensor:
        ctx.save_for_backward(logits, target, known, weight)
        ctx.wanted = wanted
        sums = logits.new_zeros((logits.shape[1], COLUMNS), dtype=working_type(logits))
        flat = [part.flatten(2) for part in (logits, target, known)]
        for c, block in _blocks(flat[0]):
            sums[c] += _Voxels(*(part[block] for part in flat)).sums(weight[c], wanted)
        return sums

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, known, weight = ctx.saved_tensors
        flat = [part.flatten(2) for part in (logits, target, known)]
        gradient = torch.zeros_like(flat[0])
        slopes, needed = outputs[0], outputs[0].count_nonzero(dim=1).tolist()
        for c, block in _blocks(flat[0]):
            if needed[c]:
                voxels = _Voxels(*(part[block] for part in flat))
                gradient[block] = voxels.gradient(slopes[c], weight[c], ctx.wanted)
        return gradient.view(logits.shape), None, None, None, None


def _blocks(logits: Tensor) -> Iterator[tuple[int, tuple[slice, int, slice]]]:
    """Class and place of each block in [batch, class, voxel]; whole classes where there is no such cache."""
    patches, classes, voxels = logits.shape
    if logits.device.type != "cpu":
        yield from ((c, (slice(None), c, slice(None))) for c in range(classes))
        return
    together = max(1, BLOCK // max(1, voxels))
    for c in range(classes):
        for first in range(0, patches, together):
            for start in range(0, voxels, BLOCK):
                yield c, (slice(first, first + together), c, slice(start, start + BLOCK))


class _Voxels:
    """Voxels of one class.

    Unknown ones get the logit minus infinity and count as absent: such a voxel has probability 0, costs
    nothing and has no gradient, so that nothing more need be masked. Choices between present and absent are
    written as sums and products, which are many times as fast as `torch.where` on a CPU.
    """

    def __init__(self, logits: Tensor, target: Tensor, known: Tensor) -> None:
        self.known = known
        self.logits = torch.where(known, logits, -torch.inf).to(working_type(logits))
        self.probability = torch.sigmoid(self.logits)
        self.there = (known & (target > 0)).to(self.logits.dtype)

    def sums(self, weight: Tensor, wanted: Wanted) -> Tensor:
        """The row of sums, [COLUMNS]."""
        row = self.logits.new_zeros(COLUMNS)
        row[VOXELS] = self.known.count_nonzero()
        row[PRESENT] = self.there.count_nonzero()
        row[WEIGHT] = row[VOXELS] + (weight - 1) * row[PRESENT]
        if wanted.overlap:
            row[OVERLAP] = (self.probability * self.there).sum()
            row[VOLUME] = self.probability.sum()
        if wanted.entropy or wanted.gamma is not None:
            entropy = softplus(self.wrong_logits()).mul_(self.chosen(weight, 1))
            row[ENTROPY] = entropy.sum()
            if wanted.gamma is not None:
                row[FOCAL] = entropy.mul_(self.error() ** wanted.gamma).sum()
        return row

    def gradient(self, slope: Tensor, weight: Tensor, wanted: Wanted) -> Tensor:
        """The gradient by the logits where the sums have the gradient `slope`."""
        total = (self.probability - self.there).mul_(self.chosen(slope[ENTROPY] * weight, slope[ENTROPY]))
        if wanted.overlap:
            steepness = torch.addcmul(self.probability, self.probability, self.probability, value=-1)
            total.addcmul_(steepness, self.chosen(slope[VOLUME] + slope[OVERLAP], slope[VOLUME]))
        if wanted.gamma is not None:
            total.addcmul_(self._focal_slope(wanted.gamma), self.chosen(-slope[FOCAL] * weight, slope[FOCAL]))
        return total

    def chosen(self, present: Tensor, absent: Tensor | int) -> Tensor:
        """`present` where the class is present, `absent` elsewhere."""
        return (self.there * (present - absent)).add_(absent)

    def wrong_logits(self) -> Tensor:
        """Logits of the wrong answer."""
        return (1 - 2 * self.there).mul_(self.logits)

    def error(self) -> Tensor:
        """Probability of the wrong answer."""
        return (self.probability - self.there).abs_()

    def _focal_slope(self, gamma: float) -> Tensor:
        """Slope of e^gamma * -log(1 - e) by the wrong answer's logit, e its probability (Lin et al. 2017)."""
        error = self.error()
        return error**gamma * (gamma * (1 - error) * softplus(self.wrong_logits()) + error)
