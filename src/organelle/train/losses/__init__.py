"""Losses over known voxels only, exact over any number of ranks."""

from organelle.train.losses.balanced import balanced_loss
from organelle.train.losses.loss import Loss, Reduce
from organelle.train.losses.own import OwnLoss, SummedLoss
from organelle.train.losses.terms import Terms
from organelle.train.losses.unions import Union, unions_of
from organelle.train.losses.weights import positive_weights

__all__ = [
    "Loss",
    "OwnLoss",
    "Reduce",
    "SummedLoss",
    "Terms",
    "Union",
    "balanced_loss",
    "positive_weights",
    "unions_of",
]
