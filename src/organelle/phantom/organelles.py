"""The organelles of the cytoplasm, large ones first; what tells them apart is look, not grey."""

from __future__ import annotations

import numpy as np

from organelle.phantom.canvas import Canvas, Points
from organelle.phantom.golgi import golgi_stack
from organelle.phantom.microtubules import OUTER_NM, microtubule
from organelle.phantom.mitochondria import mitochondrion
from organelle.phantom.nuclei import Nucleus
from organelle.phantom.painter import Painter, scatter
from organelle.phantom.reticulum import er_sheets, er_tubes, exit_sites, paint_er
from organelle.phantom.settings import OrganelleSettings
from organelle.phantom.vesicles import endosome, lipid_droplet, lysosome, peroxisome, vesicle

_ROUNDS = 3
"""The round ones take turns, so that none is crowded out by those before it."""


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
    scatter(painter, "golgi", settings.golgi, 110, golgi_stack, numbered=False)
    er_sheets(painter, nuclei, reticulum)
    scatter(painter, "mito", settings.mito, 75, mitochondrion)
    sites: list[Points] = []
    for _ in range(_ROUNDS):
        sites += exit_sites(painter, settings.eres / _ROUNDS)
        scatter(painter, "endo", settings.endo / _ROUNDS, 64, endosome)
        scatter(painter, "lyso", settings.lyso / _ROUNDS, 64, lysosome)
        scatter(painter, "ld", settings.ld / _ROUNDS, 68, lipid_droplet)
        scatter(painter, "perox", settings.perox / _ROUNDS, 62, peroxisome)
    scatter(painter, "mt", settings.mt, OUTER_NM, microtubule)
    er_tubes(painter, sites, reticulum)
    paint_er(painter, reticulum)
    scatter(painter, "ves", settings.ves, 36, vesicle)
