"""Losses of each class from its sums."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from organelle.train.losses.sums import ENTROPY, FOCAL, OVERLAP, PRESENT, VOLUME, VOXELS, WEIGHT, Wanted

SMOOTH = 1.0
"""Voxels added to both sides of the Dice ratio, so that a handful of voxels has a finite gradient."""


@dataclass(frozen=True)
class Terms:
    """Weights of the losses of a class, and their constants.

    With p the probability, t the truth and w the weight of present voxels, all over known voxels:

    - bce: sum w * -log(t ? p : 1 - p) / sum w, so every class starts near ln 2, however rare;
    - focal: the same with each term times (t ? 1 - p : p)^gamma (Lin et al. 2017);
    - dice: 1 - (2 sum p t + 1) / (sum p + sum t + 1), the soft Dice of V-Net (Milletari et al. 2016)
      without squares below;
    - tversky: 1 - (sum p t + 1/2) / (sum p t + alpha sum p (1 - t) + beta sum (1 - p) t + 1/2) (Salehi et
      al. 2017); alpha = beta = 1/2 is Dice.

    Dice and Tversky are 0 for a class that is absent from the batch, where they would only punish size.
    """

    bce: float = 1.0
    dice: float = 1.0
    tversky: float = 0.0
    focal: float = 0.0
    alpha: float = 0.3
    beta: float = 0.7
    gamma: float = 2.0

    @property
    def wanted(self) -> Wanted:
        """The sums that these losses need."""
        return Wanted(
            entropy=self.bce > 0,
            overlap=self.dice > 0 or self.tversky > 0,
            gamma=self.gamma if self.focal > 0 else None,
        )

    def __call__(self, sums: Tensor) -> Tensor:
        """Sums [class, COLUMNS] -> loss [class]; 0 for a class of which no voxel is known."""
        weight = torch.where(sums[:, VOXELS] > 0, sums[:, WEIGHT], 1)
        loss = (self.bce * sums[:, ENTROPY] + self.focal * sums[:, FOCAL]) / weight
        shape = self.dice * _dice(sums) + self.tversky * self._tversky(sums)
        return loss + torch.where(sums[:, PRESENT] > 0, shape, 0)

    def _tversky(self, sums: Tensor) -> Tensor:
        right = sums[:, OVERLAP]
        invented, missed = sums[:, VOLUME] - right, sums[:, PRESENT] - right
        ratio = right + SMOOTH / 2
        return 1 - ratio / (ratio + self.alpha * invented + self.beta * missed)


def _dice(sums: Tensor) -> Tensor:
    return 1 - (2 * sums[:, OVERLAP] + SMOOTH) / (sums[:, VOLUME] + sums[:, PRESENT] + SMOOTH)


def mean_of_taught(values: Tensor, sums: Tensor, shares: Tensor | None = None) -> Tensor:
    """The mean of `values` [row], weighted by `shares` [row], over rows with a known voxel; 0 without one."""
    counted = (sums[:, VOXELS] > 0).to(values.dtype)
    if shares is not None:
        counted = counted * shares
    total = counted.sum()
    return (values * counted).sum() / torch.where(total > 0, total, 1)
