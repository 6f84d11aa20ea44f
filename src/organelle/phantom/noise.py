"""Smooth random fields with a grain in nanometres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
"""A number per voxel, z y x."""


def smooth_noise(
    rng: np.random.Generator, shape: Sequence[int], grain_nm: float, voxel_size_nm: Sequence[float]
) -> Field:
    """Gaussian noise of expected mean 0 and standard deviation 1, correlated over `grain_nm`.

    White noise under a Gaussian of that width, scaled by the norm of its kernel. Coarse grains are drawn on
    a coarser lattice and interpolated linearly, so the cost hardly depends on the grain.
    """
    from scipy.ndimage import gaussian_filter

    sigma = [grain_nm / v for v in voxel_size_nm]
    factor = [max(1, int(s / 2)) for s in sigma]
    fine = [s / f for s, f in zip(sigma, factor, strict=True)]
    kernel = [len(_kernel(s)) for s in fine]
    coarse = [max(-(-n // f) + 2, k) for n, f, k in zip(shape, factor, kernel, strict=True)]
    field = rng.standard_normal(coarse, dtype=np.float32)
    field = gaussian_filter(field, fine, mode="wrap", truncate=3.0)
    field /= np.float32(np.prod([np.linalg.norm(_kernel(s)) for s in fine]))
    return enlarge(field, factor, shape)


def _kernel(sigma: float) -> npt.NDArray[np.float64]:
    """The weights of a Gaussian up to three deviations, as scipy has them."""
    reach = int(3 * sigma + 0.5)
    weight = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * max(sigma, 1e-6) ** 2))
    return np.asarray(weight / weight.sum())


def enlarge(field: Field, factor: Sequence[int], shape: Sequence[int]) -> Field:
    """Linear interpolation to a lattice `factor` times finer, from the first voxel, cut to `shape`."""
    for axis, (f, n) in enumerate(zip(factor, shape, strict=True)):
        at = np.minimum(np.arange(n) / f, field.shape[axis] - 1)
        low = at.astype(int)
        part = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        high = np.minimum(low + 1, field.shape[axis] - 1)
        if f > 1 or field.shape[axis] != n:
            below = field.take(low, axis)
            field = below + part * (field.take(high, axis) - below)
    return field
