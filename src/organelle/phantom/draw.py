"""The whole specimen and its picture, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from organelle.errors import require_module
from organelle.geometry import Grid, Nm
from organelle.phantom.annotate import Specimen
from organelle.phantom.canvas import Canvas
from organelle.phantom.cells import draw_cells
from organelle.phantom.crops import CropPlan, barren_places, plan_crops, smudge_places
from organelle.phantom.microscope import develop, smudge, take_picture
from organelle.phantom.noise import Field
from organelle.phantom.nuclei import draw_nuclei
from organelle.phantom.organelles import draw_organelles
from organelle.phantom.settings import PhantomSettings


@dataclass(frozen=True)
class Phantom:
    """Synthetic tissue with its EM.

    Attributes:
        em: Grey values, uint8.
        em_grid: Where they lie.
        specimen: What is where, on the label grid: the EM's, or twice as fine.
        crops: Which parts are annotated.
    """

    em: npt.NDArray[np.uint8]
    em_grid: Grid
    specimen: Specimen
    crops: tuple[CropPlan, ...]

    def crop(self, plan: CropPlan) -> Specimen:
        """The specimen of one crop."""
        return self.specimen.cut(self.specimen.grid.box_of(self.em_grid.extent_of(plan.box)))


def draw_phantom(
    settings: PhantomSettings | None = None, *, seed: int = 0, plans: Sequence[CropPlan] | None = None
) -> Phantom:
    """Draw tissue and EM; the same settings, seed and plans give the same voxels.

    Tissue, organelles and microscope draw from generators of their own, so that changing the noise does
    not move a vesicle. The default takes about half a minute on one core, `PhantomSettings.tiny()` about two
    seconds.

    Args:
        settings: Sizes and numbers.
        seed: Of all that is drawn by chance.
        plans: The crops, as boxes on the lattice of the coarsest label level; default: those of `plan_crops`.

    Raises:
        SettingsError: the volume is too small for its crops.
    """
    settings = settings or PhantomSettings()
    require_module("scipy", "score")
    plans = plan_crops(settings) if plans is None else tuple(plans)
    em_grid = Grid(settings.voxel_size_nm, (0.0, 0.0, 0.0), settings.shape)
    fineness = settings.label_fineness
    z, y, x = (v / fineness for v in settings.voxel_size_nm)
    canvas = Canvas(em_grid.rescaled((z, y, x)), barren=barren_places(plans, em_grid))
    tissue, organelles, microscope, smudges = np.random.default_rng(seed).spawn(4)
    nuclei = draw_nuclei(canvas, draw_cells(canvas, settings.tissue, tissue), settings.tissue, tissue)
    draw_organelles(canvas, nuclei, settings.organelles, settings.tissue.membrane_nm, organelles)
    grey = take_picture(canvas, settings.microscope, microscope)
    unclear = np.zeros(canvas.grid.shape, bool)
    radius = settings.microscope.smudge_radius_nm
    for place in smudge_places(plans, em_grid, smudges).values():
        _smudge(canvas, grey, unclear, place, radius)
    grey = develop(_binned(grey, fineness), em_grid, settings.microscope, microscope)
    em = np.clip(np.rint(grey), 1, 255).astype(np.uint8)
    specimen = Specimen(canvas.grid, canvas.leaf, canvas.cell, canvas.object, unclear)
    return Phantom(em, em_grid, specimen, plans)


def _smudge(canvas: Canvas, grey: Field, unclear: npt.NDArray[np.bool_], place: Nm, radius: float) -> None:
    """Blur the EM around a place and mark it as unclear."""
    if radius == 0:
        return
    reach = 1.3 * radius
    box = canvas.window([c - reach for c in place], [c + reach for c in place])
    z, y, x = canvas.axes(box, place)
    distance = np.sqrt(z**2 + y**2 + x**2)
    grey[box.slices()] = smudge(grey[box.slices()], distance / radius, radius, canvas.grid.voxel_size_nm)
    unclear[box.slices()] |= distance < radius


def _binned(grey: Field, factor: int) -> Field:
    """Mean over cubes of `factor` voxels a side."""
    if factor == 1:
        return grey
    z, y, x = (n // factor for n in grey.shape)
    binned: Field = grey.reshape(z, factor, y, factor, x, factor).mean(axis=(1, 3, 5))
    return binned
