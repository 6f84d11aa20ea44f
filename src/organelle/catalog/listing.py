"""What there is, as lists: crops, datasets, classes, and the whole story of one class."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from organelle.catalog.filters import CropFilter, select_crops, wanted_datasets
from organelle.catalog.records import Catalog, Crop, Dataset
from organelle.classes import OrganelleClass, all_classes, class_named, sort_classes

EVERYTHING = CropFilter()

Row = dict[str, object]
"""Numbers, text, None, and lists of numbers or text: what JSON holds."""

CROP_KEYS = (
    "crop", "dataset", "split", "voxel_size_nm", "translation_nm", "shape", "extent_um", "volume_um3",
    "voxels", "classes",
)  # fmt: skip
DATASET_KEYS = (
    "dataset", "organism", "sample", "kind", "preparation", "em_voxel_size_nm", "extent_um_xyz", "em_doi",
    "train_crops", "test_crops", "classes",
)  # fmt: skip
CLASS_KEYS = (
    "id", "class", "long_name", "kind", "members", "implies", "excludes", "train_crops", "test_crops",
    "datasets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A dataset and those of its crops that pass a filter."""

    dataset: Dataset
    train_crops: tuple[Crop, ...]
    test_crops: tuple[Crop, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of any of the crops, in the order of the table of classes."""
        return sort_classes(name for crop in (*self.train_crops, *self.test_crops) for name in crop.classes)

    def row(self) -> Row:
        """The entry under the names that `csc catalog datasets --json` uses."""
        facts = self.dataset
        return {
            "dataset": facts.name,
            "organism": facts.organism,
            "sample": facts.sample,
            "kind": facts.kind,
            "preparation": facts.preparation,
            "em_voxel_size_nm": _list(facts.em_voxel_size_nm),
            "extent_um_xyz": _list(facts.extent_um_xyz),
            "em_doi": facts.em_doi,
            "train_crops": len(self.train_crops),
            "test_crops": len(self.test_crops),
            "classes": list(self.classes),
        }


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """A class, its relations, and the crops of a filter that hold it.

    Attributes:
        organelle: the class itself.
        members: the leaves of a group; none for a leaf.
        implies: groups that contain all of it: where it is, they are.
        excludes: classes that share nothing with it: where it is, they are not.
        train_crops: training crops in which it is annotated, present or not.
        test_crops: test crops in which it is asked for.
    """

    organelle: OrganelleClass
    members: tuple[str, ...]
    implies: tuple[str, ...]
    excludes: tuple[str, ...]
    train_crops: tuple[Crop, ...]
    test_crops: tuple[Crop, ...]

    @property
    def kind(self) -> str | None:
        """`instance` or `semantic`; None for a class that is not scored."""
        return self.organelle.scored_as.value if self.organelle.scored_as else None

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the training crops, in the order of their first."""
        return tuple(dict.fromkeys(crop.dataset for crop in self.train_crops))

    def row(self) -> Row:
        """The entry under the names that `csc catalog classes --json` uses."""
        return {
            "id": self.organelle.id,
            "class": self.organelle.name,
            "long_name": self.organelle.long_name,
            "kind": self.kind,
            "members": list(self.members),
            "implies": list(self.implies),
            "excludes": list(self.excludes),
            "train_crops": len(self.train_crops),
            "test_crops": len(self.test_crops),
            "datasets": list(self.datasets),
        }


def list_crops(catalog: Catalog, wanted: CropFilter = EVERYTHING) -> tuple[Crop, ...]:
    """The crops that pass, in the order of the tables; none if nothing fits.

    Raises:
        NotFound: a name that is not known; the nearest are named.
        SettingsError: a voxel size that is none.
    """
    return select_crops(catalog, wanted)


def list_datasets(catalog: Catalog, wanted: CropFilter = EVERYTHING) -> tuple[DatasetEntry, ...]:
    """The datasets with a crop that passes, and these crops; without a filter also those without crops.

    Raises as `list_crops` does.
    """
    crops = select_crops(catalog, wanted)
    entries = (_dataset_entry(catalog, name, crops) for name in wanted_datasets(catalog, wanted))
    return tuple(e for e in entries if wanted.is_open or e.train_crops or e.test_crops)


def list_classes(catalog: Catalog, wanted: CropFilter = EVERYTHING) -> tuple[ClassEntry, ...]:
    """The classes by id, with the crops that pass and hold them.

    `wanted.classes` chooses the classes to list. When anything else is asked of the crops, classes are
    listed only if such a crop holds them. Raises as `list_crops` does.
    """
    crops = select_crops(catalog, wanted)
    names = wanted.classes if wanted.classes is not None else [c.name for c in all_classes()]
    entries = (describe_class(name, crops) for name in sort_classes(names))
    only_held = not replace(wanted, classes=None).is_open
    return tuple(e for e in entries if not only_held or e.train_crops or e.test_crops)


def describe_class(name: str, crops: Iterable[Crop]) -> ClassEntry:
    """All that is known about a class, with those of `crops` that hold it.

    Raises:
        ClassNotFound: with the nearest names.
    """
    this = class_named(name)
    others = [other for other in all_classes() if other is not this]
    held = [crop for crop in crops if name in crop.classes]
    return ClassEntry(
        this,
        members=tuple(o.name for o in others if o.id in this.members),
        implies=tuple(o.name for o in others if this.implies(o)),
        excludes=tuple(o.name for o in others if this.excludes(o)),
        train_crops=tuple(crop for crop in held if not crop.is_test),
        test_crops=tuple(crop for crop in held if crop.is_test),
    )


def crop_row(crop: Crop) -> Row:
    """A crop under the names that `csc catalog crops --json` uses; sizes and places are z, y, x."""
    return {
        "crop": crop.id,
        "dataset": crop.dataset,
        "split": "test" if crop.is_test else "train",
        "voxel_size_nm": list(crop.voxel_size_nm),
        "translation_nm": list(crop.grid.origin_nm),
        "shape": list(crop.grid.shape),
        "extent_um": list(extent_um(crop)),
        "volume_um3": round(volume_um3(crop), 9),
        "voxels": math.prod(crop.grid.shape),
        "classes": list(crop.classes),
    }


def extent_um(crop: Crop) -> tuple[float, float, float]:
    """Edges of a crop in micrometres, z y x, without the noise of binary fractions."""
    z, y, x = (round(size / 1000, 9) for size in crop.extent.shape_nm)
    return z, y, x


def volume_um3(crop: Crop) -> float:
    """Volume of a crop in cubic micrometres."""
    return math.prod(extent_um(crop))


def _dataset_entry(catalog: Catalog, name: str, crops: Iterable[Crop]) -> DatasetEntry:
    inside = [crop for crop in crops if crop.dataset == name]
    train, test = ([crop for crop in inside if crop.is_test is side] for side in (False, True))
    return DatasetEntry(catalog.dataset(name), tuple(train), tuple(test))


def _list(numbers: Iterable[float] | None) -> list[float] | None:
    return None if numbers is None else list(numbers)
