"""Where the volumes of a crop lie below a data folder and below a work folder."""

from __future__ import annotations

from pathlib import Path

from organelle.catalog.records import Crop


def em_path(data: Path | str, dataset: str) -> Path:
    """The multiscale EM of a dataset."""
    return _reconstruction(data, dataset) / "em" / "fibsem-uint8"


def labels_folder(data: Path | str, crop: Crop) -> Path:
    """The group that holds one multiscale image per annotated class of a training crop."""
    return _reconstruction(data, crop.dataset) / "labels" / "groundtruth" / crop.name


def label_path(data: Path | str, crop: Crop, class_name: str) -> Path:
    """The multiscale labels of one class of a training crop."""
    return labels_folder(data, crop) / class_name


def prediction_path(work: Path | str, crop: Crop, class_name: str) -> Path:
    """Where the predicted probabilities of one class of a crop are written."""
    return Path(work) / "predictions" / f"{crop.dataset}.zarr" / crop.name / class_name


def processed_path(work: Path | str, crop: Crop, class_name: str) -> Path:
    """Where the objects or mask made from a prediction are written."""
    return Path(work) / "processed" / f"{crop.dataset}.zarr" / crop.name / class_name


def _reconstruction(data: Path | str, dataset: str) -> Path:
    return Path(data) / dataset / f"{dataset}.zarr" / "recon-1"
