"""One patch from one crop: EM interpolated once, labels nearest, both through the same map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Voxels
from organelle.models import ModelSpec, Normalisation
from organelle.sampling.affine import Affine, Rows, random_affine
from organelle.sampling.bend import Field, no_field, random_field
from organelle.sampling.crop import Surroundings, TrainingCrop
from organelle.sampling.faults import Fault, Stack, cut, random_fault, spoil
from organelle.sampling.look import Look, random_look, tones
from organelle.sampling.palette import OUTSIDE, Palette
from organelle.sampling.planes import OTHERS, lines_of, plane_across
from organelle.sampling.settings import SamplingSettings


@dataclass(frozen=True, eq=False)
class Patch:
    """What the network sees, and what it should say; arrays end with the spec's patch shape (z, y, x)."""

    seen: NDArray[np.float32]
    """Shape [image, z, y, x]: normalised grey values, then those of each context; 0, the mean, where there is
    no EM."""
    imaged: NDArray[np.bool_]
    """Where there is EM."""
    codes: NDArray[Any]
    """Combination of classes per voxel, to be looked up in `labels`."""
    labels: Palette
    ids: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    """Objects of the classes that the crop was loaded with ids of, 0 for none."""

    @property
    def em(self) -> NDArray[np.float32]:
        """The patch at the model's voxel size, [z, y, x]."""
        em: NDArray[np.float32] = self.seen[0]
        return em

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
        from organelle.sampling.palette_kernels import expand

        classes = len(target)
        expand(
            self.codes.ravel(),
            self.labels.words,
            target.reshape(classes, -1),
            known.reshape(classes, -1).view(np.uint8),
        )


@dataclass(frozen=True, eq=False)
class Manner:
    """All that augmentation does to one patch; the default is nothing."""

    affine: Affine = field(default_factory=Affine)
    """How it lies about its centre."""
    bend: Field = field(default_factory=no_field)
    """How it is bent."""
    look: Look = field(default_factory=Look)
    """Its grey values."""
    fault: Fault | None = None
    """Sections that went wrong."""


def random_manner(rng: np.random.Generator, spec: ModelSpec, settings: SamplingSettings) -> Manner:
    """Draw what `settings` allow, for patches of `spec`."""
    size = spec.voxel_size_nm
    affine = random_affine(rng, size, spec.flat_axis, settings)
    bent = random_field(rng, spec.patch_shape, size, settings) if settings.elastic else no_field()
    fault = random_fault(rng, size) if rng.random() < settings.sections else None
    return Manner(affine, bent, random_look(rng, size, settings), fault)


def draw(
    crop: TrainingCrop,
    spec: ModelSpec,
    centre: Voxels,
    manner: Manner | Affine | None = None,
    *,
    out: NDArray[np.float32] | None = None,
) -> Patch:
    """The patch whose middle voxel (index size // 2 on each axis) shows the voxel `centre` of the crop.

    Args:
        crop: loaded for the classes and the voxel size of `spec`.
        spec: patch shape and normalisation.
        centre: counted from the first labelled voxel of the crop; may lie outside of it.
        manner: what is done to it, or only how it lies; default: nothing. Mirrors and transpositions between
            axes of equal voxel size only move voxels; other maps, and bending, interpolate.
        out: where grey values are written: float32 [image, z, y, x], contiguous. Default: a new array.

    Every context lies in the same way about the same centre; it is neither bent nor has it faulty sections,
    noise or blur, which are small at its voxels.
    """
    how = Manner(affine=manner) if isinstance(manner, Affine) else manner or Manner()
    rows = how.affine.rows_in_voxels(spec.voxel_size_nm)
    z, y, x = (a + c for a, c in zip(crop.label_start, centre, strict=True))
    seen = np.empty((spec.in_channels, *spec.patch_shape), np.float32) if out is None else out
    if crop.context:
        _around(crop, spec, (z, y, x), np.array(rows), how, seen[1:])
    flat = spec.flat_axis
    across = None if flat is None else plane_across(rows, OTHERS[flat])
    if flat is None or across is None or how.fault or how.bend.size or crop.em.dtype != np.uint8:
        patch = _anywhere(crop, spec, (z, y, x), np.array(rows), how, seen)
    else:
        patch = _in_plane(crop, spec, (z, y, x), rows, (flat, across), how, seen)
    how.look.finish(patch.em, patch.imaged)
    return patch


