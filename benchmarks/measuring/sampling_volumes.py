"""EM of 512 x 512 x 512 voxels and six crops of ten classes, in the bucket's layout.

The tissue is that of a phantom, continued beyond its faces by its mirror image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from organelle.catalog import Catalog, Crop, Dataset, em_folder, label_path, write_tables
from organelle.classes import Kind
from organelle.geometry import Box, Grid
from organelle.phantom import PhantomSettings, Specimen, draw_phantom
from organelle.volumes import write_labels, write_multiscale

CLASSES = ("pm", "mito", "er", "nuc", "golgi", "ves", "endo", "lyso", "ld", "mt")
DATASET = "drawn"
EM_EDGE, CROP_EDGE = 512, 192
STARTS = ((40, 40, 40), (40, 40, 280), (40, 280, 40), (280, 40, 40), (280, 280, 40), (280, 280, 280))
"""First voxels of the crops, counted in the EM."""


def draw_volumes(folder: Path, seed: int) -> Catalog:
    """Write EM and labels below `folder` and the tables into it."""
    phantom = draw_phantom(PhantomSettings(), seed=seed)
    grid = Grid(phantom.em_grid.voxel_size_nm, (0.0, 0.0, 0.0), (EM_EDGE,) * 3)
    whole = Box((0, 0, 0), grid.shape)
    em = phantom.em[mirrored(whole, phantom.em.shape)]
    write_multiscale(em_folder(folder, DATASET), em, grid, kind=Kind.IMAGE, levels=3)
    boxes = {n: Box(start, (CROP_EDGE,) * 3) for n, start in enumerate(STARTS, 1)}
    crops = {n: Crop(n, DATASET, grid.subgrid(box), CLASSES) for n, box in boxes.items()}
    for number, crop in crops.items():
        specimen = cut(phantom.specimen, boxes[number], crop.grid)
        for name in CLASSES:
            write_labels(label_path(folder, crop, name), specimen.annotation(name), crop.grid, name, levels=2)
    catalog = Catalog("drawn", {DATASET: Dataset(DATASET)}, crops, {})
    write_tables(catalog, folder)
    return catalog


def cut(specimen: Specimen, box: Box, grid: Grid) -> Specimen:
    """The part of the continued tissue that lies in `box`."""
    here = mirrored(box, specimen.grid.shape)
    arrays = (specimen.leaf, specimen.cell, specimen.object, specimen.unclear)
    return Specimen(grid, *(array[here] for array in arrays))


def mirrored(box: Box, shape: tuple[int, ...]) -> tuple[np.ndarray[Any, np.dtype[np.intp]], ...]:
    """Indices of `box` into arrays of `shape`, which run up and down beyond their ends."""
    axes = []
    for start, length, n in zip(box.start, box.shape, shape, strict=True):
        place = (start + np.arange(length)) % (2 * n)
        axes.append(np.minimum(place, 2 * n - 1 - place))
    return np.ix_(*axes)
