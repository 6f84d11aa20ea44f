"""Training and validation: crops that share volume always stand on the same side.

The same region was annotated up to four times, so crop numbers say nothing about independence; the extents
in the table do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from organelle.catalog.drawing import deal_at_random, draw_at_random
from organelle.catalog.groups import Group, crop_groups, overlapping_pairs
from organelle.catalog.records import Catalog, Crop
from organelle.classes import sort_classes
from organelle.errors import CropNotFound, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Force = Literal["both", "train", "validate"]


@dataclass(frozen=True, slots=True)
class Datasplit:
    """Which training crops are learned from and which are held out.

    Attributes:
        classes: The classes that the split was made for.
        near_test: Crops of either side that share volume with a test crop: a score on that test crop
            says less about new data.
    """

    train: tuple[Crop, ...]
    validate: tuple[Crop, ...]
    classes: tuple[str, ...]
    near_test: tuple[Crop, ...] = ()

    @property
    def leaks(self) -> tuple[tuple[Crop, Crop], ...]:
        """Pairs (training, validation) that share volume; empty for every split made here."""
        return overlapping_pairs(self.train, self.validate)

    def crops_per_class(self) -> dict[str, tuple[int, int]]:
        """For each class the number of crops that annotate it: (train, validate)."""
        sides = (self.train, self.validate)
        return {n: (_annotated(sides[0], n), _annotated(sides[1], n)) for n in self.classes}


def make_datasplit(
    catalog: Catalog,
    *,
    classes: Iterable[str] | None = None,
    validate_ratio: float = 0.1,
    seed: int = 0,
    max_voxel_size_nm: Sequence[float] | None = None,
    datasets: Iterable[str] | None = None,
    crops: str | Iterable[str | int] = "all",
    force_all_classes: Force | None = None,
    stratify: bool = False,
    hold_out: Iterable[str] = (),
) -> Datasplit:
    """Draw validation groups until their share of the crops is as near to `validate_ratio` as it gets.

    Wherever there are two groups and the ratio is not 0, each side gets at least one.

    Args:
        catalog: Only its training crops are used.
        classes: A crop needs at least one of them (default: any class will do).
        validate_ratio: Share of the crops to hold out, 0 <= ratio < 1.
        seed: The same seed gives the same split.
        max_voxel_size_nm: Leave out crops whose labels are coarser than this on some axis.
        datasets: Names of datasets (default: all).
        crops: Crops as `Catalog.select` takes them.
        force_all_classes: Crops of this side must annotate all `classes`; a group that does not goes to
            the other side, or is left out when `both` sides are forced.
        stratify: Every class that is annotated in two or more groups comes to both sides, wherever such a
            split exists and is found, and its share is near the ratio; a class of one group stays in
            training.
        hold_out: Datasets whose crops are all held out, and no others: ratio, seed and `stratify` have no
            say. They need not be among `datasets`. A crop without the classes that its side is forced
            to annotate is left out.

    Raises:
        CropNotFound: no training crop is left, or none of a dataset to hold out.
        DatasetNotFound: a dataset that is not known; the nearest are named.
        SettingsError: the ratio is not in 0 <= ratio < 1, or nothing is left to learn from.
    """
    if not 0 <= validate_ratio < 1:
        raise SettingsError(f"the validation ratio must be at least 0 and below 1, not {validate_ratio}")
    wanted = sort_classes(classes) if classes is not None else None
    away = {catalog.dataset(name).name for name in hold_out}
    within = None if datasets is None else {*datasets, *away}
    chosen = _choose(catalog, wanted, max_voxel_size_nm, within, crops, force_all_classes)
    if away:
        return _leave_out(catalog, chosen, away, wanted, force_all_classes)
    held_out = _draw(_shuffled(chosen, seed), validate_ratio, force_all_classes, wanted, stratify=stratify)
    return split_of(catalog, chosen, {crop.id for group in held_out for crop in group}, wanted)


def make_folds(
    catalog: Catalog,
    folds: int,
    *,
    classes: Iterable[str] | None = None,
    seed: int = 0,
    max_voxel_size_nm: Sequence[float] | None = None,
    datasets: Iterable[str] | None = None,
    crops: str | Iterable[str | int] = "all",
    force_all_classes: Force | None = None,
    stratify: bool = False,
) -> tuple[Datasplit, ...]:
    """As many splits as `folds`, in which every group of crops is held out exactly once.

    With `stratify` the groups of each class are dealt as evenly as they can be; without, the folds only
    hold about the same number of crops. The other arguments are those of `make_datasplit`.

    Raises:
        CropNotFound: no training crop is left.
        SettingsError: fewer than 2 folds, more folds than groups, or one side is forced to annotate all
            classes: in folds every crop stands on both.
    """
    if force_all_classes in ("train", "validate"):
        raise SettingsError("in folds every crop trains and validates; force all classes on both sides")
    wanted = sort_classes(classes) if classes is not None else None
    chosen = _choose(catalog, wanted, max_voxel_size_nm, datasets, crops, force_all_classes)
    groups = _shuffled(chosen, seed)
    if not 2 <= folds <= len(groups):
        raise SettingsError(
            f"{folds} folds cannot be made of {len(groups)} groups of crops that share no volume; "
            f"take 2 to {len(groups)}"
        )
    dealt = _deal(groups, folds, wanted, stratify=stratify)
    held = [{c.id for g, own in zip(groups, dealt, strict=True) if own == f for c in g} for f in range(folds)]
    return tuple(split_of(catalog, chosen, out, wanted) for out in held)


def split_of(
    catalog: Catalog, chosen: Sequence[Crop], held_out: set[int], classes: tuple[str, ...] | None
) -> Datasplit:
    """The split that holds out the crops numbered `held_out`; without `classes`, for all annotated ones."""
    names = sort_classes(n for crop in chosen for n in crop.classes) if classes is None else classes
    near = {crop.id for crop, _ in overlapping_pairs(chosen, tuple(catalog.test_crops.values()))}
    return Datasplit(
        train=tuple(crop for crop in chosen if crop.id not in held_out),
        validate=tuple(crop for crop in chosen if crop.id in held_out),
        classes=names,
        near_test=tuple(crop for crop in chosen if crop.id in near),
    )


def _choose(
    catalog: Catalog,
    wanted: tuple[str, ...] | None,
    max_voxel_size_nm: Sequence[float] | None,
    datasets: Iterable[str] | None,
    crops: str | Iterable[str | int],
    force: Force | None,
) -> list[Crop]:
    names = None if datasets is None else {catalog.dataset(name).name for name in datasets}
    chosen = [c for c in catalog.select(crops) if not c.is_test and (names is None or c.dataset in names)]
    chosen = [c for c in chosen if _is_usable(c, wanted, max_voxel_size_nm)]
    if force == "both":
        chosen = [c for c in chosen if _has_all(c, wanted)]
    if not chosen:
        asked = _asked(wanted, max_voxel_size_nm, names, crops, force)
        raise CropNotFound(
            f"no training crop of {catalog.name} fits all that was asked for: {asked}; "
            'see what there is with "csc catalog crops --split train"'
        )
    return chosen


def _asked(
    wanted: tuple[str, ...] | None,
    max_voxel_size_nm: Sequence[float] | None,
    datasets: set[str] | None,
    crops: str | Iterable[str | int],
    force: Force | None,
) -> str:
    parts = {
        "all of the classes" if force == "both" else "any of the classes": ", ".join(wanted or ()),
        "voxels of at most (nm)": " ".join(f"{size:g}" for size in max_voxel_size_nm or ()),
        "datasets": ", ".join(sorted(datasets or ())),
        "crops": crops if isinstance(crops, str) else " ".join(map(str, crops)),
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items() if value)


def _shuffled(crops: Iterable[Crop], seed: int) -> list[Group]:
    import numpy as np

    groups = crop_groups(crops)
    return [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]


def _leave_out(
    catalog: Catalog,
    chosen: list[Crop],
    away: set[str],
    wanted: tuple[str, ...] | None,
    force: Force | None,
) -> Datasplit:
    sides = {crop.id: "validate" if crop.dataset in away else "train" for crop in chosen}
    kept = [crop for crop in chosen if sides[crop.id] != force or _has_all(crop, wanted)]
    empty = sorted(away - {crop.dataset for crop in kept})
    if empty:
        raise CropNotFound(f"no training crop that fits is left to hold out of {', '.join(empty)}")
    if all(sides[crop.id] == "validate" for crop in kept):
        raise SettingsError(f"nothing is left to learn from when {', '.join(sorted(away))} is held out")
    return split_of(catalog, kept, {crop.id for crop in kept if crop.dataset in away}, wanted)


def _draw(
    groups: list[Group],
    ratio: float,
    force: Force | None,
    classes: tuple[str, ...] | None,
    *,
    stratify: bool,
) -> list[Group]:
    """The groups to hold out; `groups` come in random order."""
    incomplete = {i for i, group in enumerate(groups) if not all(_has_all(crop, classes) for crop in group)}
    if force and len(incomplete) == len(groups):
        raise CropNotFound(
            f"no group of crops annotates all of {', '.join(classes or ())}; force fewer classes"
        )
    pinned = incomplete if force == "validate" else set()
    held = incomplete if force == "train" else set()
    if stratify and ratio > 0 and len(groups) > 1:
        chosen = _draw_stratified(groups, ratio, pinned, held, classes)
    else:
        chosen = draw_at_random([len(group) for group in groups], ratio, pinned, held)
    return [group for i, group in enumerate(groups) if i in chosen]


def _draw_stratified(
    groups: list[Group], ratio: float, pinned: set[int], held: set[int], classes: tuple[str, ...] | None
) -> set[int]:
    import numpy as np

    from organelle.catalog.stratify import OPEN, TRAIN, VALIDATE, draw_stratified

    sides = [TRAIN if i in pinned else VALIDATE if i in held else OPEN for i in range(len(groups))]
    sizes = [len(group) for group in groups]
    return draw_stratified(_counts(groups, classes), sizes, ratio, np.array(sides, dtype=np.int8))


def _deal(groups: list[Group], folds: int, classes: tuple[str, ...] | None, *, stratify: bool) -> list[int]:
    sizes = [len(group) for group in groups]
    if not stratify:
        return deal_at_random(sizes, folds)
    from organelle.catalog.stratify import deal_stratified

    return deal_stratified(_counts(groups, classes), sizes, folds)


def _counts(groups: list[Group], classes: tuple[str, ...] | None) -> NDArray[np.int64]:
    """Crops of each group that annotate each class, (groups, classes); classes of no crop are left out."""
    import numpy as np

    found = {name for group in groups for crop in group for name in crop.classes}
    names = [name for name in sort_classes(found) if classes is None or name in classes]
    return np.array([[_annotated(group, name) for name in names] for group in groups], dtype=np.int64)


def _is_usable(
    crop: Crop, classes: tuple[str, ...] | None, max_voxel_size_nm: Sequence[float] | None
) -> bool:
    fine = max_voxel_size_nm is None or all(
        size <= most * (1 + 1e-4) for size, most in zip(crop.voxel_size_nm, max_voxel_size_nm, strict=True)
    )
    return fine and (classes is None or any(name in crop.classes for name in classes))


def _has_all(crop: Crop, classes: tuple[str, ...] | None) -> bool:
    return all(name in crop.classes for name in classes or ())


def _annotated(crops: Iterable[Crop], name: str) -> int:
    return sum(name in crop.classes for crop in crops)
