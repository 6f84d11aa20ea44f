"""Which crops an experiment learns from and holds out: its section `[data]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from organelle.catalog import Catalog, Crop, Datasplit, make_datasplit, make_folds, read_datasplit
from organelle.errors import SettingsError
from organelle.experiment.settings import DataSettings, Experiment

DRAWING = ("validate_ratio", "split_seed", "stratify", "hold_out", "folds", "fold")
"""Keys that say how a split is drawn, in their order in the file."""


def datasplit(experiment: Experiment, catalog: Catalog) -> Datasplit:
    """The crops to learn from and to hold out, from the section `[data]`.

    Raises:
        NotFound: a crop or dataset that the catalog does not hold.
        SettingsError: keys that exclude each other, or crops of both sides share volume.
    """
    chosen, classes = experiment.data, experiment.model.classes
    if chosen.train or chosen.validate_on:
        _refuse(chosen, "names its crops", ("datasplit", *DRAWING))
        split = _named(catalog, chosen.train, chosen.validate_on, classes)
    elif chosen.datasplit:
        _refuse(chosen, "names a datasplit", DRAWING)
        split = read_datasplit(chosen.datasplit, catalog)
    else:
        split = _drawn(catalog, chosen, classes)
    if split.leaks:
        pairs = ", ".join(f"{a.id} and {b.id}" for a, b in split.leaks)
        raise SettingsError(f"crops share volume but stand on both sides of the split: {pairs}")
    return split


def _drawn(catalog: Catalog, chosen: DataSettings, classes: tuple[str, ...]) -> Datasplit:
    datasets = chosen.datasets or None
    if chosen.hold_out:
        _refuse(chosen, "holds out whole datasets", [key for key in DRAWING if key != "hold_out"])
        return make_datasplit(catalog, classes=classes, datasets=datasets, hold_out=chosen.hold_out)
    drawn: dict[str, Any] = {"seed": chosen.split_seed, "stratify": chosen.stratify}
    if chosen.folds is None and chosen.fold is None:
        ratio = chosen.validate_ratio
        return make_datasplit(catalog, classes=classes, datasets=datasets, validate_ratio=ratio, **drawn)
    _refuse(chosen, "deals folds", ["validate_ratio"])
    if chosen.folds is None or chosen.fold is None:
        raise SettingsError(
            "[data] needs both folds and fold: how many there are, and which is held out, from 0"
        )
    if chosen.fold >= chosen.folds:
        raise SettingsError(
            f"[data] fold {chosen.fold} is not one of {chosen.folds}; they are counted from 0"
        )
    return make_folds(catalog, chosen.folds, classes=classes, datasets=datasets, **drawn)[chosen.fold]


def _refuse(chosen: DataSettings, what: str, keys: Iterable[str]) -> None:
    """An error for those of `keys` that the file gives, though they have no say."""
    given = [key for key in keys if key in chosen.model_fields_set]
    if given:
        raise SettingsError(
            f"[data] {what}, which leaves nothing to choose for {', '.join(given)}; keep one of them"
        )


def _named(
    catalog: Catalog, train: Iterable[int], validate: Iterable[int], classes: tuple[str, ...]
) -> Datasplit:
    sides = [tuple(_training_crop(catalog, number) for number in side) for side in (train, validate)]
    if not sides[0]:
        raise SettingsError("[data] validate is given, but train names no crop")
    return Datasplit(sides[0], sides[1], classes)


def _training_crop(catalog: Catalog, number: int) -> Crop:
    crop = catalog.crop(number)
    if crop.is_test:
        raise SettingsError(f"[data] names crop {number}, which is a test crop: its truth is hidden")
    return crop
