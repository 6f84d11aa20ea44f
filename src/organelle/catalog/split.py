"""Training and validation: crops that share volume always stand on the same side.

The same region was annotated up to four times, so crop numbers say nothing about independence; the extents
in the table do. The table of a split is the one people know: a CSV without header, one row per crop with
usage (`train` or `validate`), raw store, raw path, label store, and label path with the classes in brackets.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from organelle.catalog.layout import em_path, labels_folder
from organelle.catalog.records import Catalog, Crop
from organelle.classes import class_named, sort_classes
from organelle.errors import CatalogError, ClassNotFound, CropNotFound, FileMissing, NotFound, SettingsError
from organelle.files import whole

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
        return tuple((a, b) for a in self.train for b in self.validate if _overlap(a, b))

    def crops_per_class(self) -> dict[str, tuple[int, int]]:
        """For each class the number of crops that annotate it: (train, validate)."""
        sides = (self.train, self.validate)
        return {n: (_annotated(sides[0], n), _annotated(sides[1], n)) for n in self.classes}


def crop_groups(crops: Iterable[Crop]) -> tuple[tuple[Crop, ...], ...]:
    """Crops that hang together through shared volume; a crop that meets no other is a group of its own."""
    groups: list[list[Crop]] = []
    for crop in crops:
        meets = [group for group in groups if any(_overlap(crop, other) for other in group)]
        groups = [group for group in groups if group not in meets]
        groups.append([other for group in meets for other in group] + [crop])
    return tuple(map(tuple, groups))


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

    Raises:
        CropNotFound: no training crop is left.
        SettingsError: the ratio is not in 0 <= ratio < 1.
    """
    import numpy as np

    if not 0 <= validate_ratio < 1:
        raise SettingsError(f"the validation ratio must be at least 0 and below 1, not {validate_ratio}")
    wanted = sort_classes(classes) if classes is not None else None
    names = None if datasets is None else {catalog.dataset(name).name for name in datasets}
    chosen = [c for c in catalog.select(crops) if not c.is_test and (names is None or c.dataset in names)]
    chosen = [c for c in chosen if _is_usable(c, wanted, max_voxel_size_nm)]
    if force_all_classes == "both":
        chosen = [c for c in chosen if _has_all(c, wanted)]
    if not chosen:
        raise CropNotFound(
            f"no training crop of {catalog.name} fits: classes {wanted or 'any'}, voxels of at most "
            f"{max_voxel_size_nm or 'any'} nm, datasets {sorted(names) if names else 'all'}, crops {crops!r}"
        )
    groups = crop_groups(chosen)
    order = np.random.default_rng(seed).permutation(len(groups))
    held_out = _draw([groups[i] for i in order], validate_ratio, force_all_classes, wanted)
    return _split(catalog, chosen, {crop.id for group in held_out for crop in group}, wanted)


