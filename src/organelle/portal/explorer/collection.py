"""The catalog that this portal shows, and what is known about each dataset and crop of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from organelle.catalog import (
    Catalog,
    Crop,
    CropFilter,
    Dataset,
    DatasetEntry,
    list_datasets,
    load_catalog,
    public_em_url,
)
from organelle.catalog.listing import Row, crop_row, extent_um
from organelle.portal.explorer.thumbnails import thumbnail_of
from organelle.scenes import boxes_layer, grey_layer, state_link, view
from organelle.visualize import public_links

LICENCE = "CC BY 4.0"
"""Of all data of the CellMap Segmentation Challenge."""

COLLECTION_DOI = "10.25378/janelia.c.7456966"
"""Of the challenge's collection; it stands for datasets that have none of their own."""

UNBROKEN = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""

EVERYTHING = CropFilter()
DATASET_EXTRA = ("licence", "doi", "doi_of", "neuroglancer")


def the_catalog() -> Catalog:
    """The configured catalog, read once per process."""
    return _loaded(settings.PORTAL.catalog)


@cache
def _loaded(folder: str) -> Catalog:
    return load_catalog(folder or None)


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset as its page shows it; what nobody stated is None.

    Attributes:
        entry: the dataset, with those of its crops that were asked for.
        licence: known for datasets of the challenge only.
        doi: the dataset's own one, or that of the collection.
        neuroglancer: a link that opens it in the public viewer.
    """

    entry: DatasetEntry
    licence: str | None
    doi: str | None
    neuroglancer: str | None

    @property
    def dataset(self) -> Dataset:
        """The row of the table."""
        return self.entry.dataset

    @property
    def doi_of(self) -> str | None:
        """Whose DOI it is: `dataset` or `collection`."""
        if self.doi is None:
            return None
        return "dataset" if self.dataset.em_doi else "collection"

    @property
    def picture(self) -> Crop | None:
        """The first crop of which there is a picture."""
        return next(filter(thumbnail_of, (*self.entry.train_crops, *self.entry.test_crops)), None)

    @property
    def voxel_size(self) -> str | None:
        """Of the EM, `z × y × x nm`."""
        return sizes_text(self.dataset.em_voxel_size_nm, "nm")

    @property
    def extent(self) -> str | None:
        """As published, `x × y × z µm`."""
        return sizes_text(self.dataset.extent_um_xyz, "µm")

    def row(self) -> Row:
        """The entry as `csc catalog datasets --json` gives it, with licence, DOI and link."""
        extra = {name: getattr(self, name) for name in DATASET_EXTRA}
        return self.entry.row() | extra


def list_facts(wanted: CropFilter = EVERYTHING) -> tuple[DatasetFacts, ...]:
    """The datasets with a crop that passes; without a filter all of them.

    Raises as `organelle.catalog.list_datasets` does.
    """
    return tuple(map(_facts, list_datasets(the_catalog(), wanted)))


def facts_of(name: str) -> DatasetFacts:
    """One dataset with all of its crops; an unknown name raises `DatasetNotFound`."""
    catalog = the_catalog()
    catalog.dataset(name)
    return _facts(list_datasets(catalog, CropFilter(datasets=[name]))[0])


def _facts(entry: DatasetEntry) -> DatasetFacts:
    known = is_public(entry.dataset.name)
    doi = entry.dataset.em_doi or (COLLECTION_DOI if known else None)
    link = _public().get((entry.dataset.name, None))
    return DatasetFacts(entry, LICENCE if known else None, doi, link)


def crop_link(crop: Crop) -> str | None:
    """A link that opens the crop in the public viewer; None where its EM is not public.

    Training crops have states of their own there. For a test crop the link itself holds the state: EM, and
    the crop as a box.
    """
    if crop.is_test:
        return _boxed(crop)
    known = load_catalog().train_crops.get(crop.id)
    return _public().get((crop.dataset, crop.id)) if known and known.dataset == crop.dataset else None


def is_public(dataset: str) -> bool:
    """Whether a dataset is one of the CellMap challenge, whose volumes everybody can fetch."""
    return dataset in load_catalog().datasets


def fetch_line(name: str, dataset: str) -> str:
    """The command that fetches a crop, or all crops of a dataset.

    Of volumes of others it is not known where they lie: the reader fills in FOLDER and ADDRESS.
    """
    where = "" if is_public(dataset) else "--catalog FOLDER --source ADDRESS "
    return f"csc fetch-data {where}--crops {name}"


def crop_facts(crop: Crop) -> Row:
    """A crop as `csc catalog crops --json` gives it, with its link."""
    return crop_row(crop) | {"neuroglancer": crop_link(crop)}


def crop_size(crop: Crop) -> str:
    """Edges, `z × y × x µm`."""
    return sizes_text(extent_um(crop), "µm") or ""


def sizes_text(numbers: Iterable[float] | None, unit: str = "") -> str | None:
    """`5.24 × 4 × 4 nm`; None stays None."""
    if numbers is None:
        return None
    return f"{' × '.join(f'{n:g}' for n in numbers)}{UNBROKEN + unit if unit else ''}"


def organisms() -> tuple[str, ...]:
    """All that are stated, by the alphabet."""
    stated = {d.organism for d in the_catalog().datasets.values() if d.organism}
    return tuple(sorted(stated, key=str.casefold))


@cache
def _public() -> dict[tuple[str, int | None], str]:
    return {(link.dataset, link.crop): link.url for link in public_links()}


@cache
def _boxed(crop: Crop) -> str | None:
    url = public_em_url(crop.dataset)
    if url is None:
        return None
    middle = tuple(a + n / 2 for a, n in zip(crop.extent.start_nm, crop.extent.shape_nm, strict=True))
    layers = [grey_layer("EM", [url]), boxes_layer("test crop", {crop.name: crop.extent})]
    z, y, x = middle
    return state_link(view((z, y, x), max(crop.extent.shape_nm), layers))
