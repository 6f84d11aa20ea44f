"""A synthetic cell: tissue with known truth for all scored classes, in the layout of the bucket.

Everything is drawn from implicit shapes in nanometres on whatever grid is asked for. Proportions are those
of a toy: cells are ten times too small, and membranes (16 nm), pores and microtubules are thick enough for
voxels of 8 nm, where a membrane spans two voxels and the channel of a microtubule (23 nm) about three.
Grey values alone tell little: all membranes share one, and lumina overlap; what tells classes apart is
texture, shape and neighbourhood.
"""

from organelle.phantom.annotate import Specimen
from organelle.phantom.crops import CropPlan, plan_crops
from organelle.phantom.draw import Phantom, draw_phantom
from organelle.phantom.settings import (
    MicroscopeSettings,
    OrganelleSettings,
    PhantomSettings,
    TissueSettings,
)
from organelle.phantom.write import write_phantom

__all__ = [
    "CropPlan",
    "MicroscopeSettings",
    "OrganelleSettings",
    "Phantom",
    "PhantomSettings",
    "Specimen",
    "TissueSettings",
    "draw_phantom",
    "plan_crops",
    "write_phantom",
]
