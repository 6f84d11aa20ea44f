"""One patch from one crop: EM interpolated once, labels nearest, both through the same map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Voxels
from organelle.models import ModelSpec
from organelle.sampling.affine import Affine
from organelle.sampling.crop import TrainingCrop
from organelle.sampling.palette import OUTSIDE, Palette


@dataclass(frozen=True, eq=False)
class Patch:
    """What the network sees, and what it should say; every array has the spec's patch shape (z, y, x)."""

    em: NDArray[np.float32]
    """Normalised grey values; 0, the mean, where there is no EM."""
    imaged: NDArray[np.bool_]
    """Where there is EM."""
    codes: NDArray[Any]
    """Combination of classes per voxel, to be looked up in `labels`."""
    labels: Palette

    @property
    def target(self) -> NDArray[np.uint8]:
        """Shape [class, z, y, x]: 1 where the class is known to be present, else 0."""
        return self.expand()[0]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Shape [class, z, y, x]: whether target means anything: 0 there is absent, elsewhere unknown."""
        return self.expand()[1]

    def expand(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """`target` and `known` at once."""
        shape = (self.labels.present.shape[1], *self.codes.shape)
        target, known = np.empty(shape, np.uint8), np.empty(shape, bool)
        self.expand_into(target, known)
        return target, known

    def expand_into(self, target: NDArray[np.uint8], known: NDArray[np.bool_]) -> None:
        """Write `target` and `known` into contiguous arrays of one channel per class."""
        from organelle.sampling.kernels import expand

        classes = len(target)
        expand(
            self.codes.ravel(),
            np.ascontiguousarray(self.labels.present.T, np.uint8),
            np.ascontiguousarray(self.labels.known.T),
            target.reshape(classes, -1),
            known.reshape(classes, -1),
        )


def draw(crop: TrainingCrop, spec: ModelSpec, centre: Voxels, affine: Affine | None = None) -> Patch:
    """The patch whose middle voxel (index size // 2 on each axis) shows the voxel `centre` of the crop.

    Args:
        crop: loaded for the classes and the voxel size of `spec`.
        spec: patch shape and normalisation.
        centre: counted from the first labelled voxel of the crop; may lie outside of it.
        affine: how the patch lies about its centre; default: as the data do. Mirrors and transpositions
            between axes of equal voxel size only move voxels; anything else interpolates.
    """
    matrix = (affine or Affine()).in_voxels(spec.voxel_size_nm)
    place = np.array(crop.label_start) + np.array(centre)
    if np.isin(matrix, (-1, 0, 1)).all():
        return _moved(crop, spec, place, matrix.astype(int))
    return _interpolated(crop, spec, place, matrix)


def _moved(crop: TrainingCrop, spec: ModelSpec, place: NDArray[np.int64], matrix: NDArray[np.int64]) -> Patch:
    """The patch as a box of the arrays, seen along other axes or backwards."""
    last = np.array(spec.patch_shape) - 1
    corners = [place + matrix @ (corner - _middle(spec.patch_shape)) for corner in (last * 0, last)]
    low, high = np.minimum(*corners), np.maximum(*corners)
    box = Box.between(low.tolist(), (high + 1).tolist())
    axes = np.abs(matrix).argmax(axis=0)
    back = tuple(slice(None, None, int(matrix[axis, i])) for i, axis in enumerate(axes))

    def seen(array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array.transpose(axes)[back])

    imaged = seen(_imaged(crop, box))
    em = spec.normalisation(seen(_cut(crop.em, box, 0)))
    em[~imaged] = 0
    codes = seen(_cut(crop.labels.codes, box.shift([-a for a in crop.label_start]), OUTSIDE))
    return Patch(em, imaged, codes, crop.labels)


def _interpolated(
    crop: TrainingCrop, spec: ModelSpec, place: NDArray[np.int64], matrix: NDArray[np.float64]
) -> Patch:
    from organelle.sampling.kernels import gather

    em = np.empty(spec.patch_shape, np.float32)
    imaged = np.empty(spec.patch_shape, bool)
    codes = np.empty(spec.patch_shape, crop.labels.codes.dtype)
    scale = (spec.normalisation.mean, 1 / spec.normalisation.std)
    first = place - matrix @ _middle(spec.patch_shape)
    start = np.array(crop.label_start, np.int64)
    gather(crop.em, crop.em_present, crop.labels.codes, start, first, matrix, scale, em, imaged, codes)
    return Patch(em, imaged, codes, crop.labels)


def _middle(shape: Voxels) -> NDArray[np.int64]:
    """Index of the middle voxel, about which a patch is turned: so whole steps stay whole for any size."""
    return np.array([n // 2 for n in shape])


def _imaged(crop: TrainingCrop, box: Box) -> NDArray[np.bool_]:
    if crop.em_present.size:
        return _cut(crop.em_present, box, 0)
    result = np.zeros(box.shape, bool)
    result[box.intersect(crop.grid.box).slices(box.start)] = True
    return result


def _cut(array: NDArray[Any], box: Box, fill: int) -> NDArray[Any]:
    """The voxels of `box`, which may reach outside of the array, where they are `fill`."""
    z, y, x = array.shape
    inside = box.intersect(Box((0, 0, 0), (z, y, x)))
    if inside == box:
        return array[box.slices()]
    result = np.full(box.shape, fill, array.dtype)
    if not inside.is_empty:
        result[inside.slices(box.start)] = array[inside.slices()]
    return result
