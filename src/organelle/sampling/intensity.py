"""What changes grey values and nothing else: contrast, brightness, gamma, noise, defocus, inversion."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm
from organelle.sampling.draw import Patch
from organelle.sampling.settings import SamplingSettings

Grey = NDArray[np.float32]


def vary_intensity(
    patch: Patch, voxel_size_nm: Nm, settings: SamplingSettings, rng: np.random.Generator
) -> None:
    """Change `patch.em` in place; where nothing was imaged it stays 0, and labels are never touched."""
    em = patch.em
    if rng.random() < settings.inversion:
        np.negative(em, out=em)
    if settings.gamma:
        _bend(em, _ratio(rng, settings.gamma))
    if rng.random() < settings.blur:
        defocus(em, _sharp_axes(voxel_size_nm))
    em *= np.float32(_ratio(rng, settings.contrast))
    em += np.float32(rng.uniform(-settings.brightness, settings.brightness))
    if settings.noise and rng.random() < 0.5:
        noise = rng.standard_normal(em.shape, dtype=np.float32)
        noise *= np.float32(rng.uniform(0, settings.noise))
        em += noise
    if not patch.imaged.all():
        em[~patch.imaged] = 0


def defocus(em: Grey, axes: Iterable[int]) -> None:
    """Blur in place by (1, 2, 1) / 4 along each of `axes`: a Gaussian of 0.7 voxels; the rim is repeated."""
    for axis in axes:
        view = np.moveaxis(em, axis, 0)
        if len(view) < 2:
            continue
        padded = np.concatenate([view[:1], view, view[-1:]])
        view *= np.float32(0.5)
        view += np.float32(0.25) * padded[:-2]
        view += np.float32(0.25) * padded[2:]


def _bend(em: Grey, exponent: float) -> None:
    """Raise grey values, seen as shares of their range, to a power; the darkest and brightest stay."""
    low, high = em.min(), em.max()
    if high <= low:
        return
    em -= low
    em /= high - low
    np.power(em, np.float32(exponent), out=em)
    em *= high - low
    em += low


def _ratio(rng: np.random.Generator, spread: float) -> float:
    """Between 1 / (1 + spread) and 1 + spread, as often below 1 as above."""
    return float((1 + spread) ** rng.uniform(-1, 1))


def _sharp_axes(voxel_size_nm: Nm) -> list[int]:
    return [axis for axis in range(3) if voxel_size_nm[axis] < 1.5 * min(voxel_size_nm)]
