"""A submitted array on a crop's grid, exactly as metric version 2026-06 does it, oddities included.

The steps are those of the official evaluator: rescale where the voxel size differs (scikit-image), move by
whole voxels, crop and pad with 0. Differences from what geometry would say are part of the definition and
are kept: the half voxel between the first centres of two voxel sizes is not corrected, only the input's
offset is snapped to the lattice, and so an offset that lies on the lattice can lose a voxel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from organelle.classes import Kind
from organelle.errors import GridMismatch, require_module
from organelle.geometry import Box, Grid, Nm, Voxels

if TYPE_CHECKING:
    from organelle.submission.stored import SubmittedArray

SEMANTIC_THRESHOLD = 0.5
"""Above this a rescaled semantic voxel is inside; at native resolution everything above 0 is."""

MOST_OVERSAMPLED = 64
"""How many voxels an array may have for each voxel of its crop: four times as fine on every axis."""


def align(submitted: SubmittedArray, target: Grid, kind: Kind) -> np.ndarray:
    """Read what was submitted and lay it on `target`.

    Returns:
        Shape of `target`; bool when a semantic array was rescaled, else the input's dtype.

    Raises:
        ChunkError: a chunk that cannot be decoded.
        GridMismatch: more than 64 voxels for each of the crop's; nothing was read.
    """
    level = submitted.level_for(target.voxel_size_nm)
    if math.prod(level.shape) > MOST_OVERSAMPLED * target.box.size:
        raise GridMismatch(
            f"{level.place}: {level.shape} voxels for a crop of {target.shape}; at most {MOST_OVERSAMPLED} "
            "times as many are read. Write it on the crop's own grid"
        )
    return align_array(level.read(), level.voxel_size_nm, level.translation_nm, target, kind)


def align_array(
    array: np.ndarray, voxel_size_nm: Nm | None, translation_nm: Nm | None, target: Grid, kind: Kind
) -> np.ndarray:
    """Lay an array on `target`.

    Args:
        array: z, y, x.
        voxel_size_nm: None when the metadata does not tell it; then shapes meet at their centres.
        translation_nm: centre of the first voxel; None when unknown, then nothing is moved.
        target: the crop's grid.
        kind: instance labels are rescaled to the nearest voxel, semantic ones linearly.

    Returns:
        Shape of `target`; the array itself when nothing had to be done.
    """
    if voxel_size_nm is None:
        array = centre(array, target.shape)
    elif not np.allclose(voxel_size_nm, target.voxel_size_nm):
        array = rescale_labels(array, voxel_size_nm, target.voxel_size_nm, kind)
    return place(array, scored_shift(translation_nm, target), target.shape)


def rescale_labels(array: np.ndarray, source_nm: Nm, target_nm: Nm, kind: Kind) -> np.ndarray:
    """Change the voxel size with scikit-image; the result's sizes are rounded half to even.

    Returns:
        Instance labels in the input's dtype (nearest), semantic ones as bool (linear, then > 0.5).
    """
    rescale = require_module("skimage.transform", "score").rescale
    factors = np.asarray(source_nm, float) / np.asarray(target_nm, float)
    if kind is Kind.INSTANCE:
        nearest: np.ndarray = rescale(array, factors, order=0, mode="constant", preserve_range=True)
        return nearest.astype(array.dtype)
    values = array.astype(np.float32) if array.dtype == bool else array
    linear = rescale(values, factors, order=1, mode="constant", preserve_range=True)
    return np.asarray(linear > SEMANTIC_THRESHOLD)


def scored_shift(translation_nm: Nm | None, target: Grid) -> Voxels:
    """By how many voxels the evaluator moves an array whose first voxel lies at `translation_nm`.

    In float64 and in this order: snapped = (translation // voxel) * voxel, then
    int((|snapped - target| // voxel) * sign(snapped - target)).
    """
    if translation_nm is None:
        return 0, 0, 0
    voxel, origin = np.asarray(target.voxel_size_nm, float), np.asarray(target.origin_nm, float)
    apart = (np.asarray(translation_nm, float) // voxel) * voxel - origin
    z, y, x = ((np.abs(apart) // voxel) * np.sign(apart)).astype(int).tolist()
    return z, y, x


def centre(array: np.ndarray, shape: Voxels) -> np.ndarray:
    """Crop or pad with 0 around the centre; the odd voxel goes after. The same array if the shape fits."""
    shift = [_half(want, have) for want, have in zip(shape, array.shape, strict=True)]
    return place(array, shift, shape)


def place(array: np.ndarray, shift: Sequence[int], shape: Voxels) -> np.ndarray:
    """A volume of `shape` where voxel 0 of `array` stands at `shift`; 0 where the array does not reach.

    Returns:
        The array itself when nothing had to be done.
    """
    if not any(shift) and array.shape == shape:
        return array
    out = np.zeros(shape, array.dtype)
    here = Box((0, 0, 0), (array.shape[0], array.shape[1], array.shape[2])).shift(shift)
    both = here.intersect(Box((0, 0, 0), shape))
    if not both.is_empty:
        out[both.slices()] = array[both.slices(here.start)]
    return out


def _half(want: int, have: int) -> int:
    """Where the first voxel goes: padding and cropping both round down before."""
    return (want - have) // 2 if want >= have else -((have - want) // 2)
