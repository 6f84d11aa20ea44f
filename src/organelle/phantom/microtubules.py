"""Microtubules: long, almost straight pipes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from organelle.phantom.canvas import Body, Paint, Points, leaf_id
from organelle.phantom.noise import Field
from organelle.phantom.painter import Painter
from organelle.phantom.shapes import tube, walk

INNER_NM, OUTER_NM = 11.5, 27.0
"""Radii: twice the real ones, so that the channel is three voxels of 8 nm wide."""


def microtubule(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """A pipe of at least 216 nm, and of up to a micrometre where there is room."""
    path = walk(painter.canvas, painter.rng, place, radius=OUTER_NM, steps=40, step_nm=24, bend=0.05, tries=6)
    if len(path) < 10:
        return None
    return tube(painter.canvas, path, OUTER_NM, painter.settings.clearance_nm), _paint


def _paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
    """Wall and channel; the lattice of the wall is darker and lighter every 28 nm along the pipe."""
    wall = body.depth < OUTER_NM - INNER_NM
    leaf = np.where(wall, leaf_id("mt_out"), leaf_id("mt_in")).astype(np.uint8)
    return leaf, np.where(wall, 20 * np.cos(2 * np.pi * body.local[0] / 28), 0).astype(np.float32)
