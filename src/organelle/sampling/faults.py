"""What goes wrong while a microscope cuts and images: sections lost, dim or bright, displaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Nm, Voxels

MOST_LOST = 2
MOST_DIM = 8
DIM = 0.2
"""Sections become up to this share brighter or darker."""
DISPLACED = 3
"""Voxels by which sections are displaced at most, on each axis of their plane."""


@dataclass(frozen=True, eq=False)
class Stack:
    """The arrays that a patch is drawn from."""

    em: NDArray[Any]
    present: NDArray[np.bool_]
    """Of the shape of `em`, or empty when all is present."""
    codes: NDArray[Any]
    label_start: Voxels
    """Voxel of `em` at which `codes` begins."""
    ids: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    """More labels, in the shape of `codes`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in the sections across `axis` of the data.

    Attributes:
        kind: `lost` sections show the one before; `dim` ones have another brightness; from a `displaced` one
            on, EM and labels lie aside.
        axis: that the sections follow each other on.
        at: where it begins, as a share of the patch's reach on that axis.
        sections: how many are lost or dim.
        factor: of the brightness of dim ones.
        aside: voxels by which displaced ones lie aside, on each axis of the data; 0 on `axis`.
    """

    kind: Literal["lost", "dim", "displaced"]
    axis: int
    at: float
    sections: int = 1
    factor: float = 1.0
    aside: Voxels = (0, 0, 0)


def random_fault(rng: np.random.Generator, voxel_size_nm: Nm) -> Fault:
    """Draw a fault: in thick sections across them, in volumes of cubes across any axis."""
    thick = max(voxel_size_nm)
    axes = [axis for axis in range(3) if voxel_size_nm[axis] > 0.999 * thick]
    axis = axes[int(rng.integers(len(axes)))]
    at = float(rng.uniform(0.1, 0.9))
    kind = ("lost", "dim", "displaced")[int(rng.integers(3))]
    if kind == "lost":
        return Fault("lost", axis, at, int(rng.integers(1, MOST_LOST + 1)))
    if kind == "dim":
        factor = float(1 + DIM * rng.uniform(-1, 1))
        return Fault("dim", axis, at, int(rng.integers(1, MOST_DIM + 1)), factor)
    aside = rng.integers(-DISPLACED, DISPLACED + 1, 3)
    aside[axis] = 0
    return Fault("displaced", axis, at, aside=(int(aside[0]), int(aside[1]), int(aside[2])))


def spoil(
    stack: Stack,
    place: NDArray[np.int64],
    matrix: NDArray[np.float64],
    field: NDArray[np.float32],
    shape: Voxels,
    fault: Fault,
) -> tuple[Stack, NDArray[np.int64]]:
    """A copy of what a patch reaches, with the fault in it; and where the patch's centre lies in it."""
    bent = np.abs(field).max(axis=(0, 1, 2)) if field.size else np.zeros(3)
    reach = np.ceil(np.abs(matrix) @ (np.array(shape) / 2) + bent).astype(np.int64) + 2
    box = Box.between((place - reach).tolist(), (place + reach + 1).tolist())
    begin = box.start[fault.axis] + round(fault.at * box.shape[fault.axis])
    here = _cut_stack(stack, box)
    if fault.kind == "displaced":
        here = _displace(stack, here, box, begin, fault)
    else:
        _change(here.em, fault, begin - box.start[fault.axis])
    return here, reach


def cut(array: NDArray[Any], box: Box, fill: int) -> NDArray[Any]:
    """The voxels of `box`, which may reach outside of the array, where they are `fill`."""
    z, y, x = array.shape
    inside = box.intersect(Box((0, 0, 0), (z, y, x)))
    if inside == box:
        return array[box.slices()]
    result = np.full(box.shape, fill, array.dtype)
    if not inside.is_empty:
        result[inside.slices(box.start)] = array[inside.slices()]
    return result


def _cut_stack(stack: Stack, box: Box) -> Stack:
    """Copies of the arrays in `box`; what lies outside of the EM is not present."""
    z, y, x = stack.em.shape
    present = stack.present
    if present.size or not Box((0, 0, 0), (z, y, x)).contains(box):
        present = cut(present if present.size else np.ones(stack.em.shape, bool), box, 0).copy()
    inner = box.shift([-a for a in stack.label_start])
    ids = {name: cut(array, inner, 0).copy() for name, array in stack.ids.items()}
    return Stack(cut(stack.em, box, 0).copy(), present, cut(stack.codes, inner, 0).copy(), (0, 0, 0), ids)


def _displace(stack: Stack, here: Stack, box: Box, begin: int, fault: Fault) -> Stack:
    """From section `begin` on, what lies aside; where one of both copies lacks EM, its absence counts."""
    there = _cut_stack(stack, box.shift(fault.aside))
    if here.present.size != there.present.size:
        here, there = (
            s if s.present.size else replace(s, present=np.ones(box.shape, bool)) for s in (here, there)
        )
    later = tuple(
        slice(begin - box.start[axis], None) if axis == fault.axis else slice(None) for axis in range(3)
    )
    labels = ((here.ids[name], there.ids[name]) for name in here.ids)
    for array, other in ((here.em, there.em), (here.codes, there.codes), *labels):
        array[later] = other[later]
    if here.present.size:
        here.present[later] = there.present[later]
    return here


def _change(em: NDArray[Any], fault: Fault, begin: int) -> None:
    """Lost or dim sections, in place."""
    sections = np.moveaxis(em, fault.axis, 0)
    found = sections[begin : begin + fault.sections]
    if fault.kind == "lost":
        found[:] = sections[max(begin - 1, 0)]
        return
    changed = found * np.float32(fault.factor)
    if np.issubdtype(em.dtype, np.integer):
        changed = changed.clip(0, np.iinfo(em.dtype).max)
    found[:] = changed.astype(em.dtype)
