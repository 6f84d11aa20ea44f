"""The volumes that are painted on: leaf class, cell, object, structure and free room, all on one grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from organelle.classes import class_named
from organelle.geometry import Box, Extent, Grid
from organelle.phantom.noise import Field

Points = npt.NDArray[np.floating[Any]]
"""Places in nm, shape (..., 3), z y x."""


def leaf_id(name: str) -> int:
    """The number that stands for a leaf class in `Canvas.leaf`."""
    return class_named(name).id


@dataclass(frozen=True)
class Body:
    """A shape in its window: `depth` nm below its surface, negative outside; `local` coordinates in nm."""

    box: Box
    depth: Field
    local: tuple[Field, Field, Field]


Paint = Callable[[Body], tuple[npt.NDArray[np.uint8], Field | float]]
"""Leaf id and grey offset of every voxel of a body's window; only those inside are used."""


@dataclass
class Canvas:
    """The tissue while it is drawn. Every voxel has exactly one leaf class, so relations hold by themselves."""

    grid: Grid
    leaf: npt.NDArray[np.uint8] = field(init=False)
    cell: npt.NDArray[np.uint16] = field(init=False)
    object: npt.NDArray[np.uint16] = field(init=False)
    structure: Field = field(init=False)
    free: npt.NDArray[np.bool_] = field(init=False)
    barren: dict[str, list[Extent]] = field(default_factory=dict)
    objects: int = 0

    def __post_init__(self) -> None:
        shape = self.grid.shape
        self.leaf = np.full(shape, leaf_id("ecs"), np.uint8)
        self.cell = np.zeros(shape, np.uint16)
        self.object = np.zeros(shape, np.uint16)
        self.structure = np.zeros(shape, np.float32)
        self.free = np.zeros(shape, bool)

    def window(self, low_nm: Sequence[float], high_nm: Sequence[float]) -> Box:
        """The voxels between two places, one more on each side, as far as the grid reaches."""
        low, high = self.grid.to_index(low_nm), self.grid.to_index(high_nm)
        box = Box.between([int(np.floor(a)) for a in low], [int(np.ceil(b)) + 1 for b in high])
        return box.intersect(self.grid.box)

    def axes(self, box: Box, centre_nm: Sequence[float]) -> tuple[Field, Field, Field]:
        """Coordinates of the window's voxels relative to a place: three arrays that broadcast."""
        lines = []
        for axis in range(3):
            voxels = np.arange(box.start[axis], box.stop[axis])
            line = self.grid.origin_nm[axis] + voxels * self.grid.voxel_size_nm[axis] - centre_nm[axis]
            lines.append(line.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)]))
        return lines[0], lines[1], lines[2]

    def is_free(self, points_nm: Points, *, outside: bool = True) -> npt.NDArray[np.bool_]:
        """Whether each place is unclaimed cytoplasm; places beyond the volume count as `outside`."""
        index = np.rint((points_nm - self.grid.origin_nm) / self.grid.voxel_size_nm).astype(int)
        inside = ((index >= 0) & (index < self.grid.shape)).all(axis=-1)
        z, y, x = np.moveaxis(np.where(inside[..., None], index, 0), -1, 0)
        found: npt.NDArray[np.bool_] = np.where(inside, self.free[z, y, x], outside)
        return found

    def random_free(self, rng: np.random.Generator, name: str) -> Points | None:
        """A random free place where `name` may live, or None after a fair number of draws."""
        for _ in range(200):
            index = rng.integers(0, self.grid.shape)
            if self.free[tuple(index)]:
                place = np.array(self.grid.to_nm(index))
                if not any(_holds(extent, place) for extent in self.barren.get(name, [])):
                    return place
        return None

    def fits(self, body: Body) -> bool:
        """Whether some of the body lies in the volume, and all of that on free cytoplasm."""
        inside = body.depth > 0
        return bool(inside.any()) and not (inside & ~self.free[body.box.slices()]).any()

    def add(self, body: Body, paint: Paint, clearance_nm: float, *, numbered: bool = True) -> None:
        """Paint a body as one new object, and claim its room and the clearance around it."""
        here = body.box.slices()
        inside = body.depth > 0
        leaf, grey = paint(body)
        self.leaf[here][inside] = leaf[inside]
        self.structure[here][inside] = np.broadcast_to(grey, inside.shape)[inside]
        if numbered:
            self.objects += 1
            self.object[here][inside] = self.objects
        self.free[here][body.depth > -clearance_nm] = False


def _holds(extent: Extent, place: Points) -> bool:
    return bool((place >= extent.start_nm).all() and (place < extent.stop_nm).all())
