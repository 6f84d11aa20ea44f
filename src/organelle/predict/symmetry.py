"""Mirrors and turns of a block of voxels by right angles, and what they do to steps. Pure arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.geometry import Voxels
from organelle.models import ModelSettings
from organelle.predict.planes import EQUAL


@dataclass(frozen=True, slots=True, order=True)
class Symmetry:
    """A map of a box onto itself: axes are exchanged, then some are reversed.

    Attributes:
        axes: axis i of the image runs along axis `axes[i]` of what is mapped.
        reversed: whether axis i of the image runs the other way.
    """

    axes: Voxels = (0, 1, 2)
    reversed: tuple[bool, bool, bool] = (False, False, False)

    @property
    def inverse(self) -> Symmetry:
        """The map back."""
        z, y, x = (self.axes.index(axis) for axis in range(3))
        return Symmetry((z, y, x), (self.reversed[z], self.reversed[y], self.reversed[x]))

    def after(self, first: Symmetry) -> Symmetry:
        """The map that does `first`, then this one."""
        z, y, x = (first.axes[axis] for axis in self.axes)
        a, b, c = (
            turned != first.reversed[axis] for axis, turned in zip(self.axes, self.reversed, strict=True)
        )
        return Symmetry((z, y, x), (a, b, c))

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The image of `values` (channel, z, y, x), as a view of them."""
        turned = values.transpose(0, *(axis + 1 for axis in self.axes))
        return np.flip(turned, tuple(axis + 1 for axis in range(3) if self.reversed[axis]))

    def of_step(self, step: Voxels) -> Voxels:
        """Where a step from one voxel to another leads in the image."""
        z, y, x = (
            -step[axis] if turned else step[axis]
            for axis, turned in zip(self.axes, self.reversed, strict=True)
        )
        return z, y, x


IDENTITY = Symmetry()


def symmetries_of(spec: ModelSettings, *, mirrors: bool, turns: bool) -> tuple[Symmetry, ...]:
    """All maps that a network's answers are averaged over: a group, the identity first.

    Mirrors along `mirror_axes` make 2, 4 or 8; turns by 90 degrees in planes of square voxels make 4, or
    24 where voxels and patch are cubes; both together 8 (2D, or 3D with thick sections) or 48.

    Args:
        spec: voxel size and patch.
        mirrors: along the finely sampled axes.
        turns: in every plane in which `turned_planes` says that it can be done.

    Raises:
        SettingsError: turns are wanted, and there is no plane for them.
    """
    planes = turned_planes(spec) if turns else ()
    if turns and not planes:
        raise SettingsError(
            f"[predict] turns = true finds no plane to turn in: it takes two axes of one voxel size (here "
            f"{', '.join(f'{v:g}' for v in spec.voxel_size_nm)} nm) and one patch size (here "
            f"{list(spec.patch_shape)}); make the window square, or leave turns out"
        )
    flips = mirror_axes(spec) if mirrors else ()
    return _generated([*(_flip(axis) for axis in flips), *(_quarter_turn(*plane) for plane in planes)])


def mirror_axes(spec: ModelSettings) -> tuple[int, ...]:
    """The axes sampled at most twice as coarsely as the finest, without the one a 2D network does not see.

    Along them a mirrored patch is as likely as the patch itself; along thick sections it doubles the work
    for little.
    """
    limit = 2 * min(v for axis, v in enumerate(spec.voxel_size_nm) if axis != spec.flat_axis)
    return tuple(axis for axis, v in enumerate(spec.voxel_size_nm) if axis != spec.flat_axis and v <= limit)


def turned_planes(spec: ModelSettings) -> tuple[tuple[int, int], ...]:
    """The pairs of axes with one voxel size and one patch size, without what a 2D network does not see."""
    seen = [axis for axis in range(3) if axis != spec.flat_axis]
    return tuple((a, b) for a, b in combinations(seen, 2) if _are_alike(spec, a, b))


def _are_alike(spec: ModelSettings, a: int, b: int) -> bool:
    sizes, shape = spec.voxel_size_nm, spec.patch_shape
    return math.isclose(sizes[a], sizes[b], rel_tol=EQUAL) and shape[a] == shape[b]


def _generated(generators: Sequence[Symmetry]) -> tuple[Symmetry, ...]:
    """All that comes of doing `generators` one after the other, sorted."""
    found = {IDENTITY}
    newest: Iterable[Symmetry] = found
    while newest := {g.after(known) for known in newest for g in generators} - found:
        found |= newest
    return tuple(sorted(found))


def _flip(axis: int) -> Symmetry:
    z, y, x = (axis == other for other in range(3))
    return Symmetry((0, 1, 2), (z, y, x))


def _quarter_turn(a: int, b: int) -> Symmetry:
    """By 90 degrees in the plane of two axes."""
    axes = [0, 1, 2]
    axes[a], axes[b] = b, a
    z, y, x = axes
    return Symmetry((z, y, x), _flip(a).reversed)
