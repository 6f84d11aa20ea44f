"""The Golgi: stacks of flat cisternae."""

from __future__ import annotations

import numpy as np

from organelle.phantom.canvas import Body, Paint, Points
from organelle.phantom.painter import Painter
from organelle.phantom.shapes import random_rotation, turned


def golgi_stack(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """Four or five flat cisternae in a bent stack, swollen at their rims."""
    rng = painter.rng
    count, pitch, half = int(rng.integers(4, 6)), 66.0, 25.0
    radius, bend = rng.uniform(95, 130), rng.uniform(0, 1 / 600)
    frame = random_rotation(rng)
    drum = _DRUM * (pitch * (count - 1) / 2, radius, radius)
    if not painter.canvas.is_free(place + drum @ frame).all():
        return None
    size = radius + pitch * count / 2 + 20
    box = painter.canvas.window(place - size, place + size)
    local = turned(painter.canvas.axes(box, tuple(place)), frame)
    out = np.hypot(local[1], local[2])
    height = local[0] - bend * out**2
    depth = np.full(box.shape, -np.inf, np.float32)
    for number in range(count):
        level = (number - (count - 1) / 2) * pitch
        edge = radius * rng.uniform(0.85, 1.05) - half
        disc = half + 4 * np.clip(out / edge, 0, 1) ** 4 - np.hypot(np.maximum(out - edge, 0), height - level)
        depth = np.maximum(depth, disc)
    grey = rng.uniform(-12, 8)
    return Body(box, depth, local), lambda b: (painter.skin(b, "golgi"), painter.lumen(b, grey))


_DRUM = np.array(
    [
        (h, 0.8 * np.cos(a), 0.8 * np.sin(a))
        for h in (-1, 0, 1)
        for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ]
)
"""Points on a drum of height 2 and radius 0.8, for a glance whether a stack fits."""
