"""What makes logits into answers, on arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from organelle.models import ModelSettings
from organelle.models.outputs import Activation


def activated(
    logits: NDArray[np.float32], spec: ModelSettings, channels: Sequence[int]
) -> NDArray[np.float32]:
    """The `channels` of `logits` (channel, [z,] y, x) as (channel, z, y, x), flat axis and all."""
    out = np.empty((len(channels), *logits.shape[1:]), np.float32)
    for values, index in zip(out, channels, strict=True):
        activate(logits[index], spec.channels[index].activation, values)
    return out if spec.flat_axis is None else np.expand_dims(out, spec.flat_axis + 1)


def activate(logits: NDArray[np.float32], activation: Activation, out: NDArray[np.float32]) -> None:
    """Write the activated `logits` to `out`."""
    if activation == "none":
        out[...] = logits
    elif activation == "tanh":
        np.tanh(logits, out)
    else:  # 1 / (1 + exp(-x)) by tanh, which cannot overflow
        np.multiply(logits, np.float32(0.5), out)
        np.tanh(out, out)
        out += 1
        out *= np.float32(0.5)
