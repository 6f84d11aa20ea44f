"""The volumes that are painted on: leaf class, cell, object, structure and free room, all on one grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from organelle.classes import class_named
from organelle.geometry import Box, Extent, Grid
from organelle.phantom.noise import Field

Points = npt.NDArray[np.float64]
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
    """The tissue while it is drawn: one leaf class per voxel, so that relations hold by themselves."""

    grid: Grid
    leaf: npt.NDArray[np.uint8] = field(init=False)
    cell: npt.NDArray[np.uint16] = field(init=False)
    object: npt.NDArray[np.uint32] = field(init=False)
    structure: Field = field(init=False)
    free: npt.NDArray[np.bool_] = field(init=False)
    barren: dict[str, list[Extent]] = field(default_factory=dict)
    objects: int = 0

    def __post_init__(self) -> None:
        shape = self.grid.shape
        self.leaf = np.full(shape, leaf_id("ecs"), np.uint8)
        self.cell = np.zeros(shape, np.uint16)
        self.object = np.zeros(shape, np.uint32)
        self.structure = np.zeros(shape, np.float32)
        self.free = np.zeros(shape, bool)

    def window(self, low_nm: Iterable[float], high_nm: Iterable[float]) -> Box:
        """The voxels between two places, one more on each side, as far as the grid reaches."""
        low, high = self.grid.to_index(tuple(low_nm)), self.grid.to_index(tuple(high_nm))
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

    def index_of(self, points_nm: Points) -> npt.NDArray[np.int64]:
        """The voxels (..., 3) that hold the places, also beyond the volume."""
        index = (points_nm - self.grid.origin_nm) / self.grid.voxel_size_nm
        return np.rint(index).astype(np.int64)

    def is_free(self, points_nm: Points, *, outside: bool = True) -> npt.NDArray[np.bool_]:
        """Whether each place is unclaimed cytoplasm; places beyond the volume count as `outside`."""
        index = self.index_of(points_nm)
        inside = np.asarray(((index >= 0) & (index < self.grid.shape)).all(axis=-1))
        index *= inside[..., None]
        found = self.free[index[..., 0], index[..., 1], index[..., 2]]
        return np.asarray(np.where(inside, found, outside))

    def has_room(self, points_nm: Points, radius: float, *, outside: bool = True) -> npt.NDArray[np.bool_]:
        """A quick look whether a ball fits at each place (..., 3): its centre and 14 points around it."""
        free = self.is_free(points_nm[..., None, :] + radius * _FEELERS, outside=outside)
        return np.asarray(free.all(axis=-1))

    def places(self, rng: np.random.Generator, name: str, radius: float, tries: int) -> Iterator[Points]:
        """Those of `tries` random voxels where a ball seems to fit and `name` may live, as places in nm."""
        for start in range(0, tries, _BATCH):
            index = rng.integers(0, self.grid.shape, (min(_BATCH, tries - start), 3))
            places = np.array(self.grid.origin_nm) + index * np.array(self.grid.voxel_size_nm)
            for place in places[self.has_room(places, radius)]:
                if not any(_holds(extent, place) for extent in self.barren.get(name, [])):
                    yield place

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


_BATCH = 2000
"""Places looked at together; objects drawn meanwhile are noticed when the next one is fitted in."""

_FEELERS = np.array(
    [(0, 0, 0), *(v for axis in np.eye(3) for v in (axis, -axis))]
    + [(a, b, c) for a in (-0.58, 0.58) for b in (-0.58, 0.58) for c in (-0.58, 0.58)]
)
"""The centre and 14 directions of the unit sphere."""
