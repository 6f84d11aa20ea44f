"""Cells that touch, and their nuclei with envelope, pores and chromatin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from organelle.geometry import Box, Nm
from organelle.phantom.canvas import Body, Canvas, Points, leaf_id
from organelle.phantom.noise import Field, enlarge, smooth_noise
from organelle.phantom.settings import TissueSettings
from organelle.phantom.shapes import random_rotation, turned

_WAVE_NM, _WAVE_GRAIN_NM = 30.0, 95.0
"""How far membranes swing from the smooth shape, and over which distance."""

_CORNER_NM = 13.0
"""How round the edges of a cell are: a scale of the soft minimum over its faces."""


@dataclass(frozen=True)
class Nucleus:
    """Depth below the outer nuclear membrane in a window, and where the cell's own limit is."""

    centre: Points
    box: Box
    depth: Field
    cell_depth: Field


def draw_tissue(canvas: Canvas, settings: TissueSettings, rng: np.random.Generator) -> list[Nucleus]:
    """Fill the canvas with cells, each with plasma membrane, cytosol and nucleus; returns the nuclei.

    Cells are the Voronoi regions of a jittered lattice of centres, bent by smooth noise, with rounded
    edges. Where the noise leaves no gap, two plasma membranes touch and nothing else parts the cells.
    """
    centres = _centres(canvas, settings.cell_pitch_nm, rng)
    coarse, shape = _coarse_lattice(canvas)
    size = canvas.grid.voxel_size_nm
    coarse_size = (size[0] * coarse[0], size[1] * coarse[1], size[2] * coarse[2])
    places = _places(canvas, shape, coarse_size, rng)
    gap = settings.gap_nm * np.maximum(smooth_noise(rng, shape, 90.0, coarse_size), 0) / 2
    nuclei = []
    for number, centre in enumerate(centres, start=1):
        depth = _true_distance(_cell_depth(places, centres, number - 1) - gap, coarse_size)
        box = _window_of(depth, coarse, canvas.grid.box)
        if box.is_empty:
            continue
        room = float(np.sort(np.linalg.norm(centres - centre, axis=1))[1]) / 2
        near = enlarge(_cut(depth, box, coarse), coarse, box.shape)
        _draw_cell(canvas, box, near, number, settings)
        nuclei.append(_draw_nucleus(canvas, box, near, centre, room, settings, rng))
    return nuclei


def _centres(canvas: Canvas, pitch_nm: float, rng: np.random.Generator) -> Points:
    """A body-centred lattice around the volume, each point moved by up to an eighth of the pitch."""
    extent = canvas.grid.extent.grow((pitch_nm,) * 3)
    step = pitch_nm * 2 ** (1 / 3)
    origin = np.array(extent.start_nm) + rng.uniform(0, step, 3)
    counts = [int(n / step) + 1 for n in extent.shape_nm]
    corner = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), -1).reshape(-1, 3)
    lattice = origin + step * np.concatenate([corner, corner + 0.5])
    return lattice + rng.uniform(-1, 1, lattice.shape) * pitch_nm / 8


