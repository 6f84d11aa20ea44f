"""Losses of channels that are no probabilities: distances and heat maps."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from organelle.train.losses.sums import COLUMNS, ENTROPY, VOXELS, WEIGHT, working_type

Form = Literal["smooth_l1", "mse"]


def regression_sums(
    outputs: Tensor, target: Tensor, known: Tensor, activation: str, form: Form, beta: float
) -> Tensor:
    """The row of sums of one channel, [COLUMNS]: voxels, and errors in the place of cross-entropy.

    Args:
        outputs: [batch, ...] of the network, before the activation.
        target: the same shape.
        known: the same shape, bool.
        activation: `tanh`, `sigmoid` or `none`: what prediction applies, and so does the loss.
        form: `mse`, the squared error, or `smooth_l1`, which beyond `beta` grows linearly (Girshick 2015).
        beta: unit of the target.
    """
    kind = working_type(outputs)
    found = activate(torch.where(known, outputs, 0).to(kind), activation)
    truth = torch.where(known, target.to(kind), 0)
    row = torch.zeros(COLUMNS, dtype=kind, device=outputs.device)
    row[VOXELS] = row[WEIGHT] = known.count_nonzero()
    if form == "mse":
        error = (found - truth).square()
    else:
        error = smooth_l1_loss(found, truth, beta=beta, reduction="none")
    return row.index_put((torch.tensor(ENTROPY, device=row.device),), (error * known).sum())


def mean_errors(sums: Tensor) -> Tensor:
    """Rows of sums [row, COLUMNS] -> mean error [row]; 0 for a channel of which no voxel is known."""
    return sums[:, ENTROPY] / torch.where(sums[:, VOXELS] > 0, sums[:, VOXELS], 1)


def activate(outputs: Tensor, activation: str) -> Tensor:
    """What prediction makes of a channel's outputs."""
    if activation == "none":
        return outputs
    return torch.tanh(outputs) if activation == "tanh" else torch.sigmoid(outputs)
