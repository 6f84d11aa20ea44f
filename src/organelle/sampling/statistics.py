"""What must be known of the training crops before training starts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.models import Normalisation
from organelle.sampling.crop import TrainingCrop


def em_statistics(crops: Sequence[TrainingCrop]) -> Normalisation:
    """Mean and standard deviation of the EM inside of the crops, each imaged voxel counted once.

    EM without any contrast gets a standard deviation of 1.
    """
    greys = [_imaged_greys(crop) for crop in crops]
    count = sum(len(grey) for grey in greys)
    mean = sum(float(grey.sum(dtype=np.float64)) for grey in greys) / count
    squares = sum(float(np.square(grey - np.float32(mean)).sum(dtype=np.float64)) for grey in greys)
    return Normalisation(mean=mean, std=(squares / count) ** 0.5 or 1.0)


def class_frequencies(crops: Sequence[TrainingCrop]) -> NDArray[np.float64]:
    """Per class the share of known voxels where it is present, over all crops; NaN where none is known."""
    present, known = sum((crop.labels.class_counts() for crop in crops), np.zeros((2, 1), np.int64))
    with np.errstate(invalid="ignore"):
        return np.asarray(present / np.where(known, known, np.nan))


def require_known_classes(crops: Sequence[TrainingCrop]) -> None:
    """Raise `SettingsError` when a class has not one known voxel in all of `crops`: nothing teaches it."""
    unknown = np.isnan(class_frequencies(crops))
    if unknown.any():
        classes = [name for name, missing in zip(crops[0].classes, unknown, strict=True) if missing]
        numbers = ", ".join(str(crop.crop.id) for crop in crops)
        raise SettingsError(
            f"{', '.join(classes)}: not one known voxel in the training crops {numbers}. Train on crops "
            "where they are annotated (csc get-counts lists them), or leave them out of the classes"
        )


def fingerprint(crop: TrainingCrop) -> str:
    """A hash of all that patches are drawn from: EM, presence, labels, ids, context."""
    digest = hashlib.blake2b(digest_size=16)
    labels = crop.labels
    tables = (labels.codes, labels.present, labels.known)
    far = [array for part in crop.context for array in (part.em, part.present)]
    for array in (crop.em, crop.em_present, *tables, *(crop.ids[name] for name in sorted(crop.ids)), *far):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _imaged_greys(crop: TrainingCrop) -> NDArray[Any]:
    inner = crop.label_box.slices()
    grey = crop.em[inner]
    return grey[crop.em_present[inner]] if crop.em_present.size else grey.ravel()