def _anywhere(
    crop: TrainingCrop,
    spec: ModelSpec,
    at: Voxels,
    matrix: NDArray[np.float64],
    how: Manner,
    seen: NDArray[np.float32],
) -> Patch:
    """A patch of any kind; `at` counts from the first voxel of the crop's EM."""
    stack, place = crop.stack, np.array(at, np.int64)
    if how.fault:
        stack, place = spoil(stack, place, matrix, how.bend, spec.patch_shape, how.fault)
    gathered = _moved if not how.bend.size and _is_whole(matrix) else _interpolated
    return gathered(stack, crop.labels, spec, place, matrix, how, seen)


def _in_plane(
    crop: TrainingCrop,
    spec: ModelSpec,
    at: Voxels,
    rows: Rows,
    flat: tuple[int, int],
    how: Manner,
    seen: NDArray[np.float32],
) -> Patch:
    """A 2D patch; `flat` are its own flat axis and the axis of the data that this lies along."""
    from organelle.sampling.plane_kernels import gather_plane

    (i, j), across, whole = OTHERS[flat[0]], flat[1], spec.patch_shape
    shelf, lines = crop.shelf(across, at[across]), lines_of(rows, across, (i, j), at, whole)
    imaged, codes = np.empty(whole, bool), np.empty(whole, shelf.codes.flat.dtype)
    em, labels = (layer.source(across, at[across], lines) for layer in (shelf.em, shelf.codes))
    curve = tones(_levels(spec.normalisation), how.look.tone)
    shown = seen[0].reshape(-1), imaged.reshape(-1), codes.reshape(-1)
    gather_plane(em, shelf.present, curve, labels, whole[j], *shown)
    ids = _gather_ids(crop.stack, spec, np.array(at), np.array(rows), how) if crop.ids else {}
    return Patch(seen, imaged, codes, crop.labels, ids)


def _around(
    crop: TrainingCrop,
    spec: ModelSpec,
    at: Voxels,
    matrix: NDArray[np.float64],
    how: Manner,
    seen: NDArray[np.float32],
) -> None:
    """Write every context about the middle of the patch: not its middle voxel, if its size is even."""
    middle = at - matrix @ (_middle(spec.patch_shape) - (np.array(spec.patch_shape) - 1) / 2)
    for part, image in zip(crop.context, seen, strict=True):
        _surroundings(part, spec, middle, matrix, how, image)


def _surroundings(
    part: Surroundings,
    spec: ModelSpec,
    centre: NDArray[np.float64],
    matrix: NDArray[np.float64],
    how: Manner,
    out: NDArray[np.float32],
) -> None:
    """Write the context about `centre`, the middle of the patch in voxels of the crop's EM."""
    steps = np.array(part.steps)
    place = (centre + 0.5) / steps + np.array(part.shift)
    if spec.flat_axis is not None:  # prediction takes the plane that the patch lies in, so this does
        across = int(np.abs(matrix[:, spec.flat_axis]).argmax())
        place[across] = np.rint(place[across])
    turned = matrix * steps[None, :] / steps[:, None]
    first = place - turned @ ((np.array(spec.patch_shape) - 1) / 2)
    _gather_em(part.em, part.present, spec, first, turned, no_field(), how, out)


def _is_whole(matrix: NDArray[np.float64]) -> bool:
    return all(entry in (-1, 0, 1) for row in matrix.tolist() for entry in row)


