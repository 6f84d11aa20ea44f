"""What the catalog holds, counted: a table for each question, from which its chart is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from organelle.catalog import Catalog, Crop, count_annotations
from organelle.catalog.listing import Row, volume_um3
from organelle.classes import sort_classes


@dataclass(frozen=True)
class Statistic:
    """A table with a question as its title.

    Attributes:
        name: in addresses.
        note: what is counted, and how.
        told: what the chart shows, in a sentence, for those who do not see it.
        keys: columns of `rows`; the first one names the row.
    """

    name: str
    title: str
    note: str
    told: str
    keys: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def table(self) -> list[tuple[object, list[str]]]:
        """The first cell of each row, and the text of the others."""
        return [(row[self.keys[0]], [_text(row[key]) for key in self.keys[1:]]) for row in self.rows]


def crops_per_class(catalog: Catalog) -> Statistic:
    """Training and test crops that hold each class."""
    train, test = (_per_class(crops.values()) for crops in (catalog.train_crops, catalog.test_crops))
    names = sorted(sort_classes({*train, *test}), key=lambda name: -train[name])
    rows: list[Row] = [{"class": n, "training crops": train[n], "test crops": test[n]} for n in names]
    return Statistic(
        "crops-per-class",
        "How often is each class annotated?",
        "Crops in which a class was annotated (training) or is to be predicted (test). Annotated does not "
        "mean present: a class may be annotated and absent.",
        f"Bars of crops per class, training and test. {_extremes(rows, 'training crops')}",
        ("class", "training crops", "test crops"),
        tuple(rows),
    )


def crops_per_dataset(catalog: Catalog) -> Statistic:
    """Training and test crops of each dataset."""
    train, test = (Counter(c.dataset for c in s.values()) for s in (catalog.train_crops, catalog.test_crops))
    names = sorted(catalog.datasets, key=lambda name: (-train[name] - test[name], name))
    rows: list[Row] = [{"dataset": n, "training crops": train[n], "test crops": test[n]} for n in names]
    return Statistic(
        "crops-per-dataset",
        "Where do the crops come from?",
        "Training and test crops of each dataset.",
        f"Bars of crops per dataset, training and test. {_extremes(rows, 'training crops')}",
        ("dataset", "training crops", "test crops"),
        tuple(rows),
    )


def voxels_per_class(catalog: Catalog) -> Statistic:
    """Voxels of the training crops that annotate each class."""
    voxels: Counter[str] = Counter()
    for crop in catalog.train_crops.values():
        voxels.update(dict.fromkeys(crop.classes, math.prod(crop.grid.shape)))
    names = sorted(sort_classes(voxels), key=lambda name: -voxels[name])
    rows: list[Row] = [{"class": name, "voxels": voxels[name]} for name in names]
    return Statistic(
        "voxels-per-class",
        "How much is annotated of each class?",
        "Voxels of all training crops that annotate a class, at the voxel size of their labels, whatever "
        "they hold. The axis is logarithmic.",
        f"Points on a logarithmic axis: annotated voxels per class. {_extremes(rows, 'voxels')}",
        ("class", "voxels"),
        tuple(rows),
    )


def classes_by_dataset(catalog: Catalog) -> Statistic:
    """Training crops for every class and dataset."""
    held = {name for crop in catalog.train_crops.values() for name in crop.classes}
    counts = count_annotations(catalog, held)
    inside = {crop.dataset for crop in catalog.train_crops.values()}
    datasets = tuple(sorted(name for name in counts.datasets if name in inside))
    most = max(counts.crops, key=lambda key: counts.crops[key], default=None)
    told = f" Most: {most[0]} in {most[1]}, {counts.crops[most]} crops." if most else ""
    return Statistic(
        "classes-by-dataset",
        "Which class is annotated in which dataset?",
        "Training crops for every class and dataset; empty where there is none.",
        f"A grid of classes and datasets, shaded by the number of training crops.{told}",
        ("class", *datasets),
        tuple({key: row[key] for key in ("class", *datasets)} for row in counts.rows()),
    )


def voxel_sizes(catalog: Catalog) -> Statistic:
    """Voxel sizes of the labels of each dataset."""
    found = Counter((crop.dataset, crop.voxel_size_nm) for crop in catalog.crops.values())
    rows: list[Row] = [
        {"dataset": name, "z nm": size[0], "y nm": size[1], "x nm": size[2], "crops": n}
        for (name, size), n in sorted(found.items())
    ]
    finest = min((size for _, size in found), default=None)
    coarsest = max((size for _, size in found), default=None)
    told = f" From {finest[0]:g} to {coarsest[0]:g} nm in z." if finest and coarsest else ""
    return Statistic(
        "voxel-sizes",
        "How fine are the labels?",
        "Voxel sizes of the labels, along z and in the plane; larger marks stand for more crops. The axis "
        "is logarithmic.",
        f"Marks on a logarithmic axis: voxel sizes of the labels of each dataset.{told}",
        ("dataset", "z nm", "y nm", "x nm", "crops"),
        tuple(rows),
    )


def crop_sizes(catalog: Catalog) -> Statistic:
    """Volumes of all crops."""
    rows: list[Row] = [
        {"crop": c.name, "dataset": c.dataset, "split": _split(c), "volume µm³": _rounded(volume_um3(c))}
        for c in sorted(catalog.crops.values(), key=lambda c: (c.dataset, c.is_test, c.id))
    ]
    return Statistic(
        "crop-sizes",
        "How large are the crops?",
        "Volumes of training and test crops. The axis is logarithmic.",
        f"Marks on a logarithmic axis: the volume of each crop, by dataset. "
        f"{_extremes(rows, 'volume µm³', ' µm³')}",
        ("crop", "dataset", "split", "volume µm³"),
        tuple(rows),
    )


STATISTICS: Mapping[str, Callable[[Catalog], Statistic]] = {
    "crops-per-class": crops_per_class,
    "crops-per-dataset": crops_per_dataset,
    "classes-by-dataset": classes_by_dataset,
    "voxels-per-class": voxels_per_class,
    "voxel-sizes": voxel_sizes,
    "crop-sizes": crop_sizes,
}


def _per_class(crops: Iterable[Crop]) -> Counter[str]:
    return Counter(name for crop in crops for name in crop.classes)


def _split(crop: Crop) -> str:
    return "test" if crop.is_test else "train"


def _rounded(number: float) -> float:
    """Four digits, which is more than a chart shows."""
    return float(f"{number:.4g}")


def _extremes(rows: Sequence[Row], key: str, unit: str = "") -> str:
    """`Most: mito, 217; fewest: np, 3.`"""
    if not rows:
        return "There are none."
    name = next(iter(rows[0]))
    most = max(rows, key=lambda row: _number(row[key]))
    fewest = min(rows, key=lambda row: _number(row[key]))
    return (
        f"Most {key.split()[0]}: {most[name]}, {_text(most[key])}{unit}; "
        f"fewest: {fewest[name]}, {_text(fewest[key])}{unit}."
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
