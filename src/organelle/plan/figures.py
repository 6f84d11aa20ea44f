"""How thick and how frequent a class is, from a bounded look at its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import median

import numpy as np

from organelle.catalog import Crop, label_path
from organelle.geometry import Box, Nm, Voxels
from organelle.plan.thickness import median_thickness, weighted_median
from organelle.stores import Place
from organelle.volumes import LabelEncoding, Multiscale, Volume, open_multiscale, read_encoding

LOOKED_AT = 40
"""Crops per class whose statistics are read, spread over the datasets."""
MEASURED = 4
"""Crops per class in which its thickness is measured."""
BLOCK: Voxels = (128, 128, 128)
"""Most voxels of one level that are read of a crop."""
ENOUGH = 4.0
"""A level is fine enough to measure on when the class is so many of its voxels thick."""


@dataclass(frozen=True)
class ClassFigures:
    """A class in the crops of one form.

    Attributes:
        name: the class.
        thickness_nm: median over its voxels, see `median_thickness`.
        share: of the known voxels, where it is present.
        label_nm: in-plane voxel size of its finest labels.
        crops: in how many it is annotated.
    """

    name: str
    thickness_nm: float
    share: float
    label_nm: float
    crops: int


def in_plane(voxel_size_nm: Sequence[float]) -> float:
    """The middle one of three voxel sides: what one means by "8 nm" where they differ."""
    return float(median(voxel_size_nm))


def class_figures(data: Place | str, name: str, crops: Sequence[Crop]) -> ClassFigures | None:
    """What is known of a class in the crops that annotate it; None when it is present nowhere.

    Read are the statistics of at most `LOOKED_AT` crops, and of `MEASURED` of them one `BLOCK` of each stored
    label level, from the coarsest down, until the class is `ENOUGH` voxels thick.
    """
    annotated = [crop for crop in crops if name in crop.classes]
    known = present = 0
    thickness: list[tuple[float, int]] = []
    finest = []
    for crop in _spread(annotated)[:LOOKED_AT]:
        image = open_multiscale(label_path(data, crop, name))
        here, sure = _counts(image, name)
        known, present = known + sure, present + here
        finest.append(in_plane(image.levels[0].grid.voxel_size_nm))
        if here and len(thickness) < MEASURED:
            thickness.append((_thickness(image, name), here))
    if not present:
        return None
    met = [pair for pair in thickness if pair[0]] or thickness  # a block may miss a rare class
    typical = weighted_median(*zip(*met, strict=True))
    return ClassFigures(name, typical, present / known, min(finest), len(annotated))


def _spread(crops: Sequence[Crop]) -> list[Crop]:
    """One crop of each dataset, then another of each, and so on."""
    datasets: dict[str, list[Crop]] = {}
    for crop in crops:
        datasets.setdefault(crop.dataset, []).append(crop)
    return [crop for turn in zip_longest(*datasets.values()) for crop in turn if crop is not None]


def _counts(image: Multiscale, name: str) -> tuple[int, int]:
    """Voxels of the finest level, present and known: its statistics, else from a block of the coarsest."""
    level = image.levels[0]
    annotation = level.attributes.get("cellmap", {}).get("annotation", {})
    counts = annotation.get("complement_counts") or {}
    if "absent" in counts:
        known = level.grid.box.size - int(counts.get("unknown") or 0)
        return known - int(counts["absent"]), known
    coarse = image.levels[-1]
    labels = coarse.read(_block(coarse, None))
    encoding = read_encoding(image, coarse, name)
    scale = level.grid.box.size / max(1, labels.size)
    return round(encoding.present(labels).sum() * scale), round(encoding.known(labels).sum() * scale)


def _thickness(image: Multiscale, name: str) -> float:
    """Measured on the coarsest level that is fine enough, else on the finest; 0 where it is not met."""
    found, centre = 0.0, None
    for level in reversed(image.levels):
        encoding: LabelEncoding = read_encoding(image, level, name)
        box = _block(level, centre)
        mask = encoding.present(level.read(box))
        if not mask.any():
            continue
        places = np.argwhere(mask)
        z, y, x = (int(a) + s for a, s in zip(places[len(places) // 2], box.start, strict=True))
        centre = level.grid.to_nm((z, y, x))
        found = median_thickness(mask, level.grid.voxel_size_nm)
        if found >= ENOUGH * in_plane(level.grid.voxel_size_nm):
            break
    return found


def _block(level: Volume, centre_nm: Nm | None) -> Box:
    """At most `BLOCK` of a level, around a place or in its middle."""
    shape = [min(n, b) for n, b in zip(level.shape, BLOCK, strict=True)]
    middle = [n / 2 for n in level.shape] if centre_nm is None else level.grid.to_index(centre_nm)
    start = [min(max(0, round(m - s / 2)), n - s) for m, s, n in zip(middle, shape, level.shape, strict=True)]
    return Box.between(start, [a + s for a, s in zip(start, shape, strict=True)])