def _moved(
    stack: Stack,
    labels: Palette,
    spec: ModelSpec,
    place: NDArray[np.int64],
    matrix: NDArray[np.float64],
    how: Manner,
    out: NDArray[np.float32],
) -> Patch:
    """The patch as a box of the arrays, seen along other axes or backwards."""
    step = matrix.astype(np.int64)
    last = np.array(spec.patch_shape) - 1
    corners = [place + step @ (corner - _middle(spec.patch_shape)) for corner in (last * 0, last)]
    low, high = np.minimum(*corners), np.maximum(*corners)
    box = Box.between(low.tolist(), (high + 1).tolist())
    axes = np.abs(step).argmax(axis=0)
    back = tuple(slice(None, None, int(step[axis, i])) for i, axis in enumerate(axes))

    def seen(array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array.transpose(axes)[back])

    em = out[0]
    imaged = seen(_imaged(stack, box))
    grey = seen(cut(stack.em, box, 0))
    if grey.dtype == np.uint8:
        np.take(tones(_levels(spec.normalisation), how.look.tone), grey, out=em, mode="clip")
    else:
        em[:] = tones(spec.normalisation(grey), how.look.tone)
    if not imaged.all():
        em[~imaged] = 0
    inner = box.shift([-a for a in stack.label_start])
    codes = seen(cut(stack.codes, inner, OUTSIDE))
    ids = {name: seen(cut(array, inner, 0)) for name, array in stack.ids.items()}
    return Patch(out, imaged, codes, labels, ids)


def _interpolated(
    stack: Stack,
    labels: Palette,
    spec: ModelSpec,
    place: NDArray[np.int64],
    matrix: NDArray[np.float64],
    how: Manner,
    out: NDArray[np.float32],
) -> Patch:
    from organelle.sampling.kernels import gather_labels

    codes = np.empty(spec.patch_shape, stack.codes.dtype)
    first = place - matrix @ _middle(spec.patch_shape)
    imaged = _gather_em(stack.em, stack.present, spec, first, matrix, how.bend, how, out[0])
    inner = first - stack.label_start
    gather_labels(stack.codes, inner, matrix, how.bend, codes)
    return Patch(out, imaged, codes, labels, _gather_ids(stack, spec, place, matrix, how))


def _gather_ids(
    stack: Stack, spec: ModelSpec, place: NDArray[np.int64], matrix: NDArray[np.float64], how: Manner
) -> dict[str, NDArray[np.uint32]]:
    from organelle.sampling.kernels import gather_labels

    inner = place - matrix @ _middle(spec.patch_shape) - stack.label_start
    ids = {name: np.empty(spec.patch_shape, np.uint32) for name in stack.ids}
    for name, found in ids.items():
        gather_labels(stack.ids[name], inner, matrix, how.bend, found)
    return ids


def _gather_em(
    em: NDArray[Any],
    present: NDArray[np.bool_],
    spec: ModelSpec,
    first: NDArray[np.float64],
    matrix: NDArray[np.float64],
    bend: Field,
    how: Manner,
    out: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Write interpolated grey values, normalised and toned, to `out`; where there was any."""
    from organelle.sampling.kernels import gather_bytes, gather_values

    imaged = np.empty(spec.patch_shape, bool)
    if em.dtype == np.uint8:
        curve = tones(_levels(spec.normalisation), how.look.tone)
        gather_bytes(em, present, curve, first, matrix, bend, out, imaged)
    else:
        gather_values(em, present, first, matrix, bend, out, imaged)
        out[:] = tones(spec.normalisation(out), how.look.tone)
        out[~imaged] = 0
    return imaged


@lru_cache(maxsize=16)
def _levels(normalisation: Normalisation) -> NDArray[np.float32]:
    """The 256 grey values of a byte, and the next, normalised; not to be written to."""
    return normalisation(np.arange(257))


def _middle(shape: Voxels) -> NDArray[np.int64]:
    """Index of the middle voxel, about which a patch is turned: so whole steps stay whole for any size."""
    z, y, x = shape
    return np.array((z // 2, y // 2, x // 2))


def _imaged(stack: Stack, box: Box) -> NDArray[np.bool_]:
    if stack.present.size:
        return cut(stack.present, box, 0)
    z, y, x = stack.em.shape
    whole = Box((0, 0, 0), (z, y, x))
    if whole.contains(box):
        return np.ones(box.shape, bool)
    result = np.zeros(box.shape, bool)
    result[box.intersect(whole).slices(box.start)] = True
    return result