def _coarse_lattice(canvas: Canvas) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Voxels per step of about 24 nm, and the number of steps that reach over the grid."""
    z, y, x = (max(1, round(24 / v)) for v in canvas.grid.voxel_size_nm)
    shape = [-(-n // f) + 1 for n, f in zip(canvas.grid.shape, (z, y, x), strict=True)]
    return (z, y, x), (shape[0], shape[1], shape[2])


def _places(canvas: Canvas, shape: tuple[int, int, int], size: Nm, rng: np.random.Generator) -> list[Field]:
    """Coordinates of the coarse lattice, moved by smooth noise: what makes straight things wavy."""
    places = []
    for axis, (n, step) in enumerate(zip(shape, size, strict=True)):
        line = canvas.grid.origin_nm[axis] + np.arange(n) * step
        line = line.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        places.append(line + _WAVE_NM * smooth_noise(rng, shape, _WAVE_GRAIN_NM, size))
    return places


def _cell_depth(places: list[Field], centres: Points, mine: int) -> Field:
    """Distance from the nearest face of a Voronoi region, positive inside, edges rounded."""
    others = np.linalg.norm(centres - centres[mine], axis=1)
    near = np.flatnonzero((others > 0) & (others < 2.2 * np.sort(others)[1]))
    own = _squared(places, centres[mine])
    total = np.zeros_like(own)
    for other in near:
        face = (_squared(places, centres[other]) - own) / np.float32(2 * others[other])
        total += np.exp(np.clip(-face / _CORNER_NM, -60, 60))
    return np.float32(-_CORNER_NM) * np.log(np.maximum(total, 1e-30))


def _true_distance(depth: Field, size: Nm) -> Field:
    """Near the surface depth over its slope, so that a membrane is about as thick everywhere."""
    slope = np.sqrt(sum(g**2 for g in np.gradient(depth, *size)))
    near = np.clip(depth, -60, 60)
    return depth - near + near / np.clip(slope, 0.6, 1.8)


def _squared(places: list[Field], centre: Points) -> Field:
    squared: Field = sum(((p - np.float32(c)) ** 2 for p, c in zip(places, centre, strict=True)), np.float32(0))  # type: ignore[assignment]
    return squared


def _window_of(depth: Field, coarse: tuple[int, int, int], whole: Box) -> Box:
    """The voxels around all coarse steps that lie inside; empty when there are none."""
    inside = np.argwhere(depth > -30)
    if not len(inside):
        return Box((0, 0, 0), (0, 0, 0))
    start = [int(a) * f for a, f in zip(inside.min(axis=0), coarse, strict=True)]
    stop = [(int(b) + 1) * f for b, f in zip(inside.max(axis=0), coarse, strict=True)]
    return Box.between(start, stop).intersect(whole)


def _cut(depth: Field, box: Box, coarse: tuple[int, int, int]) -> Field:
    start = [a // f for a, f in zip(box.start, coarse, strict=True)]
    stop = [-(-b // f) + 1 for b, f in zip(box.stop, coarse, strict=True)]
    return depth[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]


def _draw_cell(canvas: Canvas, box: Box, depth: Field, number: int, settings: TissueSettings) -> None:
    here = box.slices()
    inside = depth > 0
    canvas.cell[here][inside] = number
    canvas.leaf[here][inside] = np.where(depth < settings.membrane_nm, leaf_id("pm"), leaf_id("cyto"))[inside]
    canvas.free[here][depth > settings.membrane_nm + 10] = True


def _draw_nucleus(
    canvas: Canvas, box: Box, cell_depth: Field, centre: Points, room_nm: float, settings: TissueSettings, rng: np.random.Generator
) -> Nucleus:
    """Envelope, chromatin and pores in one cell, never nearer than 90 nm to its surface."""
    radius = min(rng.uniform(*settings.nucleus_radius_nm), room_nm - 110)
    low, high = centre - radius - 150, centre + radius + 150
    part = canvas.window(tuple(low), tuple(high)).intersect(box)
    frame = turned(canvas.axes(part, tuple(centre)), random_rotation(rng))
    stretch = rng.uniform(0.86, 1.14, 3)
    distance = np.sqrt(sum((u / s) ** 2 for u, s in zip(frame, stretch, strict=True)))
    wave = smooth_noise(rng, part.shape, 100.0, canvas.grid.voxel_size_nm) if not part.is_empty else distance
    cell = cell_depth[part.slices(box.start)]
    depth = np.minimum(radius - distance + 14 * wave, cell - 90).astype(np.float32)
    nucleus = Nucleus(centre, part, depth, cell)
    if not part.is_empty:
        _paint_nucleus(canvas, nucleus, settings, rng)
        _draw_pores(canvas, nucleus, settings, rng)
        canvas.free[part.slices()][depth > -16] = False
    return nucleus


def _paint_nucleus(canvas: Canvas, nucleus: Nucleus, settings: TissueSettings, rng: np.random.Generator) -> None:
    """From outside: membrane, lumen, membrane, then heterochromatin (mostly at the rim), euchromatin, plasm."""
    thick, lumen = settings.membrane_nm, settings.envelope_lumen_nm
    depth, inner = nucleus.depth, 2 * settings.membrane_nm + settings.envelope_lumen_nm
    field = smooth_noise(rng, nucleus.box.shape, 26.0, canvas.grid.voxel_size_nm)
    density = field + 1.1 * np.exp(-np.maximum(depth - inner, 0) / 34)
    leaf = np.select(
        [depth < thick, depth < thick + lumen, depth < inner, density > 0.95, density > 0.1],
        [leaf_id(n) for n in ("ne_mem", "ne_lum", "ne_mem", "hchrom", "echrom")],
        leaf_id("nucpl"),
    )
    canvas.leaf[nucleus.box.slices()][depth > 0] = leaf[depth > 0]


def _draw_pores(canvas: Canvas, nucleus: Nucleus, settings: TissueSettings, rng: np.random.Generator) -> None:
    """Rings with a channel through both membranes, spread evenly over the envelope."""
    middle = settings.membrane_nm + settings.envelope_lumen_nm / 2
    half = middle + 6
    for place, axis in _pore_places(canvas, nucleus, middle, settings.pore_spacing_nm, rng):
        size = float(np.hypot(half, settings.pore_radius_nm[1]))
        box = canvas.window(tuple(place - size), tuple(place + size))
        side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
        side = side / np.linalg.norm(side)
        h, u, v = turned(canvas.axes(box, tuple(place)), np.array([axis, side, np.cross(axis, side)]))
        radius = np.hypot(u, v)
        depth = np.minimum(settings.pore_radius_nm[1] - radius, half - np.abs(h))
        channel = radius < settings.pore_radius_nm[0]
        leaf = np.where(channel, leaf_id("np_in"), leaf_id("np_out")).astype(np.uint8)
        spokes = np.where(channel, 0, 26 * np.cos(8 * np.arctan2(v, u))).astype(np.float32)
        canvas.add(Body(box, depth, (h, u, v)), _as_painted(leaf, spokes), 0.0)


def _as_painted(leaf: npt.NDArray[np.uint8], grey: Field):  # type: ignore[no-untyped-def]
    return lambda _: (leaf, grey)


def _pore_places(
    canvas: Canvas, nucleus: Nucleus, middle: float, spacing: float, rng: np.random.Generator
) -> Iterator[tuple[Points, Points]]:
    """Places at depth `middle`, at least about `spacing` apart, each with the direction outwards."""
    slopes = np.gradient(nucleus.depth, *canvas.grid.voxel_size_nm) if min(nucleus.box.shape) > 1 else []
    taken: list[Points] = []
    for direction in rng.permutation(_even_directions(220)):
        ray = nucleus.centre + np.arange(40, 420, 4.0)[:, None] * direction
        index = np.rint(np.array([canvas.grid.to_index(p) for p in ray])).astype(int) - nucleus.box.start
        ok = ((index >= 0) & (index < nucleus.box.shape)).all(axis=1)
        index, ray = index[ok], ray[ok]
        if not len(index):
            continue
        at = nucleus.depth[tuple(index.T)] - middle
        crossing = np.flatnonzero((at[:-1] > 0) & (at[1:] <= 0))
        if not len(crossing):
            continue
        place, here = ray[crossing[-1]], tuple(index[crossing[-1]])
        axis = -np.array([s[here] for s in slopes])
        if np.linalg.norm(axis) and all(np.linalg.norm(place - t) > spacing for t in taken):
            taken.append(place)
            yield place, axis / np.linalg.norm(axis)


def _even_directions(n: int) -> Points:
    """`n` unit vectors on a Fibonacci spiral."""
    k = np.arange(n) + 0.5
    polar, turn = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(polar), np.sin(polar) * np.sin(turn), np.sin(polar) * np.cos(turn)], -1)
