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
    from organelle.submission.stored import StoredArray, SubmittedArray

SEMANTIC_THRESHOLD = 0.5
"""Above this a rescaled semantic voxel is inside; at native resolution everything above 0 is."""

MOST_OVERSAMPLED = 64
"""How many voxels an array may have for each voxel of its crop: four times as fine on every axis.

It holds for the array as it is stored and as it is after rescaling.
"""

MOST_APART = 64
"""How many times finer or coarser than the crop's an array's voxels may be along an axis.

The filter before shrinking is as wide as the ratio, so that its work grows with it.
"""


def align(submitted: SubmittedArray, target: Grid, kind: Kind) -> np.ndarray:
    """Read what was submitted and lay it on `target`.

    Returns:
        Shape of `target`; bool when a semantic array was rescaled, else the input's dtype.

    Raises:
        ChunkError: a chunk that cannot be decoded.
        GridMismatch: as `scored_level`; nothing was read.
    """
    level = scored_level(submitted, target)
    return align_array(level.read(), level.voxel_size_nm, level.translation_nm, target, kind)


def scored_level(submitted: SubmittedArray, target: Grid) -> StoredArray:
    """The level that is laid on `target`.

    Raises:
        GridMismatch: more than 64 voxels for each of the crop's, stored or after rescaling, or voxels that
            are more than 64 times finer or coarser along an axis.
    """
    level = submitted.level_for(target.voxel_size_nm)
    if is_far_apart(level.voxel_size_nm, target):
        raise GridMismatch(
            f"{level.place}: voxels of {level.voxel_size_nm} nm for a crop of {target.voxel_size_nm} nm; "
            f"they may be {MOST_APART} times finer or coarser. Write it on the crop's own grid"
        )
    if (shape := excess_shape(level.shape, level.voxel_size_nm, target)) is not None:
        raise GridMismatch(
            f"{level.place}: {shape} voxels for a crop of {target.shape}; at most {MOST_OVERSAMPLED} "
            "times as many are read. Write it on the crop's own grid"
        )
    return level


def is_far_apart(voxel_size_nm: Nm | None, target: Grid) -> bool:
    """Whether rescaling to the voxels of `target` would be a change beyond `MOST_APART`."""
    ratios = (v / t for v, t in zip(voxel_size_nm or (), target.voxel_size_nm, strict=False))
    return any(not 1 / MOST_APART <= ratio <= MOST_APART for ratio in ratios)


def excess_shape(shape: Voxels, voxel_size_nm: Nm | None, target: Grid) -> Voxels | None:
    """The shape, stored or after rescaling, that has too many voxels for `target`; None: neither has."""
    shapes = (shape, rescaled_shape(shape, voxel_size_nm, target))
    return next((s for s in shapes if math.prod(s) > MOST_OVERSAMPLED * target.box.size), None)


def rescaled_shape(shape: Voxels, voxel_size_nm: Nm | None, target: Grid) -> Voxels:
    """The shape at the voxel size of `target`; the same where that is unknown or equal."""
    if voxel_size_nm is None or np.allclose(voxel_size_nm, target.voxel_size_nm):
        return shape
    pairs = zip(shape, voxel_size_nm, target.voxel_size_nm, strict=True)
    z, y, x = (max(1, round(n * (v / t))) for n, v, t in pairs)
    return z, y, x


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


def covered_box(shape: Voxels, voxel_size_nm: Nm | None, translation_nm: Nm | None, target: Grid) -> Box:
    """The part of the crop, in its voxels, that an array of this shape reaches in `align_array`.

    The rest of the crop is filled with 0; empty when nothing of the crop is reached.
    """
    shift = scored_shift(translation_nm, target)
    if voxel_size_nm is None:
        inside = Box(_centring(target.shape, shape), shape).intersect(target.box)
        return inside.shift(shift).intersect(target.box)
    return Box(shift, rescaled_shape(shape, voxel_size_nm, target)).intersect(target.box)


def centre(array: np.ndarray, shape: Voxels) -> np.ndarray:
    """Crop or pad with 0 around the centre; the odd voxel goes after. The same array if the shape fits."""
    return place(array, _centring(shape, array.shape), shape)


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


def _centring(wanted: Sequence[int], found: Sequence[int]) -> Voxels:
    z, y, x = (_half(want, have) for want, have in zip(wanted, found, strict=True))
    return z, y, x


def _half(want: int, have: int) -> int:
    """Where the first voxel goes: padding and cropping both round down before."""
    return (want - have) // 2 if want >= have else -((have - want) // 2)
