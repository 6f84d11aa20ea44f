"""Patches that look a little like electron microscopy, to try a network on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.models.normalisation import Normalisation


def em_like(shape: tuple[int, ...], normalisation: Normalisation, rng: np.random.Generator) -> NDArray[Any]:
    """Grey values of about the mean and spread that `normalisation` expects: uint8, or uint16 beyond that.

    Dark sheets one or two voxels thick part regions of different grey, under the grain of a detector.
    """
    from scipy.ndimage import gaussian_filter

    field = _standard(gaussian_filter(rng.standard_normal(shape), 3))
    regions = _standard(gaussian_filter(rng.standard_normal(shape), 6))
    sheets = np.exp(-((field / 0.15) ** 2))
    texture = _standard(regions - 2 * sheets + 0.3 * rng.standard_normal(shape))
    grey = normalisation.mean + normalisation.std * texture
    kind = np.uint8 if normalisation.mean <= np.iinfo(np.uint8).max else np.uint16
    found: NDArray[Any] = np.clip(np.rint(grey), 0, np.iinfo(kind).max).astype(kind)
    return found


def _standard(values: NDArray[Any]) -> NDArray[Any]:
    spread = float(values.std())
    standard: NDArray[Any] = (values - values.mean()) / (spread or 1.0)
    return standard
