"""How often each class is annotated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from organelle.catalog.records import Catalog
from organelle.classes import scored_classes, sort_classes


@dataclass(frozen=True, slots=True)
class AnnotationCounts:
    """Training crops per class and dataset: `crops[class_name, dataset]`, 0 where there is none."""

    classes: tuple[str, ...]
    datasets: tuple[str, ...]
    crops: Mapping[tuple[str, str], int]

    def total(self, class_name: str) -> int:
        """Training crops in which the class is annotated."""
        return sum(self.crops[class_name, dataset] for dataset in self.datasets)


def count_annotations(catalog: Catalog, classes: Iterable[str] | None = None) -> AnnotationCounts:
    """Count the training crops in which each class is annotated, dataset by dataset.

    `classes` defaults to the scored ones. Annotated does not mean present: a class may be annotated and
    absent. An unknown class raises `ClassNotFound`.
    """
    names = sort_classes(classes) if classes is not None else tuple(c.name for c in scored_classes())
    found = Counter((name, crop.dataset) for crop in catalog.train_crops.values() for name in crop.classes)
    table = {(name, dataset): found[name, dataset] for name in names for dataset in catalog.datasets}
    return AnnotationCounts(names, tuple(catalog.datasets), table)
