"""Weights of one network as the start of another that tells other classes apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from organelle.errors import CheckpointError
from organelle.models.checkpoint import Checkpoint
from organelle.models.registry import architecture
from organelle.models.spec import ModelSettings

if TYPE_CHECKING:
    import torch

LEAST = 0.5
"""Share of the weights, those of the classes aside, that a start must bring: with fewer it is no start."""

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Transfer:
    """What a network took from a checkpoint.

    Attributes:
        step: of the checkpoint.
        copied: tensors taken whole, by name.
        by_class: tensors of which the rows of `classes` were taken.
        left: tensors of the checkpoint that the network has no place for.
        new: tensors that stay as they were.
        classes: those that both know; targets beside the masks are named as channels, `mito/distance`.
        new_classes: those that the checkpoint does not know; their rows stay as they were.
    """

    step: int
    copied: tuple[str, ...]
    by_class: tuple[str, ...]
    left: tuple[str, ...]
    new: tuple[str, ...]
    classes: tuple[str, ...]
    new_classes: tuple[str, ...]


def transfer_weights(checkpoint: Checkpoint, network: torch.nn.Module, spec: ModelSettings) -> Transfer:
    """Copy into `network` what fits: layers by name and shape, the rows of the last layer by class name.

    The averaged weights are taken when there are some. Classes in another order keep their meaning. What
    the checkpoint lacks keeps its fresh weights and biases. The normalisation stays that of the new
    training data, which brings both to zero mean and unit spread.

    Args:
        checkpoint: where weights come from.
        network: changed in place, unless there is an error.
        spec: what `network` was built for.

    Raises:
        CheckpointError: the checkpoint belongs to another network; the message names what differs.
    """
    there = checkpoint.model if checkpoint.ema is None else checkpoint.ema
    here = network.state_dict()
    axes = _class_axes(spec, here)
    shared = [name for name in here if name in there]
    of_classes = [n for n in shared if n in axes and _fits_rows(there[n], axes[n], checkpoint.spec, here[n])]
    copied = [name for name in shared if name not in axes and there[name].shape == here[name].shape]
    _require_same_network(checkpoint, spec, here, there, axes, copied)
    for name in copied:
        here[name].copy_(there[name])
    wanted, offered = _names(spec), _names(checkpoint.spec)
    known = tuple(name for name in wanted if name in offered)
    for name in of_classes:
        _copy_rows(here[name], there[name], axes[name], wanted, offered)
    taken = {*copied, *of_classes}
    return Transfer(
        step=checkpoint.step,
        copied=tuple(copied),
        by_class=tuple(of_classes),
        left=tuple(name for name in there if name not in taken),
        new=tuple(name for name in here if name not in taken),
        classes=known,
        new_classes=tuple(name for name in wanted if name not in known),
    )


def _names(spec: ModelSettings) -> tuple[str, ...]:
    return tuple(channel.name for channel in spec.channels)


def _class_axes(spec: ModelSettings, here: Tensors) -> dict[str, int]:
    """Tensors with a row per class, and along which axis: a network of one class more has them longer."""
    import torch

    kind = architecture(spec.network, spec.options)
    with torch.random.fork_rng(devices=[]):
        wider = kind.build(spec.dimensions, len(spec.channels) + 1, spec.in_channels).state_dict()
    axes = {}
    for name, tensor in here.items():
        pairs = enumerate(zip(tensor.shape, wider[name].shape, strict=True))
        changed = [axis for axis, (n, m) in pairs if n != m]
        if len(changed) == 1:
            axes[name] = changed[0]
    return axes


def _fits_rows(there: torch.Tensor, axis: int, spec: ModelSettings, here: torch.Tensor) -> bool:
    """Whether `there` has a row per class of `spec`, each of the shape that rows have in `here`."""
    wanted = list(here.shape)
    wanted[axis] = len(spec.channels)
    return list(there.shape) == wanted


def _copy_rows(
    here: torch.Tensor, there: torch.Tensor, axis: int, classes: tuple[str, ...], known: tuple[str, ...]
) -> None:
    for row, name in enumerate(classes):
        if name in known:
            here.select(axis, row).copy_(there.select(axis, known.index(name)))


def _require_same_network(
    checkpoint: Checkpoint,
    spec: ModelSettings,
    here: Tensors,
    there: Tensors,
    axes: Mapping[str, int],
    copied: list[str],
) -> None:
    body = [name for name in here if name not in axes]
    clash = [name for name in body if name in there and there[name].shape != here[name].shape]
    brought = sum(here[name].numel() for name in copied)
    if not clash and brought >= LEAST * sum(here[name].numel() for name in body):
        return
    shapes = [f"{name} is {list(there[name].shape)} there, {list(here[name].shape)} here" for name in clash]
    missing = [f"{name} is not there" for name in body if name not in there]
    named = [*shapes, *missing]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    raise CheckpointError(
        f"the checkpoint at step {checkpoint.step} belongs to another network: "
        f"{'; '.join([*_differences(checkpoint.spec, spec), *named[:3]])}{more}. "
        "Choose the same network and options in [model], or leave start_from out"
    )


def _differences(there: ModelSettings, here: ModelSettings) -> list[str]:
    """What the two say differently of their networks."""
    found = []
    if there.network != here.network:
        found.append(f"network is {there.network} there, {here.network} here")
    if there.dimensions != here.dimensions:
        found.append(f"it is {there.dimensions}D there, {here.dimensions}D here")
    if there.context != here.context:
        found.append(f"context is {list(there.context)} there, {list(here.context)} here")
    ours, theirs = _options(here), _options(there)
    return found + [
        f"{key} is {theirs.get(key)!r} there, {ours.get(key)!r} here"
        for key in {**theirs, **ours}
        if there.network == here.network and theirs.get(key) != ours.get(key)
    ]


def _options(spec: ModelSettings) -> dict[str, Any]:
    """The options with the defaults filled in, as far as those of an own network are known."""
    return (
        dict(spec.options) if ":" in spec.network else architecture(spec.network, spec.options).model_dump()
    )
