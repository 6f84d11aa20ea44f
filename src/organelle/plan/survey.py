"""What there is to learn from: crops, stored voxel sizes, how thick and how frequent each class is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from organelle.catalog import Catalog, Crop, label_path
from organelle.classes import sort_classes
from organelle.errors import CropNotFound, EMMissing, FileMissing, SettingsError
from organelle.geometry import Box, Nm
from organelle.plan.figures import ClassFigures, class_figures
from organelle.progress import track
from organelle.sampling import open_em
from organelle.stores import Place
from organelle.volumes import Multiscale, Volume

SLABS, SECTIONS = 1.5, 3.0
"""Ratios of the largest to the smallest voxel side from which on voxels are slabs, or sections."""
MANY = 16
"""Crops that a message names."""


class Form(StrEnum):
    """The form of a dataset's voxels, by the ratio of their sides."""

    CUBES = "cubes"
    """Below 1.5."""
    SLABS = "slabs"
    """From 1.5 to 3."""
    SECTIONS = "sections"
    """3 and more: neighbouring sections have little in common."""


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

    Read are metadata, and of each class what `organelle.plan.figures.class_figures` says.

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
        raise FileMissing(f"no labels below {data} of {_numbers(missing)}; get {_fetch(missing)}")
    if not missing:
        return here, ()
    return here, (
        f"{len(missing)} crops that annotate these classes are not below {data}; get {_fetch(missing)}",
    )


def _fetch(numbers: Sequence[int]) -> str:
    """How to get them; of many only some are named, for that would be a lot of data."""
    some = numbers if len(numbers) <= MANY else numbers[: MANY // 2]
    which = "them" if some is numbers else "some of them"
    return f"{which} with: csc fetch-data --crops {','.join(map(str, some))}"


def _numbers(numbers: Sequence[int]) -> str:
    some = ", ".join(map(str, numbers[: MANY // 2]))
    more = len(numbers) - MANY // 2
    return f"{'crops' if len(numbers) > 1 else 'crop'} {some}" + (f" and {more} more" if more > 0 else "")


def _require_em(images: dict[str, Multiscale], crops: Sequence[Crop]) -> None:
    missing = [crop.id for crop in crops if not any(_has_em(v, crop) for v in images[crop.dataset].levels)]
    if missing:
        raise EMMissing(f"{_numbers(missing)}: labels are here, EM is not; get {_fetch(missing)}")


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
    found = {name: class_figures(data, name, crops) for name in track(annotated, "looking at labels")}
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
