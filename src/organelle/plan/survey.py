"""What there is to learn from: crops, stored voxel sizes, how thick and how frequent each class is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from statistics import median

import numpy as np

from organelle.catalog import Catalog, Crop, label_path
from organelle.classes import sort_classes
from organelle.errors import CropNotFound, EMMissing, FileMissing, SettingsError
from organelle.geometry import Box, Nm, Voxels
from organelle.plan.thickness import median_thickness, weighted_median
from organelle.progress import track
from organelle.sampling import open_em
from organelle.stores import Place
from organelle.volumes import LabelEncoding, Multiscale, Volume, open_multiscale, read_encoding

SLABS, SECTIONS = 1.5, 3.0
"""Ratios of the largest to the smallest voxel side from which on voxels are slabs, or sections."""
LOOKED_AT = 40
"""Crops per class whose statistics are read, spread over the datasets."""
MEASURED = 4
"""Crops per class in which its thickness is measured."""
BLOCK: Voxels = (128, 128, 128)
"""Most voxels of one level that are read of a crop."""
ENOUGH = 4.0
"""A level is fine enough to measure on when the class is so many of its voxels thick."""


class Form(StrEnum):
    """The form of a dataset's voxels, by the ratio of their sides."""

    CUBES = "cubes"
    """Below 1.5."""
    SLABS = "slabs"
    """From 1.5 to 3."""
    SECTIONS = "sections"
    """3 and more: neighbouring sections have little in common."""


@dataclass(frozen=True)
class ClassFigures:
    """A class in the crops of one form.

    Attributes:
        name: the class.
        thickness_nm: median over its voxels, see `median_thickness`.
        share: of the known voxels, where it is present.
        label_nm: in-plane voxel size of its finest labels.
        crops: in how many it is annotated.
    """

    name: str
    thickness_nm: float
    share: float
    label_nm: float
    crops: int


@dataclass(frozen=True)
class Survey:
    """The crops of one form, and what is in them.

    Attributes:
        form: of the voxels.
        em: finest first, the stored voxel sizes of each dataset's EM.
        crops: with labels and EM, at least one.
        classes: those that are present somewhere.
        notes: what was left out, a sentence each.
    """

    form: Form
    em: dict[str, tuple[Nm, ...]]
    crops: tuple[Crop, ...]
    classes: tuple[ClassFigures, ...]
    notes: tuple[str, ...] = ()


def in_plane(voxel_size_nm: Sequence[float]) -> float:
    """The middle one of three voxel sides: what one means by "8 nm" where they differ."""
    return float(median(voxel_size_nm))


def form_of(voxel_size_nm: Nm) -> Form:
    """Cubes, slabs or sections."""
    ratio = max(voxel_size_nm) / min(voxel_size_nm)
    return Form.SECTIONS if ratio >= SECTIONS else Form.SLABS if ratio >= SLABS else Form.CUBES


def survey(
    catalog: Catalog,
    classes: Iterable[str],
    *,
    data: Place | str,
    datasets: Iterable[str] | None = None,
    crops: str | Iterable[str | int] | None = None,
) -> tuple[Survey, ...]:
    """Look at the training crops that annotate some of `classes`, those of each form apart.

    Read are the metadata of all, statistics of at most `LOOKED_AT` crops per class, and of `MEASURED` of them
    one `BLOCK` of each stored label level, from the coarsest down, until the class is `ENOUGH` voxels thick.

    Args:
        catalog: what exists.
        classes: wanted.
        data: folder or address of EM and labels.
        datasets: names; default: all.
        crops: as `Catalog.select` takes them; default: all whose labels are below `data`.

    Raises:
        NotFound: a class, dataset or crop that is not known.
        CropNotFound: a class that no chosen crop annotates.
        FileMissing: labels that are not here.
        EMMissing: crops without EM.
        SettingsError: a class without a known voxel, or without a present one.
    """
    wanted = sort_classes(classes)
    chosen = _chosen(catalog, wanted, datasets, crops)
    here, notes = _stored(data, chosen, wanted, named=crops is not None)
    _require_annotated(wanted, here)
    images = {crop.dataset: open_em(data, crop) for crop in here}
    _require_em(images, here)
    em = {name: tuple(v.grid.voxel_size_nm for v in image.levels) for name, image in images.items()}
    found = []
    for form in Form:
        some = tuple(crop for crop in here if form_of(em[crop.dataset][0]) is form)
        if some:
            levels = {name: em[name] for name in dict.fromkeys(crop.dataset for crop in some)}
            found.append(_of_form(data, form, levels, some, wanted, notes))
    _require_present(wanted, found)
    return tuple(one for one in found if one.classes)


