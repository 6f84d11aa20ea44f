"""Listings as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from organelle.catalog.listing import ClassEntry, DatasetEntry, extent_um, volume_um3
from organelle.classes import all_classes

if TYPE_CHECKING:
    from rich.table import Table

    from organelle.catalog.records import Crop


def crops_table(crops: Sequence[Crop], *, with_classes: bool = False) -> Table:
    """One line per crop; `with_classes` names its classes, otherwise they are counted."""
    table = _table(
        "crop>", "dataset", "split", "voxel nm (zyx)", "shape (zyx)", "extent µm (zyx)", "µm³>", "classes"
    )
    rows = [_crop_cells(crop, with_classes) for crop in crops]
    if with_classes:
        for row in rows:
            table.add_row(*row)
    else:  # one tall row: a table of hundreds of rows would take longer to lay out than all the rest
        for column in table.columns:
            column.no_wrap = True
        table.add_row(*("\n".join(cells) for cells in zip(*rows, strict=True)))
    test = sum(crop.is_test for crop in crops)
    table.caption = f"{len(crops) - test} training and {test} test crops"
    return table


def datasets_table(entries: Sequence[DatasetEntry]) -> Table:
    """One line per dataset; what the table of datasets does not state stays blank."""
    table = _table("dataset", "organism", "sample", "EM nm (zyx)", "train>", "test>", "classes>")
    for entry in entries:
        facts = entry.dataset
        table.add_row(
            facts.name,
            facts.organism or "",
            facts.sample or "",
            times(facts.em_voxel_size_nm or ()),
            str(len(entry.train_crops)),
            str(len(entry.test_crops)),
            str(len(entry.classes)),
        )
    table.caption = f"{len(entries)} datasets; train and test count crops"
    return table


def classes_table(entries: Sequence[ClassEntry]) -> Table:
    """One line per class, with the number of classes that it excludes; `class_story` names them."""
    table = _table(
        "id>", "class", "long name", "kind", "members", "implies", "excludes>", "train>", "test>", "datasets>"
    )
    for entry in entries:
        table.add_row(
            str(entry.organelle.id),
            entry.organelle.name,
            entry.organelle.long_name,
            entry.kind or "not scored",
            _few(entry.members),
            " ".join(entry.implies),
            str(len(entry.excludes)),
            str(len(entry.train_crops)),
            str(len(entry.test_crops)),
            str(len(entry.datasets)),
        )
    table.caption = 'train, test: crops; datasets: of the training crops; more: "csc catalog class NAME"'
    return table


def class_story(entry: ClassEntry) -> Table:
    """All that is known about one class, one fact per line."""
    table = _table("", "", header=False)
    others = {c.name for c in all_classes()} - {entry.organelle.name}
    together = [c.name for c in all_classes() if c.name in others - {*entry.excludes}]
    voxels = sorted({crop.voxel_size_nm for crop in entry.train_crops})
    facts = {
        "class": f"{entry.organelle.name} (id {entry.organelle.id}): {entry.organelle.long_name}",
        "scored as": entry.kind or "not scored",
        "members": " ".join(entry.members) or "none: it is no group",
        "implies": " ".join(entry.implies) or "nothing",
        "may share voxels with": " ".join(together) or "nothing",
        "excludes": " ".join(entry.excludes) or "nothing",
        "training crops": f"{len(entry.train_crops)} in {len(entry.datasets)} datasets",
        "by dataset": ", ".join(_per_dataset(entry)) or "none",
        "voxel sizes, nm": ", ".join(map(times, voxels)) or "none",
        "volume annotated": f"{sum(map(volume_um3, entry.train_crops)):.4g} µm³",
        "test crops": ", ".join(str(crop.id) for crop in entry.test_crops) or "none",
    }
    for name, fact in facts.items():
        table.add_row(name, fact)
    return table


def times(numbers: Iterable[float]) -> str:
    """`5.24×4×4`."""
    return "×".join(f"{n:g}" for n in numbers)


def _crop_cells(crop: Crop, with_classes: bool) -> tuple[str, ...]:
    return (
        str(crop.id),
        crop.dataset,
        "test" if crop.is_test else "train",
        times(crop.voxel_size_nm),
        times(crop.grid.shape),
        times(round(edge, 2) for edge in extent_um(crop)),
        f"{volume_um3(crop):.3g}",
        ", ".join(crop.classes) if with_classes else str(len(crop.classes)),
    )


def _per_dataset(entry: ClassEntry) -> Iterable[str]:
    for dataset in entry.datasets:
        yield f"{dataset} {sum(crop.dataset == dataset for crop in entry.train_crops)}"


def _few(names: Sequence[str], most: int = 10) -> str:
    return " ".join(names) if len(names) <= most else f"{' '.join(names[:3])} ... ({len(names)})"


def _table(*columns: str, header: bool = True) -> Table:
    """A table without lines; columns of numbers end in `>`."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_header=header, show_edge=False, caption_justify="left")
    for column in columns:
        right = column.endswith(">")
        table.add_column(column.removesuffix(">"), justify="right" if right else "left", overflow="fold")
    return table
