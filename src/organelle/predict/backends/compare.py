"""Whether a backend says what torch says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from organelle.errors import CheckpointError
from organelle.models import ModelSpec
from organelle.models.em_like import em_like
from organelle.predict.averaging import Answer

TOLERANCE = 1e-3
"""Of an answer, or of the largest beyond 1: a quarter of the step in which probabilities are stored."""


@dataclass(frozen=True)
class Agreement:
    """How far a backend's answers to one patch are from torch's.

    Attributes:
        backend: its name.
        largest_difference: of any voxel of any wanted channel.
        allowed: the difference that would have been too much.
    """

    backend: str
    largest_difference: float
    allowed: float

    def __str__(self) -> str:
        return (
            f"{self.backend} differs from torch by at most {self.largest_difference:.1e} on the patch "
            f"that was tried ({self.allowed:g} would have been too much)"
        )


def compare_answers(backend: str, found: Answer, wanted: Answer, spec: ModelSpec, where: str) -> Agreement:
    """Ask both for a patch that looks like EM.

    Args:
        backend: name of what is compared with torch.
        found: its answers.
        wanted: torch's.
        spec: of the patch.
        where: names the checkpoint in errors.

    Raises:
        CheckpointError: they differ by more than rounding explains.
    """
    rng = np.random.default_rng(0)
    patch = spec.normalisation(em_like((spec.in_channels, *spec.patch_shape), spec.normalisation, rng))
    expected = wanted(patch)
    difference = float(np.abs(found(patch) - expected).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise CheckpointError(
            f"{where}: what {backend} says differs from torch by up to {difference:.3g}, more than the "
            f'{allowed:.3g} that rounding explains; use [predict] backend = "torch"'
        )
    return Agreement(backend, difference, allowed)