def _chosen(
    catalog: Catalog,
    wanted: Sequence[str],
    datasets: Iterable[str] | None,
    crops: str | Iterable[str | int] | None,
) -> list[Crop]:
    named = catalog.select("train" if crops is None else crops)
    among = (
        {catalog.dataset(name).name for name in datasets} if datasets is not None else set(catalog.datasets)
    )
    found = [c for c in named if not c.is_test and c.dataset in among and set(c.classes) & set(wanted)]
    _require_annotated(wanted, found)
    return found


def _require_annotated(wanted: Iterable[str], crops: Sequence[Crop]) -> None:
    without = [name for name in wanted if not any(name in crop.classes for crop in crops)]
    if without:
        raise CropNotFound(
            f"no training crop among those chosen annotates {', '.join(without)}; leave them out, or choose "
            f'others: "csc get-counts --classes {",".join(without)}" lists where they are annotated'
        )


def _stored(
    data: Place | str, crops: Sequence[Crop], wanted: Sequence[str], *, named: bool
) -> tuple[list[Crop], tuple[str, ...]]:
    """Those whose labels of the wanted classes are below `data`, and a note on the others."""
    here = [
        crop
        for crop in track(crops, "looking for labels")
        if all(label_path(data, crop, name).is_dir() for name in wanted if name in crop.classes)
    ]
    missing = [crop.id for crop in crops if crop not in here]
    if missing and (named or not here):
        raise FileMissing(f"no labels below {data} of {_numbers(missing)}; get them with: {_fetch(missing)}")
    if not missing:
        return here, ()
    return here, (
        f"{len(missing)} crops that annotate these classes are not below {data}: {_fetch(missing)}",
    )


def _fetch(numbers: Sequence[int]) -> str:
    return f"csc fetch-data --crops {','.join(map(str, numbers))}"


def _numbers(numbers: Sequence[int]) -> str:
    some = ", ".join(map(str, numbers[:8]))
    return f"crops {some}" + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")


def _require_em(images: dict[str, Multiscale], crops: Sequence[Crop]) -> None:
    missing = [crop.id for crop in crops if not any(_has_em(v, crop) for v in images[crop.dataset].levels)]
    if missing:
        raise EMMissing(f"{_numbers(missing)}: labels are here, EM is not; get it with: {_fetch(missing)}")


