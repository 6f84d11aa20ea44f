"""Implicit shapes: how many nm a voxel lies below a surface (negative: outside)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from organelle.phantom.canvas import Body, Points

if TYPE_CHECKING:
    from organelle.phantom.canvas import Canvas


def random_rotation(rng: np.random.Generator) -> Points:
    """A rotation matrix drawn evenly from all of them (QR of a Gaussian matrix, Stewart 1980)."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q *= np.sign(np.diagonal(r))
    return np.asarray(q * np.linalg.det(q))


def random_direction(rng: np.random.Generator) -> Points:
    """A unit vector, evenly from the sphere."""
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def ball(canvas: Canvas, centre: Points, radii: Sequence[float], rotation: Points, reach: float) -> Body:
    """An ellipsoid; its window reaches `reach` nm beyond the surface. Depth is exact for equal radii."""
    size = max(radii) + reach
    box = canvas.window(centre - size, centre + size)
    local = turned(canvas.axes(box, tuple(centre)), rotation)
    mean = float(np.mean(radii))
    distance = np.sqrt(sum((u / r) ** 2 for u, r in zip(local, radii, strict=True)))
    return Body(box, ((1 - distance) * mean).astype(np.float32), local)


def turned(
    axes: tuple[Any, Any, Any], rotation: Points
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Coordinates in the frame whose axes are the rows of `rotation`."""
    z, y, x = axes
    a, b, c = ((r[0] * z + r[1] * y + r[2] * x).astype(np.float32) for r in rotation)
    return a, b, c


def tube(canvas: Canvas, points: Points, radius: float, reach: float) -> Body:
    """A tube of `radius` around a line of points.

    `local` holds, per voxel, the arc length of the nearest point of the line and the two coordinates
    across it, in a frame that does not twist. Only voxels within `reach` beyond the surface are exact.
    """
    size = radius + reach
    box = canvas.window(points.min(axis=0) - size, points.max(axis=0) + size)
    best = np.full(box.shape, np.inf, np.float32)
    local = tuple(np.zeros(box.shape, np.float32) for _ in range(3))
    across = _untwisted(points)
    arc = 0.0
    for first, last, side in zip(points[:-1], points[1:], across, strict=True):
        length = float(np.linalg.norm(last - first))
        part = canvas.window(np.minimum(first, last) - size, np.maximum(first, last) + size).intersect(box)
        if not part.is_empty:
            window = part.slices(box.start)
            _nearer(canvas.axes(part, first), (last - first) / length, length, side, arc, best[window],
                    [array[window] for array in local])  # fmt: skip
        arc += length
    return Body(box, (radius - np.sqrt(best)).astype(np.float32), (local[0], local[1], local[2]))


def _nearer(
    axes: tuple[Any, Any, Any],
    along: Points,
    length: float,
    side: Points,
    arc: float,
    best: npt.NDArray[np.float32],
    local: list[npt.NDArray[np.float32]],
) -> None:
    """Where this segment is nearer than those before, replace distance and coordinates in place."""
    third = np.cross(along, side)
    s, u, v = turned(axes, np.array([along, side, third]))
    beyond = s - np.clip(s, 0, length)
    distance = beyond**2 + u**2 + v**2
    nearer = distance < best
    best[nearer] = distance[nearer]
    for array, value in zip(local, (arc + s, u, v), strict=True):
        array[nearer] = value[nearer]


def _untwisted(points: Points) -> Points:
    """A unit vector across each segment, carried along the line by projection."""
    steps = np.diff(points, axis=0)
    side = np.eye(3)[np.abs(steps[0]).argmin()]
    sides = []
    for step in steps:
        along = step / np.linalg.norm(step)
        side = side - along * (side @ along)
        side = side / np.linalg.norm(side)
        sides.append(side)
    return np.array(sides)


def walk(
    canvas: Canvas,
    rng: np.random.Generator,
    start: Points,
    *,
    radius: float,
    steps: int,
    step_nm: float,
    bend: float,
    tries: int = 10,
) -> Points:
    """A path over free cytoplasm for a tube of `radius`, at most `steps` from `start` on, bending gently.

    Each step tries `tries` directions that deviate from the last by about `bend` radians, and takes the
    straightest that is free; the path ends where none is. Shape (n, 3) with n >= 1.
    """
    direction = random_direction(rng)
    path = [np.asarray(start, float)]
    for _ in range(steps):
        options = direction + bend * rng.standard_normal((tries, 3))
        options /= np.linalg.norm(options, axis=1, keepdims=True)
        ahead = path[-1] + step_nm * options
        room = canvas.has_room(ahead, radius, outside=False)
        if not room.any():
            break
        best = int(np.argmax(np.where(room, options @ direction, -2)))
        direction = options[best]
        path.append(ahead[best])
    return np.array(path)
