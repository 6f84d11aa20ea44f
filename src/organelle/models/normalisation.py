"""Grey values become network input in one way, fixed for the life of a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from organelle.settings import Settings


class Normalisation(Settings):
    """`(em - mean) / std` with numbers measured once on the training crops, never per patch.

    A network that sees whole patches normalised by themselves could not tell a dark patch from a bright
    one, and its answer would depend on where the patch grid falls.
    """

    mean: float = Field(allow_inf_nan=False)
    """Mean grey value of the training crops' EM; space without EM is filled with it, hence with 0."""
    std: float = Field(gt=0, allow_inf_nan=False)
    """Standard deviation of the same grey values."""

    def __call__(self, em: NDArray[Any]) -> NDArray[np.float32]:
        """Grey values of any dtype and shape as float32 of about zero mean and unit spread."""
        normal = em.astype(np.float32)
        normal -= np.float32(self.mean)
        normal *= np.float32(1 / self.std)
        return normal