def _has_em(level: Volume, crop: Crop) -> bool:
    """Whether a chunk is stored at the middle of the crop, or else anywhere in it."""
    box = level.grid.box_of(crop.extent, snap="outer").intersect(level.grid.box)
    if box.is_empty:
        return False
    z, y, x = (a + n // 2 for a, n in zip(box.start, box.shape, strict=True))
    return not level.is_blank(Box((z, y, x), (1, 1, 1))) or not level.is_blank(box)


def _of_form(
    data: Place | str,
    form: Form,
    em: dict[str, tuple[Nm, ...]],
    crops: tuple[Crop, ...],
    wanted: Sequence[str],
    notes: tuple[str, ...],
) -> Survey:
    annotated = [name for name in wanted if any(name in crop.classes for crop in crops)]
    found = {name: _class_figures(data, name, crops) for name in track(annotated, "looking at labels")}
    absent = [name for name, figures in found.items() if figures is None]
    if absent:
        notes = (*notes, f"{', '.join(absent)}: not present in the crops of {', '.join(em)}; left out there")
    return Survey(form, em, crops, tuple(f for f in found.values() if f), notes)


def _require_present(wanted: Sequence[str], found: Sequence[Survey]) -> None:
    there = {figures.name for one in found for figures in one.classes}
    if absent := [name for name in wanted if name not in there]:
        raise SettingsError(
            f"{', '.join(absent)}: annotated, but not one voxel is known to be present in the crops looked "
            "at; nothing can be learned. Leave them out, or choose other crops"
        )


def _class_figures(data: Place | str, name: str, crops: Sequence[Crop]) -> ClassFigures | None:
    """What is known of a class; None when it is present nowhere."""
    annotated = [crop for crop in crops if name in crop.classes]
    known = present = 0
    thickness: list[tuple[float, int]] = []
    finest = []
    for crop in _spread(annotated)[:LOOKED_AT]:
        image = open_multiscale(label_path(data, crop, name))
        here, sure = _counts(image, name)
        known, present = known + sure, present + here
        finest.append(in_plane(image.levels[0].grid.voxel_size_nm))
        if here and len(thickness) < MEASURED:
            thickness.append((_thickness(image, name), here))
    if not present:
        return None
    met = [pair for pair in thickness if pair[0]] or thickness  # a block may miss a rare class
    typical = weighted_median(*zip(*met, strict=True))
    return ClassFigures(name, typical, present / known, min(finest), len(annotated))


def _spread(crops: Sequence[Crop]) -> list[Crop]:
    """One crop of each dataset, then another of each, and so on."""
    datasets: dict[str, list[Crop]] = {}
    for crop in crops:
        datasets.setdefault(crop.dataset, []).append(crop)
    return [crop for turn in zip_longest(*datasets.values()) for crop in turn if crop is not None]


def _counts(image: Multiscale, name: str) -> tuple[int, int]:
    """Voxels of the finest level, present and known: its statistics, else from a block of the coarsest."""
    level = image.levels[0]
    annotation = level.attributes.get("cellmap", {}).get("annotation", {})
    counts = annotation.get("complement_counts") or {}
    if "absent" in counts:
        known = level.grid.box.size - int(counts.get("unknown") or 0)
        return known - int(counts["absent"]), known
    coarse = image.levels[-1]
    labels = coarse.read(_block(coarse, None))
    encoding = read_encoding(image, coarse, name)
    scale = level.grid.box.size / max(1, labels.size)
    return round(encoding.present(labels).sum() * scale), round(encoding.known(labels).sum() * scale)


def _thickness(image: Multiscale, name: str) -> float:
    """Measured on the coarsest level that is fine enough, else on the finest; 0 where it is not met."""
    found, centre = 0.0, None
    for level in reversed(image.levels):
        encoding: LabelEncoding = read_encoding(image, level, name)
        box = _block(level, centre)
        mask = encoding.present(level.read(box))
        if not mask.any():
            continue
        places = np.argwhere(mask)
        z, y, x = (int(a) + s for a, s in zip(places[len(places) // 2], box.start, strict=True))
        centre = level.grid.to_nm((z, y, x))
        found = median_thickness(mask, level.grid.voxel_size_nm)
        if found >= ENOUGH * in_plane(level.grid.voxel_size_nm):
            break
    return found


def _block(level: Volume, centre_nm: Nm | None) -> Box:
    """At most `BLOCK` of a level, around a place or in its middle."""
    shape = [min(n, b) for n, b in zip(level.shape, BLOCK, strict=True)]
    middle = [n / 2 for n in level.shape] if centre_nm is None else level.grid.to_index(centre_nm)
    start = [min(max(0, round(m - s / 2)), n - s) for m, s, n in zip(middle, shape, level.shape, strict=True)]
    return Box.between(start, [a + s for a, s in zip(start, shape, strict=True)])
