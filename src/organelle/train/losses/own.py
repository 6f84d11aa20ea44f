"""Losses by import path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from organelle.errors import SettingsError
from organelle.models import import_named


class OwnLoss(Protocol):
    """A loss of your own: made once by `Name(**options)`, then called with every batch.

    Over several ranks the mean of their losses is taken, each rank weighing alike.
    """

    def __call__(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """One number that autograd can follow.

        Args:
            logits: [batch, channel, ...], all of them; 0 where unknown, and what you make of those voxels
                teaches nothing.
            target: the same shape.
            known: the same shape, bool.
        """
        ...


@runtime_checkable
class SummedLoss(Protocol):
    """A loss of your own that is a function of sums, and so is the same over any number of ranks."""

    def statistics(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """Sums over the voxels of this rank: a vector of any fixed length that autograd can follow."""
        ...

    def value(self, statistics: Tensor) -> Tensor:
        """One number from the sums over all ranks."""
        ...


class _Averaged:
    """An `OwnLoss` as a function of two sums: of its values, and of the ranks."""

    def __init__(self, loss: OwnLoss) -> None:
        self._loss = loss

    def statistics(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        value = self._loss(logits, target, known)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise SettingsError(
                f"{type(self._loss).__name__} returned {_shape_of(value)}; a loss is one number in a tensor"
            )
        value = value.reshape(())
        return torch.stack([value, torch.ones_like(value)])

    def value(self, statistics: Tensor) -> Tensor:
        return statistics[0] / statistics[1]


def own_loss(path: str, options: Mapping[str, Any]) -> SummedLoss:
    """The loss that `package.module:Name` names, made with `options`.

    Raises:
        SettingsError: not of that form, options that it does not take, or something that is no loss.
        NotFound: nothing there by this name; nearest names offered.
    """
    kind = import_named(path)
    try:
        loss = kind(**options)
    except TypeError as error:
        raise SettingsError(f"{path} cannot be made with the options {dict(options)}: {error}") from error
    if isinstance(loss, SummedLoss):
        return loss
    if callable(loss):
        return _Averaged(loss)
    raise SettingsError(
        f"{path} made a {type(loss).__name__}, which cannot be called; a loss is called as "
        "loss(logits, target, known) and returns one number"
    )


def _shape_of(value: object) -> str:
    return f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