def write_datasplit(split: Datasplit, data: Path | str, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write the table of a split whose volumes lie below `data`; returns the path."""
    rows = io.StringIO()
    writer = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for usage, crops in (("train", split.train), ("validate", split.validate)):
        writer.writerows(_row(usage, crop, data, split.classes) for crop in crops)
    with whole(path, overwrite=overwrite) as part:
        part.write_text(rows.getvalue())
    return Path(path)


def read_datasplit(path: Path | str, catalog: Catalog) -> Datasplit:
    """Read the table of a split; its crops are looked up in `catalog`, wherever its stores lie.

    A row may also name one class without brackets; rows of one crop count as one.

    Raises:
        FileMissing: there is no such file.
        CatalogError: all rows that cannot be understood, each with its line.
    """
    if not Path(path).is_file():
        raise FileMissing(f'no datasplit at {path}; "csc make-datasplit" writes one')
    sides: dict[str, dict[int, Crop]] = {"train": {}, "validate": {}}
    classes: set[str] = set()
    problems: list[str] = []
    for line, row in _lines(Path(path)):
        try:
            usage, crop, names = _parse_row(row, catalog)
        except (CatalogError, NotFound) as error:
            problems.append(f"{path}, line {line}: {error}")
            continue
        sides[usage][crop.id] = crop
        classes.update(names)
    both = sorted(sides["train"].keys() & sides["validate"].keys())
    problems += [f"{path}: crop {number} stands on both sides" for number in both]
    if problems:
        raise CatalogError("\n".join(problems))
    chosen = [*sides["train"].values(), *sides["validate"].values()]
    return _split(catalog, chosen, set(sides["validate"]), sort_classes(classes))


def _split(
    catalog: Catalog, chosen: list[Crop], held_out: set[int], classes: tuple[str, ...] | None
) -> Datasplit:
    names = sort_classes(n for crop in chosen for n in crop.classes) if classes is None else classes
    tests = catalog.test_crops.values()
    return Datasplit(
        train=tuple(crop for crop in chosen if crop.id not in held_out),
        validate=tuple(crop for crop in chosen if crop.id in held_out),
        classes=names,
        near_test=tuple(crop for crop in chosen if any(_overlap(crop, test) for test in tests)),
    )


def _draw(
    groups: list[tuple[Crop, ...]], ratio: float, force: Force | None, classes: tuple[str, ...] | None
) -> list[tuple[Crop, ...]]:
    """The groups to hold out; `groups` come in random order."""
    complete = [group for group in groups if all(_has_all(crop, classes) for crop in group)]
    if force and not complete:
        raise CropNotFound(
            f"no group of crops annotates all of {', '.join(classes or ())}; force fewer classes"
        )
    free = groups if force is None else complete
    held_out = [group for group in groups if group not in complete] if force == "train" else []
    total = sum(map(len, groups))
    target = ratio * total
    for group in free:
        count = sum(map(len, held_out))
        if abs(count + len(group) - target) < abs(count - target):
            held_out.append(group)
    if ratio > 0 and not held_out:
        held_out.append(min(free, key=len))
    if len(held_out) == len(groups):
        held_out.remove(min(free, key=lambda group: abs(total - len(group) - target)))
    return held_out


def _is_usable(
    crop: Crop, classes: tuple[str, ...] | None, max_voxel_size_nm: Sequence[float] | None
) -> bool:
    fine = max_voxel_size_nm is None or all(
        size <= most * (1 + 1e-4) for size, most in zip(crop.voxel_size_nm, max_voxel_size_nm, strict=True)
    )
    return fine and (classes is None or any(name in crop.classes for name in classes))


def _has_all(crop: Crop, classes: tuple[str, ...] | None) -> bool:
    return all(name in crop.classes for name in classes or ())


def _overlap(a: Crop, b: Crop) -> bool:
    return a.dataset == b.dataset and a.extent.overlaps(b.extent)


def _annotated(crops: Iterable[Crop], name: str) -> int:
    return sum(name in crop.classes for crop in crops)


def _row(
    usage: str, crop: Crop, data: Path | str, classes: tuple[str, ...]
) -> tuple[str, str, str, str, str]:
    em, labels = em_path(data, crop.dataset), labels_folder(data, crop)
    store = next(parent for parent in em.parents if parent.suffix == ".zarr")
    names = ",".join(name for name in crop.classes if name in classes)
    inside = (em.relative_to(store).as_posix(), labels.relative_to(store).as_posix())
    return usage, str(store), inside[0], str(store), f"{inside[1]}/[{names}]"


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        try:
            yield from ((reader.line_num, row) for row in reader if row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise CatalogError(f"{path} is not a CSV table in UTF-8: {error}") from error


def _parse_row(row: list[str], catalog: Catalog) -> tuple[str, Crop, list[str]]:
    if len(row) != 5:
        raise CatalogError(
            f"{len(row)} columns, expected 5 (usage, raw store and path, label store and path)"
        )
    usage = row[0].strip()
    if usage not in ("train", "validate"):
        raise CatalogError(f'usage {usage!r} is neither "train" nor "validate"')
    found = re.search(r"(?:^|/)crop(\d+)/(?:\[([^\]]*)\]|([^/\[\]]+))/?$", row[4].strip().replace("\\", "/"))
    if not found:
        raise CatalogError(f"label path {row[4]!r} does not end in crop<number>/[class,class]")
    names = [name.strip() for name in (found[2] or found[3] or "").split(",") if name.strip()]
    if not names:
        raise ClassNotFound(f"label path {row[4]!r} names no class")
    for name in names:
        class_named(name)
    return usage, catalog.crop(int(found[1])), names
