"""How what a network says is stored: in bytes where that is fine enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.models.outputs import Channel

PROBABILITY_SCALE = 255
"""The stored value that means probability 1."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A channel's form: value = stored / scale + offset.

    Attributes:
        dtype: uint8, or float32 for amounts without bounds.
        scale: stored steps per 1.
        offset: value of the stored 0.
        record: what a volume's attributes say of it.
        nothing: the value where there is no EM: of a probability 0, of a distance the furthest outside.
    """

    dtype: np.dtype[Any]
    scale: float
    offset: float
    record: dict[str, Any]

    @property
    def nothing(self) -> float:
        """The value where there is no EM; stored as 0, which is what chunks that are not stored read as."""
        return self.offset

    def encode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Values as they are stored, rounded to the nearest."""
        if self.dtype.kind == "f":
            return values.astype(self.dtype, copy=False)
        steps = (values - np.float32(self.offset)) * np.float32(self.scale)
        return np.asarray(np.rint(steps), self.dtype)


def stored_as(channel: Channel) -> Stored:
    """How a channel is stored, by what its activation can give."""
    byte = np.dtype(np.uint8)
    if channel.activation == "sigmoid":
        return Stored(byte, PROBABILITY_SCALE, 0.0, {"probability_scale": PROBABILITY_SCALE})
    if channel.activation == "tanh":
        return Stored(byte, 127.5, -1.0, {"value_scale": 127.5, "value_offset": -1.0})
    return Stored(np.dtype(np.float32), 1.0, 0.0, {"value_scale": 1.0, "value_offset": 0.0})
