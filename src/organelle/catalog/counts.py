"""How often each class is annotated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from organelle.catalog.filters import CropFilter, select_crops, wanted_datasets
from organelle.catalog.records import Catalog
from organelle.classes import scored_classes, sort_classes


@dataclass(frozen=True, slots=True)
class AnnotationCounts:
    """Training crops per class and dataset: `crops[class_name, dataset]`, 0 where there is none."""

    classes: tuple[str, ...]
    datasets: tuple[str, ...]
    crops: Mapping[tuple[str, str], int]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of `rows`."""
        return ("class", "crops", *self.datasets)

    def total(self, class_name: str) -> int:
        """Training crops in which the class is annotated."""
        return sum(self.crops[class_name, dataset] for dataset in self.datasets)

    def rows(self) -> list[dict[str, object]]:
        """A row per class as `csc get-counts --json` gives it: its crops, and those of each dataset."""
        return [
            {"class": name, "crops": self.total(name), **{d: self.crops[name, d] for d in self.datasets}}
            for name in self.classes
        ]


def count_annotations(
    catalog: Catalog, classes: Iterable[str] | None = None, wanted: CropFilter | None = None
) -> AnnotationCounts:
    """Count the training crops in which each class is annotated, dataset by dataset.

    Annotated does not mean present: a class may be annotated and absent.

    Args:
        catalog: Only its training crops are counted.
        classes: Classes to count; default: the scored ones.
        wanted: Which crops to count; default: all. Datasets that it leaves out are not listed.

    Raises:
        NotFound: a name that is not known; the nearest are named.
        SettingsError: a voxel size that is none.
    """
    names = sort_classes(classes) if classes is not None else tuple(c.name for c in scored_classes())
    among = wanted or CropFilter()
    crops = [crop for crop in select_crops(catalog, among) if not crop.is_test]
    found = Counter((name, crop.dataset) for crop in crops for name in crop.classes)
    datasets = wanted_datasets(catalog, among)
    return AnnotationCounts(names, datasets, {(n, d): found[n, d] for n in names for d in datasets})
