"""Electron microscopy as a network wants it: on the model's lattice, normalised, 0 where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Extent, Nm, Voxels
from organelle.models import Normalisation
from organelle.sampling import model_lattice, read_em
from organelle.volumes import Multiscale

TILE: Voxels = (64, 64, 64)
"""EM is read and resampled in tiles of the model's lattice, so that no voxel's value depends on the box
that asked for it (interpolation counted from another origin may round differently)."""


class ModelEM:
    """Reads boxes of the model's lattice as normalised float32; 0 (the mean) where there is no EM.

    The tiles of the last box are kept, since the next one usually overlaps it.

    Args:
        image: the EM of one dataset.
        voxel_size_nm: of the model.
        normalisation: of the model.

    Attributes:
        lattice: the dataset's whole extent at the model's voxel size; its first voxel is voxel 0 of the
            patch grid.

    Raises:
        GridMismatch: the EM is far too coarse for the model.
    """

    def __init__(self, image: Multiscale, voxel_size_nm: Nm, normalisation: Normalisation) -> None:
        self.lattice = model_lattice(image, voxel_size_nm)
        self._image = image
        self._source = image.level(voxel_size_nm) or image.nearest_level(voxel_size_nm)
        self._normalisation = normalisation
        self._tiles: dict[Voxels, NDArray[np.float32]] = {}

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """The voxels of `box` (z, y, x), which may reach outside of the EM."""
        out = np.empty(box.shape, np.float32)
        touched: dict[Voxels, NDArray[np.float32]] = {}
        for tile in box.snap(TILE).tiles(TILE):
            kept = self._tiles.get(tile.start)
            touched[tile.start] = values = self._read(tile) if kept is None else kept
            part = tile.intersect(box)
            out[part.slices(box.start)] = values[part.slices(tile.start)]
        self._tiles = touched
        return out

    def is_blank(self, extent: Extent) -> bool:
        """Whether no EM at all is stored in `extent`."""
        return self._source.is_blank(self._stored(extent))

    def missing_fraction(self, extent: Extent) -> float:
        """The share of `extent` that lies outside of the EM or in chunks that are not stored."""
        box = self._stored(extent)
        if self._source.is_complete(box):
            return 0.0
        known = sum(int(self._source.present(part).sum()) for part in box.tiles(TILE))
        return 1 - known / box.size

    def _read(self, tile: Box) -> NDArray[np.float32]:
        block = read_em(self._image, self.lattice, tile)
        em = self._normalisation(block.values)
        em[~block.present] = 0
        return em

    def _stored(self, extent: Extent) -> Box:
        """The stored voxels that an extent touches; they may lie outside of the EM."""
        return self._source.grid.box_of(extent, snap="outer")
