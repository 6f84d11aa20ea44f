"""Electron microscopy as a network wants it: on the model's lattice, normalised, 0 where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Extent, Nm, Voxels
from organelle.models import ModelSpec, Normalisation
from organelle.models.context import context_size_nm, context_steps
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
        self._gaps: dict[Voxels, NDArray[np.bool_]] = {}

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

    def gaps(self, box: Box) -> NDArray[np.bool_] | None:
        """Where in `box`, which must have been read, there is no EM; None where there is EM everywhere."""
        touched = [
            Box(start, TILE) for start in list(self._gaps) if not Box(start, TILE).intersect(box).is_empty
        ]
        if not touched:
            return None
        missing = np.zeros(box.shape, bool)
        for tile in touched:
            part = tile.intersect(box)
            missing[part.slices(box.start)] = self._gaps[tile.start][part.slices(tile.start)]
        return missing if missing.any() else None

    def forget(self) -> None:
        """Let go of what was read."""
        self._tiles, self._gaps = {}, {}

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
        if not block.present.all():
            em[~block.present] = 0
            self._gaps[tile.start] = ~block.present
        return em

    def _stored(self, extent: Extent) -> Box:
        """The stored voxels that an extent touches; they may lie outside of the EM."""
        return self._source.grid.box_of(extent, snap="outer")


class PatchEM:
    """Reads what a network is shown: patches of EM, and of their surroundings where the spec wants them.

    Args:
        image: the EM of one dataset.
        spec: voxel size, normalisation and context.

    Attributes:
        fine: EM at the model's voxel size; its lattice is that of the boxes.
        context: EM at the voxel size of each context, and the steps between the two lattices.

    Raises:
        GridMismatch: the EM is far too coarse for the model.
    """

    def __init__(self, image: Multiscale, spec: ModelSpec) -> None:
        self.fine = ModelEM(image, spec.voxel_size_nm, spec.normalisation)
        self.context = tuple(
            (
                ModelEM(image, context_size_nm(spec.voxel_size_nm, times), spec.normalisation),
                context_steps(spec.voxel_size_nm, times),
            )
            for times in spec.context
        )

    def blank_at_nm(self, extent: Extent) -> Nm | None:
        """The first voxel size at which no EM at all is stored in `extent`."""
        images = (self.fine, *(em for em, _ in self.context))
        return next((em.lattice.voxel_size_nm for em in images if em.is_blank(extent)), None)

    def patches(self, boxes: Sequence[Box]) -> Iterator[NDArray[np.float32]]:
        """For each box: (image, z, y, x), see `ReadPatches`; the box around all of them is read now."""
        if not boxes:
            return iter(())
        wanted = [(self.fine, list(boxes))]
        wanted += [(em, [context_box(box, steps) for box in boxes]) for em, steps in self.context]
        hulls = [parts[0].union(parts[-1]) for _, parts in wanted]
        layers = [em(hull) for (em, _), hull in zip(wanted, hulls, strict=True)]

        def stacked(seen: Sequence[Box]) -> NDArray[np.float32]:
            cuts = (b.slices(hull.start) for b, hull in zip(seen, hulls, strict=True))
            return np.stack([layer[cut] for layer, cut in zip(layers, cuts, strict=True)])

        return map(stacked, zip(*(parts for _, parts in wanted), strict=True))


def context_box(box: Box, steps: Voxels) -> Box:
    """The box of as many voxels of the context about the centre of `box`, on the context's lattice.

    An axis of size 1 takes the plane that `box` lies in. On the others sizes are multiples of twice the
    step and starts multiples of the step, as `check_context` ascertains.
    """
    z, y, x = (
        a // g if n == 1 else (a + n // 2) // g - n // 2
        for a, n, g in zip(box.start, box.shape, steps, strict=True)
    )
    return Box((z, y, x), box.shape)
