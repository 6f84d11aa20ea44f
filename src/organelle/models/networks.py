"""Networks from specs, and the start of their last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import require_module
from organelle.models.own import check_output
from organelle.models.registry import architecture
from organelle.models.spec import ModelSettings

if TYPE_CHECKING:
    import torch

RAREST = 1e-4
"""Class frequencies are taken to be at least this (and at most 1 minus this) when biases start there: a
class that was never seen would otherwise start so low that it could hardly be learned."""


def build_network(spec: ModelSettings) -> torch.nn.Module:
    """The network of `spec` with fresh weights, drawn from torch's global generator.

    It maps float32 [batch, image, (z,) y, x] (images: see `ModelSettings.in_channels`) to logits [batch,
    channel, (z,) y, x] of the same size; with deep supervision, in training mode, to a tuple of them, finest
    first (see `Architecture`).

    Raises:
        NotFound, SettingsError: an own network that cannot be imported, is not a network, or gives
            something else than logits of the patch's size.
        MissingExtra: torch or monai is not installed.
    """
    require_module("torch", "train")
    require_module("monai", "train")
    network = architecture(spec.network, spec.options).build(
        spec.dimensions, len(spec.channels), spec.in_channels
    )
    if ":" in spec.network:
        check_output(network, spec.network, len(spec.channels), (spec.in_channels, *spec.spatial_shape))
    return network


def initialise_bias(network: torch.nn.Module, frequencies: NDArray[Any]) -> bool:
    """Let each class start at its frequency: bias of the last layer = log(f / (1 - f)).

    Layers that give the coarser outputs of deep supervision start there, too.

    Args:
        network: changed in place.
        frequencies: shape [class]; share of the known voxels where the class is present, NaN where
            nothing is known (taken as `RAREST`).

    Returns:
        Whether there was a last layer with one bias per class; an own network may have none.
    """
    import torch

    share = np.clip(np.nan_to_num(np.asarray(frequencies, np.float64), nan=RAREST), RAREST, 1 - RAREST)
    coarse = _layers(getattr(network, "deep_supervision_heads", torch.nn.ModuleList()), len(share))
    last = [layer for layer in _layers(network, len(share)) if layer not in coarse][-1:]
    with torch.no_grad():
        for layer in (*last, *coarse):
            bias: Any = layer.bias
            bias.copy_(torch.from_numpy(np.log(share / (1 - share))))
    return bool(last)


def _layers(network: torch.nn.Module, classes: int) -> list[torch.nn.Module]:
    return [module for module in network.modules() if _has_bias_for(module, classes)]


def _has_bias_for(module: torch.nn.Module, classes: int) -> bool:
    """Whether `module` is a convolution or linear layer with `classes` outputs and a bias."""
    outputs = getattr(module, "out_channels", getattr(module, "out_features", None))
    return outputs == classes and getattr(module, "bias", None) is not None
