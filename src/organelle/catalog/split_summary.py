"""What each side of a split holds, and what one should know before trusting its scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from organelle.catalog.groups import crop_groups, groups_per_class
from organelle.catalog.records import Crop
from organelle.catalog.split import Datasplit


@dataclass(frozen=True, slots=True)
class Holding:
    """Crops and their volume on both sides. Where crops overlap, each counts with all of its volume.

    Attributes:
        name: A class (then of the crops that annotate it) or a dataset.
    """

    name: str
    train_crops: int
    validate_crops: int
    train_um3: float
    validate_um3: float


def holding_of(split: Datasplit, name: str = "all") -> Holding:
    """What the two sides hold altogether."""
    return _holding(name, split.train, split.validate)


def class_holdings(split: Datasplit) -> tuple[Holding, ...]:
    """What the two sides hold of each class of the split; annotated does not mean present."""

    def of(crops: Iterable[Crop], name: str) -> list[Crop]:
        return [crop for crop in crops if name in crop.classes]

    return tuple(_holding(name, of(split.train, name), of(split.validate, name)) for name in split.classes)


def dataset_holdings(split: Datasplit) -> tuple[Holding, ...]:
    """What the two sides hold of each dataset, in the order of their first crops."""

    def of(crops: Iterable[Crop], name: str) -> list[Crop]:
        return [crop for crop in crops if crop.dataset == name]

    names = dict.fromkeys(crop.dataset for crop in (*split.train, *split.validate))
    return tuple(_holding(name, of(split.train, name), of(split.validate, name)) for name in names)


def split_notes(split: Datasplit) -> tuple[str, ...]:
    """Sentences about classes that stand on one side only, crops near test crops, and leaks; may be none."""
    return (*_class_notes(split), *_crop_notes(split))


def _class_notes(split: Datasplit) -> Iterator[str]:
    crops = split.crops_per_class()
    groups = groups_per_class(crop_groups((*split.train, *split.validate)), split.classes)
    nowhere = [name for name in split.classes if not any(crops[name])]
    if nowhere:
        yield f"annotated in no crop that was taken: {', '.join(nowhere)}"
    if not split.validate:
        yield "nothing is held out"
        return
    for side, verb, other in ((0, "trained", "validated"), (1, "held out", "trained")):
        on_one_side = [name for name in split.classes if crops[name][side] and not crops[name][1 - side]]
        single = [name for name in on_one_side if groups[name] == 1]
        several = [name for name in on_one_side if groups[name] > 1]
        if single:
            yield f"in one group of crops only, so {verb} and not {other}: {', '.join(single)}"
        if several:
            yield f"in several groups of crops, but {verb} and not {other}: {', '.join(several)}"


def _crop_notes(split: Datasplit) -> Iterator[str]:
    held = {crop.id for crop in split.validate}
    for side, near in (
        ("training", [c for c in split.near_test if c.id not in held]),
        ("held-out", [c for c in split.near_test if c.id in held]),
    ):
        if near:
            yield f"{side} crops that share volume with test crops: {_numbers(near)}"
    if split.leaks:
        pairs = ", ".join(f"{a.id} and {b.id}" for a, b in split.leaks)
        yield f"crops that share volume but stand on both sides: {pairs}"


def _holding(name: str, train: Iterable[Crop], validate: Iterable[Crop]) -> Holding:
    sides = (tuple(train), tuple(validate))
    volumes = [math.fsum(math.prod(crop.extent.shape_nm) for crop in side) / 1e9 for side in sides]
    return Holding(name, len(sides[0]), len(sides[1]), volumes[0], volumes[1])


def _numbers(crops: Iterable[Crop]) -> str:
    return ", ".join(str(crop.id) for crop in crops)
