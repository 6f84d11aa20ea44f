"""The organelles of the cytoplasm, largest first; each looks different close up, none by its grey alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from organelle.geometry import Box
from organelle.phantom.canvas import Body, Canvas, Paint, Points, leaf_id
from organelle.phantom.noise import Field, smooth_noise
from organelle.phantom.settings import OrganelleSettings
from organelle.phantom.shapes import (
    ball,
    feels_free,
    random_direction,
    random_rotation,
    tube,
    turned,
    walk,
)
from organelle.phantom.tissue import Nucleus


@dataclass
class Painter:
    """What every organelle needs to be drawn."""

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


def draw_organelles(
    canvas: Canvas,
    nuclei: list[Nucleus],
    settings: OrganelleSettings,
    membrane_nm: float,
    rng: np.random.Generator,
) -> None:
    """Fill the cytoplasm of all cells."""
    volume = float(canvas.free.sum()) * canvas.grid.voxel_volume_nm3 / 1e9
    painter = Painter(canvas, rng, settings, membrane_nm, volume)
    reticulum = np.full(canvas.grid.shape, -np.inf, np.float32)
    _scatter(painter, "golgi", settings.golgi, _golgi, numbered=False)
    _er_sheets(painter, nuclei, reticulum)
    _scatter(painter, "mito", settings.mito, _mitochondrion)
    sites = _exit_sites(painter)
    for name, density, make in (
        ("ld", settings.ld, _lipid_droplet),
        ("lyso", settings.lyso, _lysosome),
        ("endo", settings.endo, _endosome),
        ("perox", settings.perox, _peroxisome),
    ):
        _scatter(painter, name, density, make)
    _microtubules(painter)
    _er_tubes(painter, sites, reticulum)
    _paint_er(painter, reticulum)
    _scatter(painter, "ves", settings.ves, _vesicle)


_TRIES = 250
"""Random places that may be tried per object; most are refused at a glance."""

Make = Callable[[Painter, Points], tuple[Body, Paint] | None]
"""From a free place to a body there and how to paint it, or None when there is visibly no room."""


def _scatter(painter: Painter, name: str, per_um3: float, make: Make, *, numbered: bool = True) -> None:
    """Random places until there are enough objects, or `_TRIES` times as many places were tried."""
    wanted = painter.number(per_um3)
    for _ in range(_TRIES * wanted):
        place = painter.canvas.random_free(painter.rng, name)
        if place is None or wanted == 0:
            return
        made = make(painter, place)
        if made and painter.canvas.fits(made[0]):
            painter.canvas.add(*made, painter.settings.clearance_nm, numbered=numbered)
            wanted -= 1


def _round(painter: Painter, place: Points, low: float, high: float, uneven: float) -> Body | None:
    """An ellipsoid with radii around one drawn between `low` and `high`."""
    radius = painter.rng.uniform(low, high)
    if not feels_free(painter.canvas, place, 0.9 * radius):
        return None
    radii = radius * painter.rng.uniform(1 - uneven, 1 + uneven, 3)
    return ball(painter.canvas, place, list(radii), random_rotation(painter.rng), painter.settings.clearance_nm)


def _skin(painter: Painter, body: Body, name: str) -> npt.NDArray[np.uint8]:
    """Membrane outside, lumen inside."""
    leaf = np.where(body.depth < painter.membrane_nm, leaf_id(f"{name}_mem"), leaf_id(f"{name}_lum"))
    return leaf.astype(np.uint8)


def _lumen(painter: Painter, body: Body, grey: Field | float) -> Field:
    """A grey offset for the lumen only; membranes look the same everywhere."""
    return np.where(body.depth < painter.membrane_nm, 0, grey).astype(np.float32)


def _lipid_droplet(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """Perfectly homogeneous; the thin dark rim is what counts as its membrane."""
    body = _round(painter, place, 80, 125, 0.05)
    grey = painter.rng.uniform(-18, 18)
    return body and (body, lambda b: (_skin(painter, b, "ld"), _lumen(painter, b, grey)))


def _lysosome(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """Dark, filled with coarse grains."""

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        grains = 34 * np.tanh(1.6 * painter.noise(body, 11)) + painter.rng.uniform(-12, 12)
        return _skin(painter, body, "lyso"), _lumen(painter, body, grains)

    body = _round(painter, place, 78, 108, 0.18)
    return body and (body, paint)


def _endosome(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """Bright, with a few tiny vesicles inside."""

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        grey = np.full(body.depth.shape, painter.rng.uniform(-12, 10), np.float32)
        inner = float(body.depth.max(initial=0)) - painter.membrane_nm - 18
        for _ in range(painter.rng.integers(3, 7)):
            centre = max(inner, 0) * painter.rng.uniform(0.2, 1) * random_direction(painter.rng)
            distance = np.sqrt(sum((u - c) ** 2 for u, c in zip(body.local, centre, strict=True)))
            grey[distance < 18] = -75
            grey[distance < 7] = -20
        return _skin(painter, body, "endo"), _lumen(painter, body, grey)

    body = _round(painter, place, 78, 110, 0.14)
    return body and (body, paint)


def _peroxisome(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """An even matrix around a striped crystal."""

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        stripes = 34 * np.sign(np.sin(2 * np.pi * body.local[0] / 32)) - 4
        core = body.depth > painter.membrane_nm + 14
        grey = np.where(core, stripes, 6) + painter.rng.uniform(-10, 10)
        return _skin(painter, body, "perox"), _lumen(painter, body, grey)

    body = _round(painter, place, 66, 90, 0.08)
    return body and (body, paint)


def _vesicle(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """Small and round; every third has a dense core."""
    body = _round(painter, place, 34, 46, 0.05)
    dense = painter.rng.random() < 0.35
    grey = painter.rng.uniform(-10, 10)

    def paint(body: Body) -> tuple[npt.NDArray[np.uint8], Field]:
        core = np.where(body.depth > painter.membrane_nm + 6, -62, 0) if dense else 0
        return _skin(painter, body, "ves"), _lumen(painter, body, core + np.float32(grey))

    return body and (body, paint)


def _golgi(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """Four or five flat cisternae in a bent stack, swollen at their rims."""
    if not feels_free(painter.canvas, place, 110):
        return None
    rng = painter.rng
    count, pitch, half = int(rng.integers(4, 6)), 66.0, 25.0
    radius, bend = rng.uniform(95, 130), rng.uniform(0, 1 / 600)
    size = radius + pitch * count / 2 + 20
    box = painter.canvas.window(place - size, place + size)
    local = turned(painter.canvas.axes(box, tuple(place)), random_rotation(rng))
    out = np.hypot(local[1], local[2])
    height = local[0] - bend * out**2
    depth = np.full(box.shape, -np.inf, np.float32)
    for number in range(count):
        level = (number - (count - 1) / 2) * pitch
        edge = radius * rng.uniform(0.85, 1.05) - half
        disc = half + 4 * np.clip(out / edge, 0, 1) ** 4 - np.hypot(np.maximum(out - edge, 0), height - level)
        depth = np.maximum(depth, disc)
    grey = rng.uniform(-12, 8)
    return Body(box, depth, local), lambda b: (_skin(painter, b, "golgi"), _lumen(painter, b, grey))


def _mitochondrion(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
    """A bent tube, its inner membrane folded into cristae, ribosomes in between."""
    rng = painter.rng
    radius = rng.uniform(72, 94)
    if not feels_free(painter.canvas, place, radius):
        return None
    path = walk(painter.canvas, rng, place, radius=radius, steps=int(rng.integers(5, 13)), step_nm=36, bend=0.16)
    if len(path) < 4:
        return None
    body = tube(painter.canvas, path, radius, painter.settings.clearance_nm)
    return body, lambda b: _paint_mitochondrion(painter, b, radius)


def _paint_mitochondrion(painter: Painter, body: Body, radius: float) -> tuple[npt.NDArray[np.uint8], Field]:
    skin = 1.25 * painter.membrane_nm
    arc, across, _ = body.local
    turn = (arc + 8 * painter.noise(body, 60)) / 58
    side = np.where(np.floor(turn) % 2 == 0, 1, -1)
    fold = (np.abs(turn % 1 - 0.5) * 58 < painter.membrane_nm / 2) & (across * side < 0.4 * radius)
    leaf = np.full(body.depth.shape, leaf_id("mito_lum"), np.uint8)
    leaf[_grains(painter, body, skin + 14, 15.0, 1.1e-5)] = leaf_id("mito_ribo")
    leaf[fold | (body.depth < skin)] = leaf_id("mito_mem")
    grey = np.where(leaf == leaf_id("mito_lum"), painter.rng.uniform(-14, 14), 0)
    return leaf, grey.astype(np.float32)


def _grains(painter: Painter, body: Body, below: float, radius: float, per_nm3: float) -> npt.NDArray[np.bool_]:
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


def _microtubules(painter: Painter) -> None:
    """Long, almost straight pipes."""
    inner, outer = 11.5, 27.0
    wanted = painter.number(painter.settings.mt)
    for _ in range(_TRIES * wanted):
        place = painter.canvas.random_free(painter.rng, "mt")
        if place is None or wanted == 0:
            return
        path = walk(painter.canvas, painter.rng, place, radius=outer, steps=40, step_nm=24, bend=0.05, tries=6)
        if len(path) < 11:
            continue
        body = tube(painter.canvas, path, outer, painter.settings.clearance_nm)
        if painter.canvas.fits(body):
            painter.canvas.add(body, lambda b: (_pipe(b, outer - inner), 0.0), painter.settings.clearance_nm)
            wanted -= 1


def _pipe(body: Body, wall: float) -> npt.NDArray[np.uint8]:
    return np.where(body.depth < wall, leaf_id("mt_out"), leaf_id("mt_in")).astype(np.uint8)


def _er_sheets(painter: Painter, nuclei: list[Nucleus], reticulum: Field) -> None:
    """Patches of a shell 80 nm outside each nucleus, flat bags with round edges."""
    share, half = painter.settings.er_sheets, 26.0
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


def _er_tubes(painter: Painter, sites: list[Points], reticulum: Field) -> None:
    """Winding tubes from exit sites, from other tubes or from anywhere; they may join tubes and sheets."""
    radius, starts = 32.0, list(sites) * 2
    for number in range(painter.number(painter.settings.er_tubes)):
        origin = starts[number % len(starts)] if starts and number < len(starts) else None
        start = painter.canvas.random_free(painter.rng, "er")
        if origin is not None:
            start = origin + 120 * random_direction(painter.rng)
        if start is None or not feels_free(painter.canvas, start, radius):
            continue
        path = walk(painter.canvas, painter.rng, start, radius=radius, steps=26, step_nm=22, bend=0.3)
        if origin is not None and _is_open(painter.canvas, origin, start):
            path = np.vstack([origin, path])
        if len(path) < 4:
            continue
        for first, last in zip(path[:-1], path[1:], strict=True):
            body = tube(painter.canvas, np.array([first, last]), radius, painter.settings.clearance_nm)
            here = body.box.slices()
            np.maximum(reticulum[here], body.depth, out=reticulum[here])
        starts.append(path[-1])


def _is_open(canvas: Canvas, first: Points, last: Points) -> bool:
    """Whether a tube between two places meets nothing but cytosol and its own exit site."""
    body = tube(canvas, np.array([first, last]), 32.0, 0.0)
    leaf = canvas.leaf[body.box.slices()][body.depth > 0]
    return bool(np.isin(leaf, [leaf_id(name) for name in ("cyto", "eres_mem", "eres_lum")]).all())


def _paint_er(painter: Painter, reticulum: Field) -> None:
    inside = (reticulum > 0) & (painter.canvas.leaf == leaf_id("cyto"))
    body = Body(painter.canvas.grid.box, reticulum, (reticulum, reticulum, reticulum))
    painter.canvas.leaf[inside] = _skin(painter, body, "er")[inside]
    painter.canvas.free[reticulum > -painter.settings.clearance_nm] = False


def _exit_sites(painter: Painter) -> list[Points]:
    """Clusters of coated buds; returns their centres, from which tubes of the reticulum go out."""
    centres: list[Points] = []

    def make(painter: Painter, place: Points) -> tuple[Body, Paint] | None:
        if not feels_free(painter.canvas, place, 75):
            return None
        body = _buds(painter, place)
        if not painter.canvas.fits(body):
            return None
        centres.append(place)
        return body, lambda b: _paint_buds(painter, b)

    _scatter(painter, "eres", painter.settings.eres, make, numbered=False)
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
    return _skin(painter, body, "eres"), grey.astype(np.float32)


__all__ = ["Box", "draw_organelles"]
