"""Listings as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from organelle.catalog.counts import AnnotationCounts
from organelle.catalog.listing import ClassEntry, DatasetEntry, extent_um, volume_um3
from organelle.catalog.records import Crop
from organelle.catalog.split_summary import Holding
from organelle.catalog.terminal import Column, TextTable
from organelle.classes import all_classes


def crops_table(crops: Sequence[Crop], *, with_classes: bool = False) -> TextTable:
    """One line per crop; `with_classes` names its classes, otherwise they are counted."""
    columns = (
        Column("crop", right=True),
        Column("dataset"),
        Column("split"),
        Column("voxel nm"),
        Column("shape"),
        Column("extent µm", rank=2),
        Column("µm³", right=True, rank=1),
        Column("classes", least=24) if with_classes else Column("classes", right=True),
    )
    test = sum(crop.is_test for crop in crops)
    caption = f"{len(crops) - test} training and {test} test crops; sizes are z×y×x, of the labels"
    return TextTable(columns, [_crop_cells(crop, with_classes) for crop in crops], caption)


def datasets_table(entries: Sequence[DatasetEntry]) -> TextTable:
    """One line per dataset; what the table of datasets does not state stays blank."""
    columns = (
        Column("dataset"),
        Column("organism", least=13),
        Column("sample", least=16, rank=1),
        Column("EM nm"),
        Column("train", right=True),
        Column("test", right=True),
        Column("classes", right=True),
    )
    caption = f"{len(entries)} datasets; train and test count crops; voxels of the EM are z×y×x"
    return TextTable(columns, list(map(_dataset_cells, entries)), caption)


def classes_table(entries: Sequence[ClassEntry]) -> TextTable:
    """One line per class, with the number of classes that it excludes; `class_story` names them."""
    columns = (
        Column("id", right=True),
        Column("class"),
        Column("long name", least=18),
        Column("kind"),
        Column("members", least=14, rank=2),
        Column("implies", least=12, rank=1),
        Column("excludes", right=True, rank=4),
        Column("train", right=True),
        Column("test", right=True),
        Column("datasets", right=True, rank=3),
    )
    caption = f'{len(entries)} classes; train and test count crops; more: "csc catalog class NAME"'
    return TextTable(columns, list(map(_class_cells, entries)), caption)


def counts_table(counts: AnnotationCounts) -> TextTable:
    """One line per class: in how many training crops it is annotated, and of which datasets."""
    rows = []
    for name in counts.classes:
        where = ((dataset, counts.crops[name, dataset]) for dataset in counts.datasets)
        rows.append((name, str(counts.total(name)), " ".join(f"{d}:{n}" for d, n in where if n)))
    columns = (Column("class"), Column("crops", right=True), Column("in", least=30))
    return TextTable(columns, rows, "training crops in which a class is annotated, present or not")


def holdings_table(what: str, rows: Iterable[Holding]) -> TextTable:
    """What the two sides of a split hold, a line per class or dataset, as `what` says."""
    heads = ("train", "held out", "train µm³", "held out µm³")
    columns = (Column(what), *(Column(head, right=True) for head in heads))
    cells = [
        (
            row.name,
            str(row.train_crops),
            str(row.validate_crops),
            *map(_um3, (row.train_um3, row.validate_um3)),
        )
        for row in rows
    ]
    return TextTable(columns, cells)


def class_story(entry: ClassEntry) -> TextTable:
    """All that is known about one class, one fact per line."""
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
        "by dataset": " ".join(_per_dataset(entry)) or "none",
        "voxel sizes, nm": ", ".join(map(times, voxels)) or "none",
        "volume annotated": f"{sum(map(volume_um3, entry.train_crops)):.4g} µm³",
        "test crops": ", ".join(str(crop.id) for crop in entry.test_crops) or "none",
    }
    return TextTable((Column(""), Column("", least=30)), list(facts.items()))


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
        " ".join(crop.classes) if with_classes else str(len(crop.classes)),
    )


def _dataset_cells(entry: DatasetEntry) -> tuple[str, ...]:
    facts = entry.dataset
    return (
        facts.name,
        facts.organism or "",
        facts.sample or "",
        times(facts.em_voxel_size_nm or ()),
        str(len(entry.train_crops)),
        str(len(entry.test_crops)),
        str(len(entry.classes)),
    )


def _class_cells(entry: ClassEntry) -> tuple[str, ...]:
    return (
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


def _per_dataset(entry: ClassEntry) -> Iterable[str]:
    for dataset in entry.datasets:
        yield f"{dataset}:{sum(crop.dataset == dataset for crop in entry.train_crops)}"


def _few(names: Sequence[str], most: int = 10) -> str:
    return " ".join(names) if len(names) <= most else f"{' '.join(names[:3])} ... ({len(names)})"


def _um3(volume: float) -> str:
    return f"{volume:,.0f}" if volume >= 100 else f"{volume:.3g}"
