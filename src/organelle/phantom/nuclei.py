"""Nuclei: an envelope of two membranes with pores, chromatin inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from organelle.geometry import Box
from organelle.phantom.canvas import Body, Canvas, Points, leaf_id
from organelle.phantom.cells import Cell
from organelle.phantom.noise import Field, smooth_noise
from organelle.phantom.settings import TissueSettings
from organelle.phantom.shapes import random_rotation, turned

_FROM_SURFACE_NM = 90.0
"""No nucleus comes nearer to the surface of its cell."""


@dataclass(frozen=True)
class Nucleus:
    """Depth below the outer nuclear membrane in a window, and depth below the surface of the cell."""

    centre: Points
    box: Box
    depth: Field
    cell_depth: Field


def draw_nuclei(
    canvas: Canvas, cells: list[Cell], settings: TissueSettings, rng: np.random.Generator
) -> list[Nucleus]:
    """Draw a nucleus in the middle of each cell; returns those of which the volume holds a part."""
    nuclei = [_shape(canvas, cell, settings, rng) for cell in cells]
    nuclei = [nucleus for nucleus in nuclei if min(nucleus.box.shape) > 1]
    for nucleus in nuclei:
        _paint(canvas, nucleus, settings, rng)
        _draw_pores(canvas, nucleus, settings, rng)
        canvas.free[nucleus.box.slices()][nucleus.depth > -16] = False
    return nuclei


def _shape(canvas: Canvas, cell: Cell, settings: TissueSettings, rng: np.random.Generator) -> Nucleus:
    """A wavy ellipsoid that keeps its distance from the surface of the cell."""
    radius = min(rng.uniform(*settings.nucleus_radius_nm), cell.neighbour_nm / 2 - 110)
    reach = radius + 150
    part = canvas.window(cell.centre - reach, cell.centre + reach).intersect(cell.box)
    frame = turned(canvas.axes(part, tuple(cell.centre)), random_rotation(rng))
    a, b, c = (u / s for u, s in zip(frame, rng.uniform(0.86, 1.14, 3), strict=True))
    depth = radius - np.sqrt(a**2 + b**2 + c**2)
    if not part.is_empty:
        depth += 14 * smooth_noise(rng, part.shape, 100.0, canvas.grid.voxel_size_nm)
    cell_depth = cell.depth[part.slices(cell.box.start)]
    return Nucleus(cell.centre, part, np.minimum(depth, cell_depth - _FROM_SURFACE_NM), cell_depth)


def _paint(canvas: Canvas, nucleus: Nucleus, settings: TissueSettings, rng: np.random.Generator) -> None:
    """From outside: membrane, lumen, membrane, then chromatin, the dense mostly at the rim, and plasm."""
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
        bars, spokes = 34 * np.cos(2 * np.pi * h / 30), 34 * np.cos(8 * np.arctan2(v, u))
        grey = np.where(channel, bars, spokes).astype(np.float32)
        canvas.add(Body(box, depth, (h, u, v)), partial(_as_drawn, leaf, grey), 0.0)


def _as_drawn(leaf: npt.NDArray[np.uint8], grey: Field, _: Body) -> tuple[npt.NDArray[np.uint8], Field]:
    return leaf, grey


def _pore_places(
    canvas: Canvas, nucleus: Nucleus, middle: float, spacing: float, rng: np.random.Generator
) -> Iterator[tuple[Points, Points]]:
    """Places at depth `middle`, at least about `spacing` apart, each with the direction outwards."""
    if min(nucleus.box.shape) < 2:
        return
    slopes = np.array(np.gradient(nucleus.depth, *canvas.grid.voxel_size_nm))
    taken: list[Points] = []
    for direction in rng.permutation(_even_directions(220)):
        ray = nucleus.centre + np.arange(40, 420, 4.0)[:, None] * direction
        index = canvas.index_of(ray) - nucleus.box.start
        inside = ((index >= 0) & (index < nucleus.box.shape)).all(axis=1)
        index, ray = index[inside], ray[inside]
        below = nucleus.depth[tuple(index.T)] > middle
        crossing = np.flatnonzero(below[:-1] & ~below[1:])
        if not len(crossing):
            continue
        place, here = ray[crossing[-1]], tuple(index[crossing[-1]])
        axis = -slopes[(slice(None), *here)].astype(float)
        if np.linalg.norm(axis) and all(np.linalg.norm(place - t) > spacing for t in taken):
            taken.append(place)
            yield place, axis / np.linalg.norm(axis)


def _even_directions(n: int) -> Points:
    """`n` unit vectors on a Fibonacci spiral."""
    k = np.arange(n) + 0.5
    polar, turn = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(polar), np.sin(polar) * np.sin(turn), np.sin(polar) * np.cos(turn)], -1)
