"""From tissue to the grey values of a FIB-SEM: stain, texture, blur, shading, drift, noise."""

from __future__ import annotations

import numpy as np

from organelle.geometry import Grid, Nm
from organelle.phantom.canvas import Canvas, leaf_id
from organelle.phantom.noise import Field, smooth_noise
from organelle.phantom.settings import MicroscopeSettings

# Leaf class: mean grey, then how strongly it is grained at 7, 16 and 36 nm.
# All membranes share one dark grey; the lumina overlap widely.
_STAIN = """
ecs        168  8  8  6
pm          74  3  3  3
mito_mem    74  3  3  3
mito_lum   120 11  6  3
mito_ribo   66  3  3  0
golgi_mem   74  3  3  3
golgi_lum  118 15  4  2
ves_mem     74  3  3  3
ves_lum    156  3  3  0
endo_mem    74  3  3  3
endo_lum   164  3  3  4
lyso_mem    74  3  3  3
lyso_lum    98  4  4  3
ld_mem      74  3  3  3
ld_lum     120  0  0  1
er_mem      74  3  3  3
er_lum     158  3  3  3
eres_mem    84  3  3  3
eres_lum   132  3  3  3
ne_mem      74  3  3  3
ne_lum     156  3  3  3
np_out      88  4  3  3
np_in      118  6  3  2
hchrom      94 22  5  3
echrom     122  3 22  4
nucpl      148  2  3  4
mt_out      80  3  3  3
mt_in      126  3  3  0
cyto       142 14 10  4
perox_mem   74  3  3  3
perox_lum  114  2  2  2
"""
_GRAINS_NM = (7.0, 16.0, 36.0)


def take_picture(canvas: Canvas, settings: MicroscopeSettings, rng: np.random.Generator) -> Field:
    """Grey values without shot noise on the canvas's grid, roughly 0 to 255, blurred by the optics."""
    from scipy.ndimage import gaussian_filter

    size = canvas.grid.voxel_size_nm
    table = np.zeros((256, 1 + len(_GRAINS_NM)), np.float32)
    for line in _STAIN.strip().splitlines():
        name, *numbers = line.split()
        table[leaf_id(name)] = [float(n) for n in numbers]
    grey = table[:, 0][canvas.leaf] + canvas.structure
    for column, grain in enumerate(_GRAINS_NM, start=1):
        texture = smooth_noise(rng, canvas.grid.shape, grain, size)
        if column == 1:
            grey -= np.where(canvas.leaf == leaf_id("cyto"), 60 * np.clip(texture - 0.7, 0, 1.3), 0)
        grey += table[:, column][canvas.leaf] * texture
    return gaussian_filter(grey, [settings.blur_nm / v for v in size], mode="nearest", truncate=3.0)


def develop(grey: Field, grid: Grid, settings: MicroscopeSettings, rng: np.random.Generator) -> Field:
    """Shading, drift, sudden steps and shot noise on the EM's own grid; the caller rounds and clips."""
    slices = grid.shape[0]
    gain = 1 + settings.drift * _along_z(rng, grid, 60.0)
    edges = rng.random(slices) < grid.voxel_size_nm[0] / settings.steps_nm
    level = (rng.normal(0, 7, slices) * edges).cumsum()
    level -= level.mean()
    level = 6 * np.tanh(level / 6)
    shaded = 118 + (grey - 118) * gain[:, None, None].astype(np.float32)
    shaded += level[:, None, None].astype(np.float32)
    shaded += settings.shading * smooth_noise(rng, grid.shape, 420.0, grid.voxel_size_nm)
    noise = rng.standard_normal(grid.shape, dtype=np.float32)
    noise *= settings.noise * np.sqrt(np.maximum(shaded, 20) / 128)
    shaded += noise
    return shaded


def _along_z(rng: np.random.Generator, grid: Grid, grain_nm: float) -> Field:
    """Smooth noise along z."""
    line = smooth_noise(rng, (grid.shape[0], 1, 1), grain_nm, (grid.voxel_size_nm[0], 1e9, 1e9))
    return line[:, 0, 0]


def smudge(grey: Field, distance: Field, radius_nm: float, size: Nm) -> Field:
    """A window of grey with everything within a distance of 1 blurred beyond recognition."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(grey, [radius_nm / 2 / v for v in size], mode="nearest", truncate=2.0)
    weight = np.clip((1.2 - distance) / 0.2, 0, 1)
    result: Field = (grey + weight * (blurred - grey)).astype(np.float32)
    return result
