"""Which crops are meant: by number, dataset, organism, class, voxel size and side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from organelle.catalog.records import Catalog, Crop
from organelle.classes import class_named
from organelle.errors import NotFound, SettingsError, did_you_mean

Split = Literal["train", "test", "all"]

ROUNDING = 1e-4
"""Voxel sizes of the tables are rounded: 3.48 nm stands for anything from 3.475 to 3.485."""


@dataclass(frozen=True, slots=True)
class CropFilter:
    """What a crop must be; a field that is not given lets every crop through.

    Attributes:
        datasets: names of datasets.
        classes: a crop needs at least one of them, annotated or asked for.
        organisms: whole words, upper or lower case: `monkey` finds the African green monkey.
        min_voxel_size_nm: no axis of the labels is finer; z, y, x, or one number for all three.
        max_voxel_size_nm: no axis of the labels is coarser; the same forms.
        split: training crops, test crops, or both.
        crops: crops as `Catalog.select` takes them.
    """

    datasets: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    organisms: Sequence[str] | None = None
    min_voxel_size_nm: Sequence[float] | float | None = None
    max_voxel_size_nm: Sequence[float] | float | None = None
    split: Split = "all"
    crops: str | Sequence[str | int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether every crop passes."""
        return all(getattr(self, field.name) == field.default for field in fields(self))


def select_crops(catalog: Catalog, wanted: CropFilter) -> tuple[Crop, ...]:
    """The crops that pass, in the order of the tables; there may be none.

    Raises:
        NotFound: a dataset, class, organism or crop that is not known; the nearest are named.
        SettingsError: a voxel size that is none, or a side that is not there.
    """
    if wanted.split not in ("train", "test", "all"):
        raise SettingsError(f'split {wanted.split!r} is none; write "train", "test" or "all"')
    datasets = wanted_datasets(catalog, wanted)
    classes = None if wanted.classes is None else {class_named(name).name for name in wanted.classes}
    numbers = None if wanted.crops is None else {crop.id for crop in catalog.select(wanted.crops)}
    finest = _sizes(wanted.min_voxel_size_nm) or (0.0, 0.0, 0.0)
    coarsest = _sizes(wanted.max_voxel_size_nm) or (float("inf"),) * 3
    return tuple(
        crop
        for crop in catalog.crops.values()
        if crop.dataset in datasets
        and (classes is None or not classes.isdisjoint(crop.classes))
        and (numbers is None or crop.id in numbers)
        and wanted.split in ("all", "test" if crop.is_test else "train")
        and _within(crop.voxel_size_nm, finest, coarsest)
    )


def wanted_datasets(catalog: Catalog, wanted: CropFilter) -> tuple[str, ...]:
    """Names of the datasets that pass the filters of names and organisms, in the order of the table."""
    named = {catalog.dataset(name).name for name in wanted.datasets or catalog.datasets}
    living = set(_with_organisms(catalog, wanted.organisms))
    return tuple(name for name in catalog.datasets if name in named & living)


def _with_organisms(catalog: Catalog, organisms: Iterable[str] | None) -> Iterable[str]:
    if organisms is None:
        yield from catalog.datasets
        return
    known = {d.name: d.organism for d in catalog.datasets.values() if d.organism}
    for organism in organisms:
        words = organism.casefold().split()
        found = [name for name, text in known.items() if set(words) <= set(text.casefold().split())]
        if not found or not words:
            everywhere = sorted(set(known.values()), key=str.casefold)
            near = did_you_mean(organism, [*everywhere, *{w for text in everywhere for w in text.split()}])
            raise NotFound(
                f"{organism!r} is no organism of the catalog {catalog.name}{near}; "
                f"it states: {', '.join(everywhere) or 'none'}"
            )
        yield from found


def _within(sizes: Sequence[float], finest: Sequence[float], coarsest: Sequence[float]) -> bool:
    return all(
        low * (1 - ROUNDING) <= size <= high * (1 + ROUNDING)
        for size, low, high in zip(sizes, finest, coarsest, strict=True)
    )


def _sizes(given: Sequence[float] | float | None) -> tuple[float, ...] | None:
    if given is None:
        return None
    sizes = (float(given),) * 3 if isinstance(given, int | float) else tuple(map(float, given))
    if len(sizes) != 3 or not all(0 < size < float("inf") for size in sizes):
        raise SettingsError(f"{given} is no voxel size; give one number or three (z, y, x) above 0, in nm")
    return sizes
