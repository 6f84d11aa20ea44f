"""The loss of a training run: built once from its settings, asked once per step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from organelle.models.outputs import Channel
from organelle.train.losses.own import own_loss
from organelle.train.losses.regression import mean_errors, regression_sums
from organelle.train.losses.sums import COLUMNS, class_sums
from organelle.train.losses.terms import Terms, mean_of_taught
from organelle.train.losses.unions import union_logits, union_truth, unions_of
from organelle.train.settings import LossSettings

Reduce = Callable[[Tensor], Tensor]
"""Takes a detached vector of this rank's sums, returns the sums over all ranks."""


class Loss:
    """Loss of a batch over its known voxels; a mean over rows, each of them exact over any number of ranks.

    A row is a channel, or (with `hierarchy`) a group known where its members are not. Rows without a known
    voxel do not count. Rows of channels weigh as their target says; groups weigh 1.

    Args:
        settings: which losses, and how much of each.
        channels: what the network tells, in its order.
        positive_weight: of voxels where a class is present, for the first channels; those after them
            weigh 1, and distances and heat maps pay no attention. On the device of the logits.

    Raises:
        SettingsError, NotFound: an own loss that cannot be made.
    """

    def __init__(self, settings: LossSettings, channels: Sequence[Channel], positive_weight: Tensor) -> None:
        self.settings = settings
        self.channels = tuple(channels)
        self._weight = pad(positive_weight, (0, len(self.channels) - len(positive_weight)), value=1.0)
        self._terms = Terms(
            bce=settings.bce,
            dice=settings.dice,
            tversky=settings.tversky,
            focal=settings.focal,
            alpha=settings.tversky_alpha,
            beta=settings.tversky_beta,
            gamma=settings.focal_gamma,
        )
        kinds = [channel.values for channel in self.channels]
        self._classes = [c for c, kind in enumerate(kinds) if kind == "probability"]
        self._amounts = [c for c, kind in enumerate(kinds) if kind == "amount"]
        self._unions = unions_of([channel.name for channel in self.channels]) if settings.hierarchy else ()
        self._shares = self._weights_of_rows()
        self._own = own_loss(settings.own, settings.own_options) if settings.own else None

    def __call__(
        self, logits: Tensor, target: Tensor, known: Tensor, *, reduce: Reduce | None = None
    ) -> Tensor:
        """The loss; with `reduce` that of the batches of all ranks together, the same on each.

        Its gradient is this rank's part of the gradient: the sum over ranks is the whole. (What averages
        gradients over ranks, as `DistributedDataParallel` does, needs the loss times the number of ranks.)
        `reduce` is called once, with a vector of the same length on every rank, also where nothing is known.

        Args:
            logits: [batch, channel, ...] as the network gives them.
            target: the same shape: truth, 0 or 1, or an amount.
            known: the same shape, bool; elsewhere neither value nor gradient counts, and NaN does no harm.
            reduce: adds up over ranks.

        Returns:
            One number; 0, with a gradient of 0, when nothing is known (own losses aside).
        """
        sums = self.statistics(logits, target, known)
        return self.value(sums if reduce is None else added_up(sums, reduce))

    def statistics(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """The sums that the loss is made of, as one vector that adds up over ranks and batches.

        Differentiable by the logits; in float32, or float64 for logits of float64.
        """
        sums = torch.cat(self._rows(logits, target, known)).flatten()
        if self._own is None:
            return sums
        visible = torch.where(known, logits, 0)
        return torch.cat([sums, self._own.statistics(visible, target, known).to(sums.dtype)])

    def value(self, statistics: Tensor) -> Tensor:
        """The loss from its sums."""
        length = len(self._shares) * COLUMNS
        sums = statistics[:length].view(-1, COLUMNS)
        binary, amounts = sums.tensor_split([len(self._shares) - len(self._amounts)])
        errors = self.settings.regression * mean_errors(amounts)
        loss = mean_of_taught(torch.cat([self._terms(binary), errors]), sums, self._shares)
        if self._own is None:
            return loss
        return loss + self.settings.own_weight * self._own.value(statistics[length:])

    def _rows(self, logits: Tensor, target: Tensor, known: Tensor) -> list[Tensor]:
        """Sums of classes, of groups, of amounts."""
        rows = [self._class_rows(logits, target, known)]
        if self._unions:
            weight = self._weight[[union.group for union in self._unions]]
            truth, new = union_truth(target, known, self._unions)
            joint = union_logits(logits, known, self._unions)
            rows.append(class_sums(joint, truth, new, weight, self._terms.wanted))
        form, beta = self.settings.regression_form, self.settings.regression_beta
        for c in self._amounts:
            activation = self.channels[c].activation
            row = regression_sums(logits[:, c], target[:, c], known[:, c], activation, form, beta)
            rows.append(row[None])
        return rows

    def _class_rows(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        if self._amounts:
            logits, target, known = (part[:, self._classes] for part in (logits, target, known))
        return class_sums(logits, target, known, self._weight[self._classes], self._terms.wanted)

    def _weights_of_rows(self) -> Tensor:
        """How much each row counts in the mean, in the order of `_rows`."""
        classes, amounts = (
            [self.channels[c].weight for c in part] for part in (self._classes, self._amounts)
        )
        return torch.tensor([*classes, *[1.0] * len(self._unions), *amounts]).to(self._weight)


def added_up(sums: Tensor, reduce: Reduce) -> Tensor:
    """The sums over all ranks, to the last bit alike on each; their gradient goes to this rank's own."""
    own = sums.detach()
    return reduce(own.clone()) + (sums - own)
