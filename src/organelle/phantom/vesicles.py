"""The round ones: lipid droplets, lysosomes, endosomes, peroxisomes and vesicles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from organelle.phantom.canvas import Body, Paint, Points
from organelle.phantom.noise import Field
from organelle.phantom.painter import Painter
from organelle.phantom.shapes import ball, random_direction, random_rotation


def _round(painter: Painter, place: Points, low: float, high: float, uneven: float) -> Body:
    """An ellipsoid with radii around one drawn between `low` and `high`."""
    radius = painter.rng.uniform(low, high)
    radii = radius * painter.rng.uniform(1 - uneven, 1 + uneven, 3)
    return ball(
        painter.canvas, place, list(radii), random_rotation(painter.rng), painter.settings.clearance_nm
    )


def lipid_droplet(painter: Painter, place: Points) -> tuple[Body, Paint]:
    """Perfectly homogeneous; the thin dark rim is what counts as its membrane."""
    body = _round(painter, place, 68, 115, 0.05)
    grey = painter.rng.uniform(-18, 18)
    return body, lambda b: (painter.skin(b, "ld"), painter.lumen(b, grey))


def lysosome(painter: Painter, place: Points) -> tuple[Body, Paint]:
    """Dark, filled with coarse grains."""

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        grains = 40 * np.tanh(1.6 * painter.noise(body, 11)) + painter.rng.uniform(-12, 12)
        return painter.skin(body, "lyso"), painter.lumen(body, grains)

    body = _round(painter, place, 66, 94, 0.16)
    return body, paint


def endosome(painter: Painter, place: Points) -> tuple[Body, Paint]:
    """Bright, with a few tiny vesicles inside."""

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        grey = np.full(body.depth.shape, painter.rng.uniform(-12, 10), np.float32)
        inner = float(body.depth.max(initial=0)) - painter.membrane_nm - 18
        for _ in range(painter.rng.integers(3, 7)):
            centre = max(inner, 0) * painter.rng.uniform(0.2, 1) * random_direction(painter.rng)
            distance = np.sqrt(sum((u - c) ** 2 for u, c in zip(body.local, centre, strict=True)))
            grey[distance < 18] = -75
            grey[distance < 7] = -20
        return painter.skin(body, "endo"), painter.lumen(body, grey)

    body = _round(painter, place, 66, 96, 0.13)
    return body, paint


def peroxisome(painter: Painter, place: Points) -> tuple[Body, Paint]:
    """An even matrix around a striped crystal."""

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        stripes = 34 * np.sign(np.sin(2 * np.pi * body.local[0] / 32)) - 4
        core = body.depth > painter.membrane_nm + 14
        grey = np.where(core, stripes, 6) + painter.rng.uniform(-10, 10)
        return painter.skin(body, "perox"), painter.lumen(body, grey)

    body = _round(painter, place, 64, 84, 0.08)
    return body, paint


def vesicle(painter: Painter, place: Points) -> tuple[Body, Paint]:
    """Small and round; every third has a dense core."""
    body = _round(painter, place, 34, 46, 0.05)
    dense = painter.rng.random() < 0.35
    grey = painter.rng.uniform(-10, 10)

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        core = np.where(body.depth > painter.membrane_nm + 6, -62, 0) if dense else 0
        return painter.skin(body, "ves"), painter.lumen(body, core + np.float32(grey))

    return body, paint
