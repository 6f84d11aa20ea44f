"""Which parts of the tissue become crops, and what is annotated there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from organelle.classes import scored_classes, sort_classes
from organelle.errors import SettingsError
from organelle.geometry import Box, Extent, Grid
from organelle.phantom.settings import PhantomSettings


@dataclass(frozen=True)
class CropPlan:
    """A crop before it is drawn.

    Attributes:
        number: Of the crop.
        box: Voxels of the EM.
        is_test: Whether its labels become the truth, or training labels.
        lacks: Organelles that are not drawn in it: annotated, and really absent.
        classes: Those that are annotated, in the order of the table.
    """

    number: int
    box: Box
    classes: tuple[str, ...]
    is_test: bool = False
    lacks: tuple[str, ...] = ()


def plan_crops(settings: PhantomSettings) -> tuple[CropPlan, ...]:
    """Four columns along z, apart in y and x: two training crops, two short ones, and the test crop.

    Faces lie on the lattice of the coarsest label level, so that the levels of EM and labels coincide.
    The two short crops share a column: one lacks lipid droplets and the annotation of microtubules, the
    other, without the ribosomes in mitochondria, is meant for validation.

    Raises:
        SettingsError: the volume is too small for crops of 16 voxels and the gaps between them.
        ClassNotFound: the settings name an unknown class.
    """
    unit = 2 ** (settings.label_levels - 1)
    margin, gap = (-(-n // unit) * unit for n in (settings.margin_voxels, settings.gap_voxels))
    depth, *across = settings.shape
    long = (depth - 2 * margin) // unit * unit
    short, height, width = ((n - 2 * margin - gap) // (2 * unit) * unit for n in (depth, *across))
    if min(short, height, width) < 16:
        smallest = 2 * margin + gap + 2 * max(16, unit)
        raise SettingsError(
            f"a phantom of {settings.shape} voxels holds no four crops with {gap} voxels between them; "
            f"take at least {smallest} voxels per axis"
        )
    far_z, far_y, far_x = (margin + n + gap for n in (short, height, width))
    test = max(16, long * 4 // 5 // unit * unit)
    classes = sort_classes(settings.classes) or tuple(c.name for c in scored_classes())
    without_mt = tuple(n for n in classes if n not in ("mt", "mt_out", "mt_in", "er_mem_all"))
    without_ribo = tuple(n for n in classes if n != "mito_ribo")
    return (
        CropPlan(11, Box((margin, margin, margin), (long, height, width)), classes),
        CropPlan(12, Box((margin, margin, far_x), (long, height, width)), classes),
        CropPlan(13, Box((margin, far_y, margin), (short, height, width)), without_mt, lacks=("ld",)),
        CropPlan(14, Box((far_z, far_y, margin), (short, height, width)), without_ribo),
        CropPlan(21, Box((margin, far_y, far_x), (test, height, width)), classes, is_test=True),
    )


def barren_places(plans: tuple[CropPlan, ...], grid: Grid) -> dict[str, list[Extent]]:
    """Per organelle where none may be centred: the crops that lack it and 150 nm around."""
    places: dict[str, list[Extent]] = {}
    for plan in plans:
        for name in plan.lacks:
            places.setdefault(name, []).append(grid.extent_of(plan.box).grow((150.0, 150.0, 150.0)))
    return places


def smudge_places(
    plans: tuple[CropPlan, ...], grid: Grid, rng: np.random.Generator
) -> dict[int, tuple[float, float, float]]:
    """For each crop the centre, in nm, of the place where nothing can be recognised."""
    places = {}
    for plan in plans:
        extent = grid.extent_of(plan.box)
        z, y, x = (
            a + n * rng.uniform(0.3, 0.7) for a, n in zip(extent.start_nm, extent.shape_nm, strict=True)
        )
        places[plan.number] = (float(z), float(y), float(x))
    return places
