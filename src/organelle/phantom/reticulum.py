"""The endoplasmic reticulum: sheets, tubes and exit sites, one continuous space.

Sheets and tubes are first gathered in one field, the depth below the nearest of their surfaces; where two
meet, their lumina join.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from organelle.phantom.canvas import Body, Canvas, Paint, Points, leaf_id
from organelle.phantom.noise import Field, smooth_noise
from organelle.phantom.nuclei import Nucleus
from organelle.phantom.painter import Painter, scatter
from organelle.phantom.shapes import random_direction, tube, walk

_TUBE_NM, _SHEET_NM = 35.0, 52.0
"""Radius of the tubes, thickness of the sheets."""


def er_sheets(painter: Painter, nuclei: list[Nucleus], reticulum: Field) -> None:
    """Patches of a shell 80 nm outside each nucleus, flat bags with round edges."""
    share, half = painter.settings.er_sheets, _SHEET_NM / 2
    for nucleus in nuclei:
        if nucleus.box.is_empty or share == 0:
            continue
        field = smooth_noise(painter.rng, nucleus.box.shape, 90.0, painter.canvas.grid.voxel_size_nm)
        edge = 90 * (field - np.quantile(field, 1 - share))
        flat = half - np.hypot(nucleus.depth + 80, np.maximum(half - edge, 0))
        depth = np.minimum(flat, nucleus.cell_depth - painter.membrane_nm - painter.settings.clearance_nm)
        here = nucleus.box.slices()
        np.maximum(reticulum[here], depth, out=reticulum[here])
    painter.canvas.free[reticulum > -painter.settings.clearance_nm] = False


def er_tubes(painter: Painter, sites: list[Points], reticulum: Field) -> None:
    """Winding tubes from exit sites, from other tubes or from anywhere; they may join tubes and sheets."""
    radius = _TUBE_NM
    wanted = painter.number(painter.settings.er_tubes)
    for number, place in enumerate(painter.canvas.places(painter.rng, "er", radius, 40 * wanted)):
        if number == wanted:
            return
        origin = sites[number % len(sites)] if number < 3 * len(sites) else None
        start = place if origin is None else origin + 115 * random_direction(painter.rng)
        if not painter.canvas.has_room(start, radius):
            continue
        path = walk(painter.canvas, painter.rng, start, radius=radius, steps=26, step_nm=22, bend=0.3)
        if origin is not None and _is_open(painter.canvas, origin, start):
            path = np.vstack([origin, path])
        if len(path) < 4:
            continue
        for first, last in pairwise(path):
            body = tube(painter.canvas, np.array([first, last]), radius, painter.settings.clearance_nm)
            here = body.box.slices()
            np.maximum(reticulum[here], body.depth, out=reticulum[here])


def _is_open(canvas: Canvas, first: Points, last: Points) -> bool:
    """Whether a tube between two places meets nothing but cytosol and its own exit site."""
    body = tube(canvas, np.array([first, last]), _TUBE_NM, 0.0)
    leaf = canvas.leaf[body.box.slices()][body.depth > 0]
    return bool(np.isin(leaf, [leaf_id(name) for name in ("cyto", "eres_mem", "eres_lum")]).all())


def paint_er(painter: Painter, reticulum: Field) -> None:
    """Membrane and lumen, and ribosomes on the shore: they are seen in the EM, but labelled as cytosol."""
    inside = (reticulum > 0) & (painter.canvas.leaf == leaf_id("cyto"))
    body = Body(painter.canvas.grid.box, reticulum, (reticulum, reticulum, reticulum))
    painter.canvas.leaf[inside] = painter.skin(body, "er")[inside]
    shore = (reticulum <= 0) & (reticulum > -24) & (painter.canvas.leaf == leaf_id("cyto"))
    painter.canvas.structure[shore] -= 45 * np.clip(painter.noise(body, 7)[shore] - 0.5, 0, 1.2)
    painter.canvas.free[reticulum > -painter.settings.clearance_nm] = False


def exit_sites(painter: Painter, per_um3: float) -> list[Points]:
    """Clusters of coated buds; returns their centres, from which tubes of the reticulum go out."""
    centres: list[Points] = []

    def make(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
        body = _buds(painter, place)
        if not painter.canvas.fits(body):
            return None
        centres.append(place)
        return body, lambda b: _paint_buds(painter, b)

    scatter(painter, "eres", per_um3, 70, make, numbered=False)
    return centres


def _buds(painter: Painter, place: Points) -> Body:
    """A union of balls around a place."""
    size = 130.0
    box = painter.canvas.window(place - size, place + size)
    z, y, x = painter.canvas.axes(box, tuple(place))
    depth = np.full(box.shape, -np.inf, np.float32)
    for number in range(painter.rng.integers(6, 9)):
        radius = painter.rng.uniform(36, 46)
        centre = (0 if number == 0 else painter.rng.uniform(35, 62)) * random_direction(painter.rng)
        distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        depth = np.maximum(depth, radius - distance)
    local = tuple(np.broadcast_to(a, box.shape) for a in (z, y, x))
    return Body(box, depth, (local[0], local[1], local[2]))


def _paint_buds(painter: Painter, body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
    """A dotted coat outside, a finely speckled lumen inside."""
    waves = [np.cos(2 * np.pi * u / 30) for u in body.local]
    coat = 30 * np.sign(waves[0] * waves[1] * waves[2])
    speckles = 30 * np.tanh(1.5 * painter.noise(body, 6))
    grey = np.where(body.depth < painter.membrane_nm, coat, speckles)
    return painter.skin(body, "eres"), grey.astype(np.float32)
