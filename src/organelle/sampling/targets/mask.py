"""The class itself."""

from __future__ import annotations

import numpy as np

from organelle.sampling.targets.records import TargetInput, TargetValues


def mask(truth: TargetInput) -> TargetValues:
    """1 where the class is present; known where the class is."""
    present = truth.present & truth.known
    return TargetValues(present[None].astype(np.float32), truth.known[None].copy())
