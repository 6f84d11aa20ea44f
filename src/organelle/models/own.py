"""Networks of one's own, by import path. Loads no torch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from organelle.errors import SettingsError
from organelle.models.architectures import Architecture
from organelle.models.importing import import_named

if TYPE_CHECKING:
    import torch

CONTRACT = "a network is a torch.nn.Module that maps [batch, image, (z,) y, x] to [batch, class, (z,) y, x]"


class OwnNetwork(Architecture):
    """A network by import path, called as `Name(in_channels, out_channels, **options)`."""

    path: str
    options: dict[str, Any]

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """Nothing is demanded."""
        return (1,) * dimensions

    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:  # noqa: ARG002
        """Import and call it; `SettingsError` when that is not possible or makes no `torch.nn.Module`."""
        import torch

        maker = import_named(self.path)
        self._require_arguments(maker, in_channels, out_channels)
        network = maker(in_channels, out_channels, **self.options)
        if not isinstance(network, torch.nn.Module):
            raise SettingsError(f"{self.path} made a {type(network).__name__}; {CONTRACT}")
        return network

    def _require_arguments(self, maker: Any, in_channels: int, out_channels: int) -> None:
        """Raise `SettingsError` unless `maker` takes the options, as far as Python can tell."""
        try:
            inspect.signature(maker).bind(in_channels, out_channels, **self.options)
        except ValueError:  # a signature that Python does not know
            return
        except TypeError as error:
            named = "".join(f", {name}=..." for name in self.options)
            raise SettingsError(
                f"{self.path} cannot be called as Name(in_channels, out_channels{named}): {error}"
            ) from None


def check_output(network: torch.nn.Module, path: str, out_channels: int, shape: tuple[int, ...]) -> None:
    """Run an own network once, on a patch without values, and check what comes out in both modes.

    It runs on torch's meta device, where only shapes are computed, or with zeros where the network has
    a step that cannot do without values. Weights, statistics and random generators stay as they are.

    Args:
        network: as built.
        path: its import path, for errors.
        out_channels: classes.
        shape: the patch as the network sees it: images, then its axes.

    Raises:
        SettingsError: it fails on such a patch, or gives something else than logits of that size.
    """
    import torch

    was_training = network.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for training in (False, True):
            network.train(training)
            try:
                outputs = _run(network, (2, *shape))
            except Exception as error:
                raise SettingsError(
                    f"{path} fails on a patch [2, {', '.join(map(str, shape))}]: {error}"
                ) from error
            _check_outputs(outputs, path, (2, out_channels, *shape[1:]), training)
    network.train(was_training)


def _run(network: torch.nn.Module, shape: tuple[int, ...]) -> Any:
    """One forward pass that leaves the network's parameters and buffers alone."""
    import torch

    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for device in ("meta", "cpu"):
        copies = {name: value.detach().to(device, copy=True) for name, value in state.items()}
        try:
            return torch.func.functional_call(network, copies, (torch.zeros(shape, device=device),))
        except Exception:  # on the meta device anything may fail that needs values: the CPU decides
            if device == "cpu":
                raise
    return None


def _check_outputs(outputs: Any, path: str, wanted: tuple[int, ...], training: bool) -> None:
    import torch

    parts = list(outputs) if training and isinstance(outputs, tuple | list) else [outputs]
    if not parts or not all(isinstance(part, torch.Tensor) for part in parts):
        raise SettingsError(f"{path} gives a {type(outputs).__name__}; {CONTRACT}")
    if tuple(parts[0].shape) != wanted:
        raise SettingsError(
            f"{path} gives {list(parts[0].shape)} where {list(wanted)} is wanted (batch, classes, patch); "
            f"{CONTRACT}"
        )
    for part in parts[1:]:
        coarse = tuple(part.shape)
        fits = len(coarse) == len(wanted) and not any(n % c for n, c in zip(wanted, coarse, strict=True))
        if not fits or coarse[:2] != wanted[:2]:
            raise SettingsError(
                f"{path} gives {list(coarse)} beside {list(wanted)} in training; outputs of deep supervision "
                "come finest first, with the same batch and classes, and sizes that divide the patch"
            )
