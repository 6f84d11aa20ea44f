"""What nothing, and what a grey value alone, is worth on the same test crops, by the same scorer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Catalog, Crop, em_path, label_path, processed_path
from organelle.classes import Kind, kind_of
from organelle.demo.thresholds import Example, GreyThreshold, Layer, best_thresholds
from organelle.errors import FormatError
from organelle.evaluate import Result, evaluate
from organelle.geometry import Grid
from organelle.metrics import connected_components
from organelle.pack import pack
from organelle.progress import track
from organelle.volumes import Multiscale, open_multiscale, read_encoding, resample, write_multiscale

Thresholds = Mapping[tuple[str, str], GreyThreshold]
"""The threshold of each (dataset, class)."""


def score_nothing(catalog: Catalog, truth: Path, work: Path, workers: int | None = None) -> Result:
    """Pack a submission in which every row is empty, and score it."""
    for crop, name in catalog.rows():
        empty = np.zeros(crop.grid.shape, np.uint8)
        path = processed_path(work / "nothing", crop, name)
        write_multiscale(path, empty, crop.grid, kind=kind_of(name), overwrite=True)
    return _pack_and_score(catalog, truth, work / "nothing", workers)


def score_thresholds(
    catalog: Catalog, data: Path, truth: Path, work: Path, workers: int | None = None
) -> tuple[Result, Thresholds]:
    """Choose a grey threshold per dataset and class on the training crops; score it on the test crops."""
    place = work / "threshold"
    chosen: dict[tuple[str, str], GreyThreshold] = {}
    for dataset in dict.fromkeys(crop.dataset for crop in catalog.test_crops.values()):
        best = best_thresholds(_examples(catalog, data, dataset))
        chosen |= {(dataset, name): threshold for name, threshold in best.items()}
    for crop, name in track(catalog.rows(), "applying grey thresholds"):
        if (crop.dataset, name) in chosen:
            _apply(chosen[crop.dataset, name], data, crop, name, place)
    return _pack_and_score(catalog, truth, place, workers), chosen


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


def _examples(catalog: Catalog, data: Path, dataset: str) -> list[Example]:
    """The training crops of a dataset, with those of their classes that its test crops ask for."""
    wanted = {name for crop, name in catalog.rows() if crop.dataset == dataset}
    image = open_multiscale(em_path(data, dataset))
    examples = []
    for crop in catalog.train_crops.values():
        if crop.dataset == dataset and wanted & set(crop.classes):
            em, stored = grey_values(image, crop.grid)
            names = [name for name in crop.classes if name in wanted]
            layers = {name: _layer(data, crop, name, stored) for name in names}
            examples.append(Example(em, crop.voxel_size_nm, layers))
    return examples


def _layer(data: Path, crop: Crop, name: str, stored: NDArray[np.bool_]) -> Layer:
    image = open_multiscale(label_path(data, crop, name))
    level = image.levels[0]
    labels: NDArray[Any] = level.read(level.grid.box_of(crop.extent))
    known = read_encoding(image, level, name).known(labels) & stored
    return Layer(np.where(known, labels, 0), known)


def _apply(threshold: GreyThreshold, data: Path, crop: Crop, name: str, place: Path) -> None:
    path = processed_path(place, crop, name)
    em, stored = grey_values(open_multiscale(em_path(data, crop.dataset)), crop.grid)
    mask = threshold.mask(em) & stored
    kind = kind_of(name)
    values: NDArray[Any] = mask.astype(np.uint8)
    if kind is Kind.INSTANCE:
        values = connected_components(mask)[0]
    write_multiscale(path, values, crop.grid, kind=kind, overwrite=True)


def _pack_and_score(catalog: Catalog, truth: Path, place: Path, workers: int | None) -> Result:
    pack(catalog, place, place / "submission.zip", overwrite=True)
    return evaluate(place / "submission.zip", truth, catalog, workers=workers)
