"""How much a fetch can be at most, from the built-in tables alone; nothing is asked of any server.

The tables do not say where the EM's chunks begin or how large they are, so the chunks are assumed and the
worst place of a crop among them is taken. Bytes count before compression.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from organelle.catalog import Catalog, Crop
from organelle.classes import Kind, kind_of, sort_classes
from organelle.errors import SettingsError
from organelle.fetch.padding import Padding
from organelle.geometry import Nm, Voxels

EM_CHUNKS: Voxels = (128, 128, 128)
LABEL_CHUNKS: Voxels = (64, 64, 64)
LABEL_BYTES = {Kind.SEMANTIC: 1, Kind.INSTANCE: 4}
SLACK = 1e-3
"""Voxel sizes in tables are rounded; a part in a thousand of a voxel makes no voxel more."""


@dataclass(frozen=True, slots=True)
class CropBound:
    """What one crop needs at most, in bytes before compression; chunks that crops share count for each."""

    crop: Crop
    em_bytes: int
    label_bytes: int


def bound_fetch(
    catalog: Catalog,
    crops: str | int | Iterable[str | int] = "all",
    *,
    padding_voxels: int = 0,
    padding_nm: float = 0.0,
    all_resolutions: bool = False,
    classes: Iterable[str] | None = None,
    em_chunks: Voxels = EM_CHUNKS,
    label_chunks: Voxels = LABEL_CHUNKS,
) -> tuple[CropBound, ...]:
    """Upper bounds of what `plan_fetch` lists, per crop, with EM and label chunks of the shapes assumed.

    EM counts one byte per voxel, labels one (semantic) or four (instances), with all their levels.

    Raises:
        SettingsError: the padding is negative, or the table lacks voxel size or extent of the EM.
    """
    padding = Padding(padding_voxels, padding_nm)
    wanted = None if classes is None else sort_classes(classes)
    bounds = []
    for crop in catalog.select(crops):
        sizes = list(_level_sizes(catalog, crop, em_chunks, all_resolutions=all_resolutions))
        reach = padding.reach_nm(sizes[0])
        names = [] if crop.is_test else [n for n in crop.classes if wanted is None or n in wanted]
        em = sum(_em_bytes(crop, size, reach, em_chunks) for size in sizes)
        labels = sum(LABEL_BYTES[kind_of(n)] for n in names) * _label_voxels(crop, label_chunks)
        bounds.append(CropBound(crop, em, labels))
    return tuple(bounds)


def _level_sizes(catalog: Catalog, crop: Crop, chunks: Voxels, *, all_resolutions: bool) -> Iterator[Nm]:
    """Voxel sizes of the EM levels that are taken: halved resolution until one chunk holds everything."""
    dataset = catalog.datasets[crop.dataset]
    if dataset.em_voxel_size_nm is None or dataset.extent_um_xyz is None:
        raise SettingsError(
            f"the table does not say the EM's voxel size and extent of {crop.dataset}; plan from its source"
        )
    extent_nm = [1000 * n for n in reversed(dataset.extent_um_xyz)]
    z, y, x = dataset.em_voxel_size_nm
    levels = [(z, y, x)]
    while any(e > v * c for e, v, c in zip(extent_nm, levels[-1], chunks, strict=True)):
        z, y, x = levels[-1]
        levels.append((2 * z, 2 * y, 2 * x))
    fine = [k for k, size in enumerate(levels) if _not_coarser(size, crop.voxel_size_nm)]
    yield from levels if all_resolutions else levels[max(fine, default=0) :]


def _not_coarser(size: Nm, wanted: Nm) -> bool:
    return all(s <= w * (1 + 1e-4) for s, w in zip(size, wanted, strict=True))


def _em_bytes(crop: Crop, size: Nm, reach: Sequence[float], chunks: Voxels) -> int:
    """A row of n voxels that begins anywhere touches at most ceil((n - 1) / c) + 1 chunks of c voxels."""
    lengths = [n + 2 * r for n, r in zip(crop.extent.shape_nm, reach, strict=True)]
    voxels = [math.ceil(n / v - SLACK) + 1 for n, v in zip(lengths, size, strict=True)]
    touched = [math.ceil((n - 1) / c) + 1 for n, c in zip(voxels, chunks, strict=True)]
    return math.prod(touched) * math.prod(chunks)


def _label_voxels(crop: Crop, chunks: Voxels) -> int:
    """Voxels of all levels of one class, in whole chunks."""
    shape, total = list(crop.grid.shape), 0
    while True:
        total += math.prod(-(-n // c) * c for n, c in zip(shape, chunks, strict=True))
        if all(n <= c for n, c in zip(shape, chunks, strict=True)):
            return total
        shape = [-(-n // 2) for n in shape]
