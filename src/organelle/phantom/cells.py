"""Cells that touch: Voronoi regions with wavy faces, rounded edges and a plasma membrane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from organelle.geometry import Box, Grid, Voxels
from organelle.phantom.canvas import Canvas, Points, leaf_id
from organelle.phantom.noise import Field, enlarge, smooth_noise
from organelle.phantom.settings import TissueSettings

_WAVE_NM, _WAVE_GRAIN_NM = 30.0, 95.0
"""How far membranes swing from the flat face, and over which distance."""

_CORNER_NM = 13.0
"""How round the edges of a cell are: the scale of the soft minimum over its faces."""


@dataclass(frozen=True)
class Cell:
    """A cell in its window: depth in nm below its surface, and how far its nearest neighbour is."""

    number: int
    centre: Points
    box: Box
    depth: Field
    neighbour_nm: float


@dataclass(frozen=True)
class _Space:
    """Bent space on a lattice of about 24 nm: coordinates with waves, and half the gap between cells."""

    factor: Voxels
    lattice: Grid
    places: tuple[Field, ...]
    gap: Field


def draw_cells(canvas: Canvas, settings: TissueSettings, rng: np.random.Generator) -> list[Cell]:
    """Fill the canvas with cells, each with plasma membrane and cytosol, extracellular space between.

    Cells are the Voronoi regions of a jittered lattice of centres. Where the noise leaves no gap, two
    plasma membranes touch and nothing else parts the cells.
    """
    centres = _centres(canvas, settings.cell_pitch_nm, rng)
    space = _space(canvas, settings, rng)
    cells = []
    for number, centre in enumerate(centres, start=1):
        away = np.linalg.norm(centres - centre, axis=1)
        neighbours = centres[(away > 0) & (away < 2 * settings.cell_pitch_nm)]
        box, depth = _shape(canvas, space, centre, neighbours, settings.cell_pitch_nm)
        if not box.is_empty:
            cells.append(Cell(number, centre, box, depth, float(np.sort(away)[1])))
            _paint(canvas, cells[-1], settings.membrane_nm)
    return cells


def _centres(canvas: Canvas, pitch_nm: float, rng: np.random.Generator) -> Points:
    """A body-centred lattice around the volume, each point moved by up to an eighth of the pitch."""
    extent = canvas.grid.extent.grow((pitch_nm,) * 3)
    step = pitch_nm * 2 ** (1 / 3)
    origin = np.array(extent.start_nm) + rng.uniform(0, step, 3)
    counts = [int(n / step) + 1 for n in extent.shape_nm]
    corner = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), -1).reshape(-1, 3)
    lattice = origin + step * np.concatenate([corner, corner + 0.5])
    return lattice + rng.uniform(-1, 1, lattice.shape) * pitch_nm / 8


def _space(canvas: Canvas, settings: TissueSettings, rng: np.random.Generator) -> _Space:
    grid = canvas.grid
    z, y, x = (max(1, round(24 / v)) for v in grid.voxel_size_nm)
    a, b, c = (-(-n // f) + 1 for n, f in zip(grid.shape, (z, y, x), strict=True))
    size = (grid.voxel_size_nm[0] * z, grid.voxel_size_nm[1] * y, grid.voxel_size_nm[2] * x)
    lattice = Grid(size, grid.origin_nm, (a, b, c))
    places = []
    for axis in range(3):
        line = (grid.origin_nm[axis] + np.arange(lattice.shape[axis]) * size[axis]).astype(np.float32)
        wave = smooth_noise(rng, lattice.shape, _WAVE_GRAIN_NM, size)
        places.append(line.reshape([-1 if i == axis else 1 for i in range(3)]) + _WAVE_NM * wave)
    gap = np.float32(settings.gap_nm / 2) * np.maximum(smooth_noise(rng, lattice.shape, 90.0, size), 0)
    return _Space((z, y, x), lattice, tuple(places), gap)


def _shape(
    canvas: Canvas, space: _Space, centre: Points, neighbours: Points, reach: float
) -> tuple[Box, Field]:
    """Window and depth of one cell; the window is empty when the cell lies outside the volume."""
    low, high = space.lattice.to_index(tuple(centre - reach)), space.lattice.to_index(tuple(centre + reach))
    part = Box.between([int(a) for a in low], [int(b) + 2 for b in high]).intersect(space.lattice.box)
    nothing = Box((0, 0, 0), (0, 0, 0)), np.zeros((0, 0, 0), np.float32)
    if min(part.shape) < 2:
        return nothing
    here = part.slices()
    face = _inside_faces([p[here] for p in space.places], centre, neighbours) - space.gap[here]
    depth = _true_distance(face, space.lattice)
    steps = np.argwhere(depth > -30)
    if not len(steps):
        return nothing
    start, stop = (
        (steps.min(axis=0) + part.start) * space.factor,
        (steps.max(axis=0) + part.start + 1) * space.factor,
    )
    box = Box.between([int(a) for a in start], [int(b) for b in stop]).intersect(canvas.grid.box)
    around = Box.between(
        [a // f for a, f in zip(box.start, space.factor, strict=True)],
        [-(-b // f) + 1 for b, f in zip(box.stop, space.factor, strict=True)],
    ).intersect(part)
    return box, enlarge(depth[around.slices(part.start)], space.factor, box.shape)


def _inside_faces(places: list[Field], centre: Points, neighbours: Points) -> Field:
    """Distance from the nearest face of a Voronoi region, positive inside, edges rounded."""
    own = _squared_distance(places, centre)
    total = np.zeros_like(own)
    for other in neighbours:
        between = np.float32(2 * np.linalg.norm(other - centre))
        face = (_squared_distance(places, other) - own) / between
        total += np.exp(np.clip(-face / _CORNER_NM, -60, 60))
    return np.float32(-_CORNER_NM) * np.log(np.maximum(total, 1e-30))


def _squared_distance(places: list[Field], centre: Points) -> Field:
    z, y, x = (np.square(p - np.float32(c)) for p, c in zip(places, centre, strict=True))
    return np.asarray(z + y + x)


def _true_distance(depth: Field, lattice: Grid) -> Field:
    """Near the surface depth over its slope, so that a membrane is about as thick everywhere."""
    slope = np.sqrt(np.sum(np.square(np.gradient(depth, *lattice.voxel_size_nm)), axis=0))
    near = np.clip(depth, -60, 60)
    return np.asarray(depth - near + near / np.clip(slope, 0.6, 1.8))


def _paint(canvas: Canvas, cell: Cell, membrane_nm: float) -> None:
    here, inside = cell.box.slices(), cell.depth > 0
    canvas.cell[here][inside] = cell.number
    leaf = np.where(cell.depth < membrane_nm, leaf_id("pm"), leaf_id("cyto"))
    canvas.leaf[here][inside] = leaf[inside]
    canvas.free[here][cell.depth > membrane_nm + 10] = True
