"""Where the volumes of a crop lie below a data folder and below a work folder."""

from __future__ import annotations

from pathlib import Path

from organelle.catalog.records import Crop

PUBLIC_S3 = "s3://janelia-cosem-datasets"
"""The public bucket as people write it."""

PUBLIC_BUCKET = "https://janelia-cosem-datasets.s3.amazonaws.com"
"""The public data of the CellMap project (CC BY 4.0, doi:10.25378/janelia.c.7456966), without an account."""


def em_path(data: Path | str, dataset: str) -> Path:
    """The multiscale EM of a dataset."""
    return _reconstruction(data, dataset) / "em" / "fibsem-uint8"


def public_em_url(dataset: str) -> str | None:
    """Where the EM of a dataset lies in the challenge's public bucket; None for datasets of others."""
    from organelle.catalog.tables import load_catalog

    known = dataset in load_catalog().datasets
    return f"{PUBLIC_BUCKET}/{em_path('', dataset).as_posix()}" if known else None


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
