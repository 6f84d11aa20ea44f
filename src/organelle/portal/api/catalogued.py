"""Datasets, crops, classes and statistics as the API tells them; sizes and places are z, y, x."""

from __future__ import annotations

from django.conf import settings
from ninja import Field, Schema

from organelle.catalog import ClassEntry, Crop, CropFilter
from organelle.catalog.listing import Row
from organelle.portal.explorer.asked import LONGEST, Asked
from organelle.portal.explorer.collection import DatasetFacts, crop_facts, fetch_line
from organelle.portal.explorer.hierarchy import Branch, groups_of, parts_of
from organelle.portal.explorer.statistics import Statistic
from organelle.portal.explorer.thumbnails import thumbnail_of

SPLIT = "`train` or `test`"


class Filters(Schema):
    """What a crop is to be; what is not given lets every crop through."""

    organism: str = Field("", max_length=LONGEST, description="whole words of it: `human`")
    dataset: str = Field("", max_length=LONGEST, description="its name")
    class_name: str = Field("", alias="class", max_length=LONGEST, description="annotated, or asked for")
    split: str = Field("", max_length=LONGEST, description=SPLIT)
    finest: float | None = Field(None, gt=0, description="no axis of the labels is finer than so many nm")
    coarsest: float | None = Field(None, gt=0, description="no axis of the labels is coarser than so many nm")

    def wanted(self) -> CropFilter:
        """The same for the catalog. Raises `SettingsError` for what cannot be asked."""
        given = self.dict(exclude_none=True).items()
        return Asked(**{name: str(value).strip() for name, value in given}).filter()


class CropRecord(Schema):
    """A training crop or a test crop.

    `classes` are annotated in it, or asked for; annotated does not mean present.
    """

    crop: int
    dataset: str
    split: str = Field(description=SPLIT)
    voxel_size_nm: list[float]
    translation_nm: list[float] = Field(description="centre of the first voxel")
    shape: list[int]
    extent_um: list[float]
    volume_um3: float
    voxels: int
    classes: list[str]
    neuroglancer: str | None = Field(
        description="opens it in the public viewer; null where its EM is not public"
    )
    fetch: str = Field(description="the command that fetches it")
    thumbnail: str | None = Field(description="address of a picture; null when none was made")


class DatasetRecord(Schema):
    """A dataset; what nobody stated is null. The numbers of crops are those that pass the filters."""

    dataset: str
    organism: str | None
    sample: str | None
    kind: str | None
    preparation: str | None
    em_voxel_size_nm: list[float] | None
    extent_um_xyz: list[float] | None
    em_doi: str | None
    train_crops: int
    test_crops: int
    classes: list[str]
    licence: str | None
    doi: str | None = Field(description="the dataset's own one, or that of the collection")
    doi_of: str | None = Field(description="`dataset` or `collection`")
    neuroglancer: str | None
    fetch: str = Field(description="the command that fetches all of its crops")


class WholeDataset(DatasetRecord):
    """A dataset with its crops."""

    crops: list[CropRecord]


class ClassRecord(Schema):
    """A class; what is not scored has no kind. `members` are the atoms of a group."""

    id: int
    class_name: str = Field(alias="class")
    long_name: str
    kind: str | None = Field(description="how it is scored: `instance` or `semantic`")
    members: list[str]
    implies: list[str]
    excludes: list[str]
    train_crops: int
    test_crops: int
    datasets: list[str] = Field(description="of the training crops")


class WholeClass(ClassRecord):
    """A class with its place in the hierarchy and the crops in which it is annotated or asked for."""

    groups: list[str] = Field(description="what it is directly part of")
    parts: list[str] = Field(description="what it is directly made of")
    crops: list[CropRecord]


class BranchRecord(Schema):
    """A class in the hierarchy, and what is directly below it."""

    class_name: str = Field(alias="class")
    long_name: str
    repeated: bool = Field(description="its parts are told where it comes first")
    parts: list[BranchRecord]


class FoundRecord(Schema):
    """What fits all words of a search; exact names come first."""

    words: list[str]
    total: int = Field(description="datasets, crops and classes, with the crops that are not listed")
    more_crops: int = Field(description="crops beyond the limit")
    datasets: list[DatasetRecord]
    crops: list[CropRecord]
    classes: list[ClassRecord]


class StatisticRecord(Schema):
    """A question, and the numbers that answer it; the first key names the row."""

    name: str
    title: str
    note: str = Field(description="what is counted, and how")
    told: str = Field(description="what the chart shows, in a sentence")
    keys: list[str]
    rows: list[dict[str, str | int | float | None]]
    charts: dict[str, str] = Field(description="addresses of the chart as SVG, `light` and `dark`")


def crop_record(crop: Crop) -> Row:
    """As `CropRecord`."""
    here = f"{settings.PORTAL_URL}/crops/{crop.id}/thumbnail.png"
    return crop_facts(crop) | {
        "fetch": fetch_line(str(crop.id), crop.dataset),
        "thumbnail": here if thumbnail_of(crop) else None,
    }


def dataset_record(facts: DatasetFacts) -> Row:
    """As `DatasetRecord`."""
    name = facts.dataset.name
    return facts.row() | {"fetch": fetch_line(name, name)}


def whole_dataset(facts: DatasetFacts) -> Row:
    """As `WholeDataset`."""
    crops = (*facts.entry.train_crops, *facts.entry.test_crops)
    return dataset_record(facts) | {"crops": [crop_record(crop) for crop in crops]}


def whole_class(entry: ClassEntry) -> Row:
    """As `WholeClass`."""
    crops = (*entry.train_crops, *entry.test_crops)
    return entry.row() | {
        "groups": [group.name for group in groups_of(entry.organelle)],
        "parts": [part.name for part in parts_of(entry.organelle)],
        "crops": [crop_record(crop) for crop in crops],
    }


def branch_record(branch: Branch) -> Row:
    """As `BranchRecord`."""
    return {
        "class": branch.organelle.name,
        "long_name": branch.organelle.long_name,
        "repeated": branch.is_repeated,
        "parts": [branch_record(part) for part in branch.parts],
    }


def statistic_record(statistic: Statistic) -> Row:
    """As `StatisticRecord`."""
    here = f"{settings.PORTAL_URL}/statistics/{statistic.name}"
    return {
        "name": statistic.name,
        "title": statistic.title,
        "note": statistic.note,
        "told": statistic.told,
        "keys": list(statistic.keys),
        "rows": [dict(row) for row in statistic.rows],
        "charts": {theme: f"{here}/{theme}.svg" for theme in ("light", "dark")},
    }
