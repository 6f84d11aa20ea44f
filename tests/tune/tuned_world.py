"""A world of two validation crops in which the best recipe is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage

from organelle.catalog import Catalog, Crop, Dataset, label_path, prediction_path
from organelle.classes import Kind
from organelle.geometry import Grid
from organelle.volumes import write_multiscale

SHAPE = (20, 24, 28)
CROPS = (1, 2, 3)
CLASSES = ("mito", "pm")


def grid_of(number: int) -> Grid:
    """The crops lie side by side."""
    return Grid((8.0, 8.0, 8.0), (804.0, 1604.0, 2404.0 + 800 * number), SHAPE)


def crop(number: int, classes: tuple[str, ...] = CLASSES, *, is_test: bool = False) -> Crop:
    """One of the crops."""
    return Crop(number, "fly", grid_of(number), classes, is_test=is_test)


def catalog(classes: tuple[str, ...] = CLASSES) -> Catalog:
    """Three training crops and a test crop."""
    training = {number: crop(number, classes) for number in CROPS}
    return Catalog("drawn", {"fly": Dataset("fly")}, training, {9: crop(9, classes, is_test=True)})


def balls(number: int) -> np.ndarray:
    """Pairs of touching objects, numbered from 1."""
    labels = np.zeros(SHAPE, np.uint16)
    z, y, x = np.indices(SHAPE)
    rng = np.random.default_rng(number)
    for place, centre in enumerate([(6, 7, 7), (6, 7, 16), (13, 16, 9), (13, 16, 20)], 1):
        moved = np.array(centre) + rng.integers(-1, 2, 3)
        labels[(z - moved[0]) ** 2 + (y - moved[1]) ** 2 + (x - moved[2]) ** 2 <= 16] = place
    return labels


def timid(mask: np.ndarray, border: float, *, seed: int = 0) -> np.ndarray:
    """Probabilities that reach `border` where the mask begins, more inside and less outside of it."""
    inside = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    noise = np.random.default_rng(seed).normal(0, 0.01, mask.shape)
    steep = np.where(inside > 0, inside * 0.02 + 0.02, inside * 0.02 - 0.02)
    return np.clip(border + steep + noise * (np.abs(inside) > 1.5), 0, 1)


def write_labels(data: Path, number: int, name: str, labels: np.ndarray, kind: Kind) -> None:
    """The annotation of a class of a crop."""
    folder = label_path(data, crop(number), name)
    write_multiscale(folder, labels, grid_of(number), kind=kind, overwrite=True)


def write_prediction(work: Path, number: int, name: str, probabilities: np.ndarray) -> None:
    """What a network says."""
    write_multiscale(
        prediction_path(work, crop(number), name),
        np.asarray(np.rint(probabilities * 255), np.uint8),
        grid_of(number),
        kind=Kind.IMAGE,
        attributes={"organelle": {"probability_scale": 255, "checkpoint_sha256": "a" * 64}},
        overwrite=True,
    )


def draw(folder: Path, borders: Mapping[str, float], crops: tuple[int, ...] = CROPS) -> Path:
    """Labels below `folder/data` and predictions below `folder/work`; returns the folder.

    `borders` holds the best threshold of each class.
    """
    for number in crops:
        mito = balls(number)
        pm = np.zeros(SHAPE, bool)
        pm[:, :, 12 + number : 15 + number] = True
        for name, labels in (("mito", mito), ("pm", pm.astype(np.uint8))):
            if name in borders:
                kind = Kind.INSTANCE if name == "mito" else Kind.SEMANTIC
                write_labels(folder / "data", number, name, labels, kind)
                write_prediction(folder / "work", number, name, timid(labels > 0, borders[name], seed=number))
    return folder
