"""Mitochondria: bent tubes, folded inside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from organelle.phantom.canvas import Body, Paint, Points, leaf_id
from organelle.phantom.noise import Field
from organelle.phantom.painter import Painter
from organelle.phantom.shapes import tube, walk


def mitochondrion(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """A bent tube, its inner membrane folded into cristae, ribosomes in between."""
    rng = painter.rng
    radius = rng.uniform(72, 94)
    path = walk(
        painter.canvas, rng, place, radius=radius, steps=int(rng.integers(5, 13)), step_nm=36, bend=0.16
    )
    if len(path) < 4:
        return None
    body = tube(painter.canvas, path, radius, painter.settings.clearance_nm)
    return body, lambda b: _paint(painter, b, radius)


def _paint(painter: Painter, body: Body, radius: float) -> tuple[npt.NDArray[np.uint8], Field]:
    skin = 1.25 * painter.membrane_nm
    arc, across, _ = body.local
    turn = (arc + 8 * painter.noise(body, 60)) / 58
    side = np.where(np.floor(turn) % 2 == 0, 1, -1)
    fold = (np.abs(turn % 1 - 0.5) * 58 < painter.membrane_nm / 2) & (across * side < 0.4 * radius)
    leaf = np.full(body.depth.shape, leaf_id("mito_lum"), np.uint8)
    leaf[_grains(painter, body, skin + 14, 15.0, 1.5e-5)] = leaf_id("mito_ribo")
    leaf[fold | (body.depth < skin)] = leaf_id("mito_mem")
    grey = np.where(leaf == leaf_id("mito_lum"), painter.rng.uniform(-14, 14), 0)
    return leaf, grey.astype(np.float32)


def _grains(
    painter: Painter, body: Body, below: float, radius: float, per_nm3: float
) -> npt.NDArray[np.bool_]:
    """Small balls at random places deeper than `below`, `per_nm3` of that volume."""
    marked = np.zeros(body.depth.shape, bool)
    room = np.argwhere(body.depth > below)
    count = round(len(room) * painter.canvas.grid.voxel_volume_nm3 * per_nm3)
    for index in room[painter.rng.integers(0, max(len(room), 1), count)]:
        place = np.array(painter.canvas.grid.to_nm(index + body.box.start)) + painter.rng.uniform(-4, 4, 3)
        box = painter.canvas.window(place - radius, place + radius).intersect(body.box)
        near = sum(a**2 for a in painter.canvas.axes(box, tuple(place))) < radius**2
        marked[box.slices(body.box.start)] |= near
    return marked
