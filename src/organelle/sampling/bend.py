"""Small elastic deformation: a smooth field of displacements, the same for EM and labels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm, Voxels
from organelle.sampling.affine import turnable_axes
from organelle.sampling.settings import SamplingSettings

SPACING = 32
"""Voxels between the points at which the field is drawn; between them it is linear."""

MOST = 2.0
"""Displacements are cut at so many times their standard deviation."""

Field = NDArray[np.float32]


def no_field() -> Field:
    """Nothing is displaced."""
    return np.zeros((0, 0, 0, 0), np.float32)


def random_field(
    rng: np.random.Generator, shape: Voxels, voxel_size_nm: Nm, settings: SamplingSettings
) -> Field:
    """Displacements in voxels of the data at every `SPACING`th voxel of a patch, [z, y, x, axis].

    They are normal with a standard deviation of `elastic_nm`, at most `MOST` times that, and smoothed over
    their neighbours. Only sharp axes are displaced. Empty for none.
    """
    axes = turnable_axes(voxel_size_nm, None)
    if not axes or rng.random() >= settings.elastic:
        return no_field()
    points = tuple(math.ceil(n / SPACING) + 1 for n in shape)
    drawn = np.zeros((*points, 3), np.float32)
    drawn[..., axes] = rng.standard_normal((*points, len(axes)), dtype=np.float32)
    for axis, count in enumerate(points):
        if count > 2:
            drawn = _smooth(drawn, axis)
    drawn = drawn.clip(-MOST, MOST)
    drawn *= settings.elastic_nm / np.array(voxel_size_nm, np.float32)
    return drawn


def _smooth(field: Field, axis: int) -> Field:
    """(1, 2, 1) along an axis, scaled so that the spread stays; the rim is repeated."""
    padded = np.concatenate([field.take([0], axis), field, field.take([-1], axis)], axis)
    low, middle, high = (padded.take(range(i, i + field.shape[axis]), axis) for i in range(3))
    return np.asarray((low + 2 * middle + high) * np.float32(1 / math.sqrt(6)))
