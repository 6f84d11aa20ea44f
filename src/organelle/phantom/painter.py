"""How every organelle is drawn: find a place, shape a body, see whether it fits, paint it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from organelle.phantom.canvas import Body, Canvas, Paint, Points, leaf_id
from organelle.phantom.noise import Field, smooth_noise
from organelle.phantom.settings import OrganelleSettings

_TRIES = 1500
"""Random places per object that is wanted; most are refused at a glance."""


@dataclass
class Painter:
    """What every organelle needs to be drawn; `volume_um3` is that of the free cytoplasm at the start."""

    canvas: Canvas
    rng: np.random.Generator
    settings: OrganelleSettings
    membrane_nm: float
    volume_um3: float

    def number(self, per_um3: float) -> int:
        """How many objects a density asks for; at least one where it is positive."""
        return max(1, round(per_um3 * self.volume_um3)) if per_um3 > 0 else 0

    def noise(self, body: Body, grain_nm: float) -> Field:
        """Smooth noise in a body's window."""
        return smooth_noise(self.rng, body.depth.shape, grain_nm, self.canvas.grid.voxel_size_nm)

    def skin(self, body: Body, name: str) -> npt.NDArray[np.uint8]:
        """Leaf classes of a body with a membrane outside and a lumen inside."""
        leaf = np.where(body.depth < self.membrane_nm, leaf_id(f"{name}_mem"), leaf_id(f"{name}_lum"))
        return leaf.astype(np.uint8)

    def lumen(self, body: Body, grey: npt.ArrayLike) -> Field:
        """A grey offset for the lumen only; membranes look the same everywhere."""
        return np.where(body.depth < self.membrane_nm, 0, grey).astype(np.float32)


Make = Callable[[Painter, Points], tuple[Body, Paint] | None]
"""From a free place to a body there and how to paint it, or None when there is no room."""


def scatter(
    painter: Painter, name: str, per_um3: float, radius: float, make: Make, *, numbered: bool = True
) -> None:
    """Bodies at random places with room for a ball of `radius`, until there are enough or tries run out."""
    wanted = painter.number(per_um3)
    for place in painter.canvas.places(painter.rng, name, radius, _TRIES * wanted):
        made = make(painter, place)
        if made and painter.canvas.fits(made[0]):
            painter.canvas.add(*made, painter.settings.clearance_nm, numbered=numbered)
            wanted -= 1
            if wanted == 0:
                return
