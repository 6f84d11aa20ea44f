"""What nothing, and what a grey value alone, is worth on the same test crops, by the same scorer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Catalog, Crop, em_path, label_path, processed_path
from organelle.classes import Kind, kind_of
from organelle.demo.thresholds import Example, GreyThreshold, best_threshold
from organelle.errors import FormatError
from organelle.evaluate import Result, evaluate
from organelle.geometry import Grid
from organelle.metrics import connected_components
from organelle.pack import pack
from organelle.progress import track
from organelle.volumes import Multiscale, open_multiscale, read_encoding, resample, write_multiscale

Thresholds = Mapping[tuple[str, str], GreyThreshold]
"""The threshold of each (dataset, class)."""


def score_nothing(catalog: Catalog, truth: Path, work: Path) -> Result:
    """Pack a submission in which every row is empty, and score it."""
    for crop, name in catalog.rows():
        empty = np.zeros(crop.grid.shape, np.uint8)
        path = processed_path(work / "nothing", crop, name)
        write_multiscale(path, empty, crop.grid, kind=kind_of(name), overwrite=True)
    return _pack_and_score(catalog, truth, work / "nothing")


def score_thresholds(catalog: Catalog, data: Path, truth: Path, work: Path) -> tuple[Result, Thresholds]:
    """Choose a grey threshold per dataset and class on the training crops, and score it on the test crops."""
    place = work / "threshold"
    wanted = sorted({(crop.dataset, name) for crop, name in catalog.rows()})
    chosen = {
        (dataset, name): _choose(catalog, data, dataset, name)
        for dataset, name in track(wanted, "choosing grey thresholds")
        if _annotated(catalog, dataset, name)
    }
    for crop, name in track(catalog.rows(), "applying grey thresholds"):
        if (crop.dataset, name) in chosen:
            _apply(chosen[crop.dataset, name], data, crop, name, place)
    return _pack_and_score(catalog, truth, place), chosen


def grey_values(image: Multiscale, grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The EM on the voxels of `grid`, and where it is stored.

    Raises:
        FormatError: the EM is not 8-bit, so that it has no 256 grey values to choose from.
    """
    level = image.nearest_level(grid.voxel_size_nm)
    if level.dtype != np.uint8:
        raise FormatError(f"{level.path} holds {level.dtype}; the grey-value baseline needs 8-bit EM")
    margin = [2 * v for v in level.grid.voxel_size_nm]
    box = level.grid.box_of(grid.extent.grow(margin), snap="outer").intersect(level.grid.box)
    place = level.grid.subgrid(box)
    stored = resample(level.present(box), place, grid, Kind.SEMANTIC)
    return resample(level.read(box), place, grid, Kind.IMAGE), stored.astype(bool)


def _annotated(catalog: Catalog, dataset: str, name: str) -> list[Crop]:
    return [c for c in catalog.train_crops.values() if c.dataset == dataset and name in c.classes]


def _choose(catalog: Catalog, data: Path, dataset: str, name: str) -> GreyThreshold:
    image = open_multiscale(em_path(data, dataset))
    examples = [_example(image, data, crop, name) for crop in _annotated(catalog, dataset, name)]
    return best_threshold(kind_of(name), examples)


def _example(image: Multiscale, data: Path, crop: Crop, name: str) -> Example:
    labels = open_multiscale(label_path(data, crop, name))
    level = labels.levels[0]
    encoding = read_encoding(labels, level, name)
    values: NDArray[Any] = level.read()
    em, stored = grey_values(image, level.grid)
    known = encoding.known(values) & stored
    return Example(em, np.where(known, values, 0), known, level.grid.voxel_size_nm)


def _apply(threshold: GreyThreshold, data: Path, crop: Crop, name: str, place: Path) -> None:
    path = processed_path(place, crop, name)
    em, stored = grey_values(open_multiscale(em_path(data, crop.dataset)), crop.grid)
    mask = threshold.mask(em) & stored
    kind = kind_of(name)
    values: NDArray[Any] = mask.astype(np.uint8)
    if kind is Kind.INSTANCE:
        values = connected_components(mask)[0]
    write_multiscale(path, values, crop.grid, kind=kind, overwrite=True)


def _pack_and_score(catalog: Catalog, truth: Path, place: Path) -> Result:
    pack(catalog, place, place / "submission.zip", overwrite=True)
    return evaluate(place / "submission.zip", truth, catalog)
