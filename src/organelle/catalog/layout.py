"""Where the volumes of a crop lie below a data folder and below a work folder."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from organelle.catalog.records import Crop, Region
from organelle.errors import CatalogError
from organelle.stores import Place, as_place
from organelle.stores.places import NODE_FILES

PUBLIC_S3 = "s3://janelia-cosem-datasets"
"""The public bucket as people write it."""

PUBLIC_BUCKET = "https://janelia-cosem-datasets.s3.amazonaws.com"
"""The public data of the CellMap project (CC BY 4.0, doi:10.25378/janelia.c.7456966), without an account."""


def em_folder(data: Path | str, dataset: str) -> Path:
    """Where the multiscale EM of a dataset stands in a folder in the bucket's layout."""
    return _reconstruction(Path(data), dataset) / "em" / "fibsem-uint8"


def em_link(data: Path | str, dataset: str) -> Path:
    """The text file that may stand beside `em_folder`, and names the EM that is read in its stead."""
    return em_folder(data, dataset).with_name("fibsem-uint8.link")


def em_path(data: Place | str, dataset: str) -> Place:
    """The multiscale EM of a dataset below `data`, a folder or an address.

    In a folder where no volume stands, but an `em_link`, that is the place which the link names: an
    address, or a path that counts from the link's folder.

    Raises:
        CatalogError: the link is empty.
    """
    place = _reconstruction(as_place(data), dataset) / "em" / "fibsem-uint8"
    if not isinstance(place, Path) or any((place / name).is_file() for name in NODE_FILES):
        return place
    link = place.with_name("fibsem-uint8.link")
    return _linked(link) if link.is_file() else place


def _linked(link: Path) -> Place:
    text = link.read_text(encoding="utf-8").strip()
    if not text:
        raise CatalogError(f"{link} is empty; write the path or address of the EM into it")
    return as_place(text) if "://" in text else (link.parent / text).resolve()


def public_em_url(dataset: str) -> str | None:
    """Where the EM of a dataset lies in the challenge's public bucket; None for datasets of others."""
    from organelle.catalog.tables import load_catalog

    known = dataset in load_catalog().datasets
    return f"{PUBLIC_BUCKET}/{em_folder('', dataset).as_posix()}" if known else None


@overload
def labels_folder(data: Path, crop: Crop) -> Path: ...
@overload
def labels_folder(data: Place | str, crop: Crop) -> Place: ...
def labels_folder(data: Place | str, crop: Crop) -> Place:
    """The group that holds one multiscale image per annotated class of a training crop."""
    return _reconstruction(as_place(data), crop.dataset) / "labels" / "groundtruth" / crop.name


@overload
def label_path(data: Path, crop: Crop, class_name: str) -> Path: ...
@overload
def label_path(data: Place | str, crop: Crop, class_name: str) -> Place: ...
def label_path(data: Place | str, crop: Crop, class_name: str) -> Place:
    """The multiscale labels of one class of a training crop."""
    return labels_folder(data, crop) / class_name


def prediction_path(work: Path | str, crop: Crop | Region, channel: str) -> Path:
    """Where a channel of a crop or region is written: `mito`, and `mito.distance` for `mito/distance`."""
    return predicted_below(Path(work) / "predictions", crop, channel)


def predicted_below(folder: Path, crop: Crop | Region, channel: str) -> Path:
    """The same below a folder that stands for `predictions`."""
    return folder / f"{crop.dataset}.zarr" / crop.name / channel.replace("/", ".")


def processed_path(work: Path | str, crop: Crop | Region, class_name: str) -> Path:
    """Where the objects or mask made from a prediction are written."""
    return Path(work) / "processed" / f"{crop.dataset}.zarr" / crop.name / class_name


@overload
def _reconstruction(data: Path, dataset: str) -> Path: ...
@overload
def _reconstruction(data: Place, dataset: str) -> Place: ...
def _reconstruction(data: Place, dataset: str) -> Place:
    return data / dataset / f"{dataset}.zarr" / "recon-1"
