"""Probabilities without noise."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from organelle.geometry import Nm, Voxels
from organelle.process.grow import reach
from organelle.process.layers import Array, Layer, Mask
from organelle.process.parts.base import Part
from organelle.process.site import Site

TRUNCATE = 3
"""A Gaussian ends at so many standard deviations: it has 0.3 % of its weight beyond."""


class Smooth(Part):
    """Probabilities become a weighted mean, or the median, of those around.

    That is `scipy.ndimage.gaussian_filter` (cut off at 3 standard deviations), or `correlate` and
    `median_filter` with a ball. Beyond the volume's faces its outermost values go on (`mode="nearest"`).
    """

    takes = ("probabilities",)
    part: Literal["smooth"] = "smooth"
    scale_nm: float = Field(gt=0, le=500, json_schema_extra={"tune": {"low": 2, "high": 60, "log": True}})
    """Standard deviation of the Gaussian, radius of the ball."""
    by: Literal["gaussian", "mean", "median"] = "gaussian"
    """A Gaussian, or the mean or the median over a ball; these cost more the larger the ball."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Look as far around as the filter reaches."""
        size, scale = site.voxel_size_nm, self.scale_nm
        if self.by == "gaussian":
            radius = _radius(scale, size)
            return layer.around(radius, lambda values: _gaussian(values, scale, size), np.float32)
        filtered = _mean if self.by == "mean" else _median
        footprint = ball(scale, size)
        return layer.around(reach(scale, size), lambda values: filtered(values, footprint), np.float32)


def ball(radius_nm: float, voxel_size_nm: Nm) -> Mask:
    """The voxels whose centres are within a radius of the middle one's."""
    half = [math.floor(radius_nm / size + 1e-9) for size in voxel_size_nm]
    steps = np.ogrid[tuple(slice(-n, n + 1) for n in half)]
    squares = sum((step * size) ** 2 for step, size in zip(steps, voxel_size_nm, strict=True))
    return np.asarray(squares <= radius_nm**2 * (1 + 1e-9))


def _radius(scale_nm: float, voxel_size_nm: Nm) -> Voxels:
    z, y, x = (math.floor(TRUNCATE * scale_nm / size + 0.5) for size in voxel_size_nm)
    return z, y, x


def _gaussian(values: Array, scale_nm: float, voxel_size_nm: Nm) -> Array:
    from scipy.ndimage import gaussian_filter

    sigma = [scale_nm / size for size in voxel_size_nm]
    return np.asarray(gaussian_filter(values, sigma, mode="nearest", radius=_radius(scale_nm, voxel_size_nm)))


def _mean(values: Array, footprint: Mask) -> Array:
    from scipy.ndimage import correlate

    return np.asarray(correlate(values, footprint / footprint.sum(), mode="nearest"), np.float32)


def _median(values: Array, footprint: Mask) -> Array:
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(values, footprint=footprint, mode="nearest"))
